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
    """A sentence for the end of an error: the nearest known word, else all of them."""
    known = list(known)
    near = difflib.get_close_matches(str(word), known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"it must be one of: {', '.join(known)}"
