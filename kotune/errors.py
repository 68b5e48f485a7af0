"""The one family of errors that a user sees, each with the exit code that a scheduler acts on.

0 done; 1 a stage failed, final; 2 recipe or usage; 75 hub unreachable, try again; 130 interrupted; 143 preempted.
"""

from collections.abc import Iterable
from difflib import get_close_matches

from kodata.errors import HubError


class KotuneError(Exception):
    """One clear message for the user; never shown with a traceback."""

    exit_code = 1


class RecipeError(KotuneError):
    """The recipe or the command line is wrong: nothing was started."""

    exit_code = 2


class StageError(KotuneError):
    """A stage started and failed; the message names its log."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`; did you mean X?` where a known word is near, else the known words when they are few, else nothing."""
    names = sorted(known)
    near = get_close_matches(word, names, n=1, cutoff=0.6)
    if near:
        return f"; did you mean {near[0]}?"
    return f"; known: {', '.join(names)}" if 0 < len(names) <= 20 else ""


def exit_code(error: Exception) -> int:
    """The exit code of an error that a user sees; kodata's errors know nothing of exit codes."""
    if isinstance(error, HubError):
        return 75  # EX_TEMPFAIL of sysexits.h: the same command may pass later
    return getattr(error, "exit_code", KotuneError.exit_code)
