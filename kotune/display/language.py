"""Decides the language of a command's output, and prints `--help` in this language.

--lang decides. It can be given before or after the name of the command. Without --lang, the
environment variables LC_ALL, LC_MESSAGES and LANG decide."""

import os
from collections.abc import Iterable

import click

from kotune.display.phrases.translation import ENGLISH, KOREAN, lookup, preferred
from kotune.display.words import is_wide

# Words that click adds to the help of an option, in brackets.
ADDED = ("default: ", "required")
# Stands after each wide character while lines are wrapped, because click counts characters.
FILLER = "\0"


def chosen(ctx: click.Context) -> str:
    """The language of this command line. The environment is read once."""
    root = ctx.find_root()
    if root.obj is None:
        root.obj = preferred(os.environ)
    return str(root.obj)


def choose(ctx: click.Context, _: click.Parameter, language: str | None) -> str:
    """The callback of --lang. Without the option, the language stays as it is."""
    if language:
        ctx.find_root().obj = language
    return chosen(ctx)


class KoreanHelp(click.HelpFormatter):
    """Formats help in Korean. A text without a translation stays English."""

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        super().write_usage(prog, args, prefix or _wide(lookup("Usage: ", KOREAN)))

    def write_heading(self, heading: str) -> None:
        super().write_heading(lookup(heading, KOREAN))

    def write_text(self, text: str) -> None:
        super().write_text("\n\n".join(_wide(lookup(part, KOREAN)) for part in paragraphs(text)))

    def write_dl(
        self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2
    ) -> None:
        super().write_dl([(name, _wide(_help(text))) for name, text in rows], col_max, col_spacing)

    def getvalue(self) -> str:
        return super().getvalue().replace(FILLER, "")


class TranslatedCommand(click.Command):
    """A command whose help is printed in the chosen language."""

    def get_help(self, ctx: click.Context) -> str:
        if chosen(ctx) != ENGLISH:
            ctx.formatter_class = KoreanHelp
        return super().get_help(ctx)


def paragraphs(text: str) -> list[str]:
    """The paragraphs of a help text, each on one line."""
    return [" ".join(part.split()) for part in text.split("\n\n")]


def _help(text: str) -> str:
    """The help of an option or a command, with what click adds to it in brackets."""
    text, bracket, added = text.partition("  [")
    for word in ADDED:
        added = added.replace(word, lookup(word, KOREAN))
    return f"{lookup(text, KOREAN)}{bracket}{added}"


def _wide(text: str) -> str:
    """The text with FILLER after each character that is two columns wide."""
    return "".join(letter + FILLER * is_wide(letter) for letter in text)
