"""The errors that kodata raises for a user's mistake: one clear text each, which says what to do."""

import difflib
from collections.abc import Iterable


class DataError(ValueError):
    """Something is wrong with the data. The text names file, row, field and value, and what to do."""


class HubError(DataError):
    """The hub could not be reached: trying again later can help. The one DataError that is not the user's to mend."""


class HubDeniedError(DataError):
    """The hub answered no (gated, not logged in, no such file): trying again does not help."""


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """`; did you mean X?` where a known word is near, else the known words when they are few, else nothing."""
    names = sorted(known)
    near = difflib.get_close_matches(str(word), names, n=1)
    if near:
        return f"; did you mean {near[0]}?"
    return f"; known: {', '.join(names)}" if 0 < len(names) <= 20 else ""
