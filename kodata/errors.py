"""The errors that kodata raises for a user's mistake, each with one clear message, and functions
that format values for messages."""

import re
from collections.abc import Iterable
from difflib import get_close_matches
from reprlib import Repr


class UserError(Exception):
    """A mistake that the user can correct. It is shown as one clear message, without a traceback.
    Any other exception that reaches a user is a bug of kotune.

    It is not a ValueError. So code that catches a library's ValueErrors does not catch it."""


class DataError(UserError):
    """Something is wrong with the data. The message names file, row, field, value, and what to
    do."""


class HubError(DataError):
    """The hub could not be reached. A retry may succeed. The user cannot fix this error, unlike
    every other DataError."""

    def __init__(self, text: str, wait: float = 0) -> None:
        """`wait`: the seconds after which the hub asks clients to retry; 0 if it gives none."""
        super().__init__(text)
        self.wait = wait


class HubDeniedError(DataError):
    """The hub refused the request (gated, not logged in, no such file), or must not be contacted. A
    retry does not help."""


class NoTestError(DataError):
    """There are no rows to score a model on. Training is still possible.

    `groups`: the number of train groups if they are too few to keep a share for test; None if no
    share is kept."""

    def __init__(self, text: str, groups: int | None = None) -> None:
        super().__init__(text)
        self.groups = groups


class SizeError(DataError):
    """The recipe requests more training rows than the data set has."""

    def __init__(self, source: str, samples: int, rows: int) -> None:
        super().__init__(
            f"{source}: samples is {samples:,}, but there are only {rows:,} train rows; lower it,"
            " or leave it out to use all rows"
        )


class FaultError(Exception):
    """A fault in a file that is being read. files.rows() adds the file and the row."""


# Characters that change what a terminal shows or the order of displayed text: control characters
# except tab and line feed, C1, bidirectional marks, embeddings, overrides and isolates. Lone
# surrogates are included because they cannot be encoded.
_ACTS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def visible(text: str) -> str:
    """The text with characters that affect a terminal or the text direction escaped as \\uXXXX."""
    return _ACTS.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def on_one_line(text: str) -> str:
    """The text with every unprintable character escaped, line ends included. For a name or value in
    a message."""
    return "".join(
        letter if letter.isprintable() else visible(repr(letter)[1:-1]) for letter in text
    )


_BRIEF = Repr()
_BRIEF.maxstring = _BRIEF.maxother = 60


def shown(value: object) -> str:
    """A value for a message, in at most 80 characters. Safe for very long or deeply nested
    values."""
    text = _BRIEF.repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def brief(error: object) -> str:
    """The message of an error, on one line of at most 200 characters."""
    text = " ".join(str(error).split())
    return text if len(text) <= 200 else text[:197] + "..."


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """The end of an error message: `; did you mean X?` if a known word is similar, else the known
    words if there are at most 20."""
    names = sorted(known)
    if near := get_close_matches(word[:80] if isinstance(word, str) else "", names, n=1):
        return f"; did you mean {near[0]}?"
    return f"; known: {', '.join(names)}" if 0 < len(names) <= 20 else ""
