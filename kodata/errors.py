"""The errors that kodata raises for a user's mistake: one clear text each, which says what to
do."""

import re
from collections.abc import Iterable
from difflib import get_close_matches
from reprlib import Repr


class UserError(Exception):
    """A mistake that the user can correct: one clear message, never a traceback. All other
    exceptions that reach a user are bugs of ours.

    Not a ValueError: code that catches what a library raises must not catch a message."""


class DataError(UserError):
    """Something is wrong with the data. The text names file, row, field and value, and what to
    do."""


class HubError(DataError):
    """The hub could not be reached: trying again later can help. The one DataError that is not the
    user's to mend."""

    def __init__(self, text: str, wait: float = 0) -> None:
        """`wait`: the seconds after which the hub wants to be asked again; 0 where it does not
        say."""
        super().__init__(text)
        self.wait = wait


class HubDeniedError(DataError):
    """The hub answered no (gated, not logged in, no such file) or may not be asked: trying again
    does not help."""


class NoTestError(DataError):
    """There is nothing to score a model on, and nothing is kept for that. Training needs none of
    it. `groups`: those of train, where they are too few; None where nothing was to be kept."""

    def __init__(self, text: str, groups: int | None = None) -> None:
        super().__init__(text)
        self.groups = groups


class SizeError(DataError):
    """More training rows are asked for than there are."""

    def __init__(self, source: str, samples: int, rows: int) -> None:
        there = f"there are only {rows:,} train rows"
        super().__init__(
            f"{source}: samples is {samples:,}, but {there}; give no more, or leave it out for all"
        )


class FaultError(Exception):
    """What is wrong at the place of a file that is being read; files.rows() adds the place."""


# What acts on a terminal, or on the order in which text is shown: controls but for tab and line
# end, C1, bidirectional marks, embeddings, overrides and isolates. Halves of characters cannot be
# written at all.
_ACTS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def visible(text: str) -> str:
    """Text in which what would act on a terminal, or turn the order of what is read, is spelled out
    as \\uXXXX."""
    return _ACTS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def on_one_line(text: str) -> str:
    """visible() for a name or value in a message: nothing that is not printed is left, no line end
    and no blank but a space."""
    return "".join(
        letter if letter.isprintable() else visible(repr(letter)[1:-1]) for letter in text
    )


_BRIEF = Repr()
_BRIEF.maxstring = _BRIEF.maxother = 60


def shown(value: object) -> str:
    """A value for a message: at most 80 characters, however long it is and however deep (repr() has
    a limit there)."""
    text = _BRIEF.repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def brief(error: object) -> str:
    """What a library says, in one line of at most 200 characters."""
    text = " ".join(str(error).split())
    return text if len(text) <= 200 else text[:197] + "..."


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """The end of an error: `; did you mean X?` where a known word is near, else the known words
    when they are few."""
    names = sorted(known)
    if near := get_close_matches(word[:80] if isinstance(word, str) else "", names, n=1):
        return f"; did you mean {near[0]}?"
    return f"; known: {', '.join(names)}" if 0 < len(names) <= 20 else ""
