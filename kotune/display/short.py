"""Prints a short answer: paragraphs that fit LINES lines of at most COLUMNS columns. The least
important paragraphs are left out first."""

import shlex
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from kodata.errors import visible
from kotune.display.phrases import Phrases
from kotune.display.terminal import terminal

if TYPE_CHECKING:
    from rich.console import Console

LINES = 25
COLUMNS = 100  # a Hangul syllable takes two
INDENT = "  "


class Paragraph(NamedTuple):
    """A paragraph of an answer. BLANK is an empty line.

    - `rank`: how early it is left out. A paragraph with rank 0 is never left out.
    - `style`: its colour, as rich names it
    - `is_command`: whether it is a command line, which is broken so that a shell still reads it
    """

    text: str
    rank: int = 0
    style: str = ""
    is_command: bool = False


BLANK = Paragraph("", 9)


def show(
    paragraphs: Iterable[Paragraph],
    phrases: Phrases,
    console: "Console | None" = None,
    more: str = "more_lines",
) -> None:
    """Print the paragraphs. If some are left out, the phrase `more` says how many, and where they
    are."""
    from rich.text import Text

    console = console or terminal()
    width = min(COLUMNS, console.width) if console.is_terminal else COLUMNS
    wrapped = [(each, _lines(each, width, console)) for each in paragraphs]
    kept, left_out = _fitting(wrapped)
    for each, lines in kept:
        for line in lines:
            console.print(Text(line, each.style), soft_wrap=True)
    if left_out:
        console.print(Text(phrases(more, n=left_out)), soft_wrap=True)


Wrapped = tuple[Paragraph, list[str]]  # a paragraph with its lines


def _fitting(wrapped: Sequence[Wrapped]) -> tuple[list[Wrapped], int]:
    """The paragraphs that fit LINES lines, in their order, and the number of the others without
    blank lines. Of paragraphs with the same rank, the last is left out first. If any is left out,
    one line stays free to say so."""
    kept, left_out = list(wrapped), 0
    while sum(len(lines) for _, lines in kept) > LINES - bool(left_out):
        rank = max(paragraph.rank for paragraph, _ in kept)
        if rank == 0:
            break
        last = max(at for at, (paragraph, _) in enumerate(kept) if paragraph.rank == rank)
        left_out += kept.pop(last)[0] != BLANK
    return kept, left_out


def _lines(paragraph: Paragraph, width: int, console: "Console") -> list[str]:
    """The lines of a paragraph. A word that is longer than a line is broken, but not in a
    command."""
    from rich.text import Text

    text = visible(paragraph.text)
    if not text:
        return [""]
    if paragraph.is_command:
        return _command_lines(text, width)
    return [line.plain.rstrip() for line in Text(text).wrap(console, width)]


def _command_lines(command: str, width: int) -> list[str]:
    """The lines of a command, indented. All but the last end with a backslash, so that a shell
    reads them as one line."""
    from rich.cells import cell_len

    lines, line = [], ""
    for word in map(shlex.quote, shlex.split(command)):
        longer = f"{line} {word}" if line else INDENT + word
        if line and cell_len(longer) > width - 2:
            lines.append(f"{line} \\")
            longer = 2 * INDENT + word
        line = longer
    return [*lines, line]
