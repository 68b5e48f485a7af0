"""The one family of errors that a user sees, each with the exit code that a scheduler acts on.

0 done; 1 a stage failed, final; 2 recipe or usage; 75 hub unreachable, try again; 130 interrupted;
143 preempted."""

import errno

from kodata.errors import HubError, UserError

TRACEBACK = (  # of the environment: 1 shows where a message of a stranger's files comes from
    "KOTUNE_TRACEBACK"
)
UNREACHABLE, INTERRUPTED, PREEMPTED = 75, 130, 143  # 75 is EX_TEMPFAIL of sysexits.h


class Preempted(KeyboardInterrupt):
    """SIGTERM, or the terminal went away: everything unwinds as with Ctrl-C, to another exit
    code."""


class KotuneError(UserError):
    """The base of kotune's own errors. `exit_code`: see the module's docstring."""

    exit_code = 1


class RecipeError(KotuneError):
    """The recipe or the command line is wrong: nothing was started."""

    exit_code = 2


class StageError(KotuneError):
    """A stage started and failed; the message names its log."""


def exit_code(error: Exception) -> int:
    """The exit code of an error that a user sees; kodata's errors know nothing of exit codes."""
    if isinstance(error, HubError):
        return UNREACHABLE  # the same command may pass later
    return getattr(error, "exit_code", KotuneError.exit_code)


def os_error(error: OSError) -> str:
    """What the system refused, as one message that says what to do."""
    place = f"{error.filename}: " if error.filename else ""
    return f"{place}{error.strerror or error}{_ADVICE.get(error.errno or 0, '')}"


_AGAIN = "; free some space and run the same command again, which goes on from what is whole"
_WRITABLE = "; give a folder that you may write to (--runs-dir)"
FULL = (errno.ENOSPC, errno.EDQUOT)  # a disk, or what one may write to it
_ADVICE = {**dict.fromkeys(FULL, _AGAIN), errno.EROFS: _WRITABLE, errno.EACCES: _WRITABLE}
