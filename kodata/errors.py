"""The errors that kodata raises for mistakes of the user and failures of the hub, the class of
messages that can be translated, and functions that format values for messages."""

import re
from collections.abc import Iterable
from difflib import get_close_matches
from reprlib import Repr
from typing import Self


class Translatable(str):
    """An English message that can also be shown in another language, with the same values.
    kotune.display.phrases.translation does this. A copy or a pickle of it is plain English text.

    `template`: the message with {placeholders}; `values`: the value of each placeholder. A value
    that is Translatable too is also translated."""

    template: str
    values: dict[str, object]

    def __new__(cls, template: str, /, **values: object) -> Self:
        text = super().__new__(cls, template.format(**values))
        text.template, text.values = template, values
        return text

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        return str, (str(self),)


def joined(separator: str, parts: Iterable[str]) -> Translatable:
    """The parts as one message, in which each part can still be translated."""
    values = {f"part{number}": part for number, part in enumerate(parts)}
    return Translatable(separator.join(f"{{{name}}}" for name in values), **values)


class UserError(Exception):
    """A mistake that the user can correct. The user sees its message without a traceback. Any other
    exception that reaches the user is a bug of kotune.

    This class is not a ValueError, so that code that catches a library's ValueErrors does not catch
    it."""


class DataError(UserError):
    """Something is wrong with the data. The message names file, row, field, value, and what to
    do."""


class HubError(DataError):
    """The hub could not be reached. A retry may succeed."""

    def __init__(self, text: str, wait: float = 0) -> None:
        """`wait`: the seconds after which the hub asks clients to retry; 0 if it gives none."""
        super().__init__(text)
        self.wait = wait


class HubDeniedError(DataError):
    """The hub refused the request (gated, not logged in, no such file), or its address is not safe
    to contact. A retry does not help."""


class NoTestError(DataError):
    """There are no rows to score a model on. Training is still possible.

    `groups`: the number of groups, if they are too few to keep a share of them for scoring. None if
    there is another reason."""

    def __init__(self, text: str, groups: int | None = None) -> None:
        super().__init__(text)
        self.groups = groups


class SizeError(DataError):
    """The recipe requests more training rows than the data set has."""

    def __init__(self, source: str, samples: int, rows: int) -> None:
        super().__init__(
            Translatable(
                "{source}: samples is {samples:,}, but there are only {rows:,} train rows; lower"
                " it, or leave it out to use all rows",
                source=source,
                samples=samples,
                rows=rows,
            )
        )


class FaultError(Exception):
    """A fault in a file that is being read. The message does not name the file or the row. The
    function that reads the file, such as files.rows(), adds both and raises DataError."""


# Characters that are not safe to print. Control characters, except tab and line feed, may change
# what a terminal shows. Bidirectional marks, embeddings, overrides and isolates change the order of
# the text. Lone surrogates cannot be encoded.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def visible(text: str) -> str:
    """The text, with every character that is not safe to print escaped as \\uXXXX."""
    return _UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def on_one_line(text: str) -> str:
    """The text with every unprintable character escaped, including line ends. Use it for a name or
    value in a message."""
    return "".join(
        letter if letter.isprintable() else visible(repr(letter)[1:-1]) for letter in text
    )


_BRIEF = Repr()
_BRIEF.maxstring = _BRIEF.maxother = 60


def shown(value: object) -> str:
    """The repr of a value, shortened to at most 80 characters, for a message. Very long and deeply
    nested values are not read as a whole."""
    text = _BRIEF.repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def brief(error: object) -> str:
    """The message of an error on one line, shortened to at most 200 characters."""
    text = " ".join(str(error).split())
    return text if len(text) <= 200 else text[:197] + "..."


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """The end of an error message about an unknown word. It is `; did you mean X?` if a known word
    is similar, else a list of the known words. Empty if there are more than 20 of them, or none."""
    names = sorted(known)
    if near := get_close_matches(word[:80] if isinstance(word, str) else "", names, n=1):
        return Translatable("; did you mean {near}?", near=near[0])
    if not 0 < len(names) <= 20:
        return ""
    return Translatable("; known: {names}", names=", ".join(names))
