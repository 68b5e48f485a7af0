"""The errors that are shown to a user. Each one has an exit code for schedulers:

- 0: success
- 1: a stage failed; running again does not help
- 2: the recipe or the command line is wrong
- 75: the hub is unreachable; run the command again later
- 130: interrupted
- 143: preempted
"""

import errno

from kodata.errors import HubError, UserError

TRACEBACK = "KOTUNE_TRACEBACK"  # environment variable: 1 shows a traceback for malformed run files
UNREACHABLE, INTERRUPTED, PREEMPTED = 75, 130, 143  # 75 is EX_TEMPFAIL of sysexits.h


class Preempted(KeyboardInterrupt):
    """The process got SIGTERM, or its terminal was closed. The error is handled like Ctrl-C,
    but with another exit code."""


class KotuneError(UserError):
    """An error with one clear message for the user. It is never shown with a traceback."""

    exit_code = 1


class RecipeError(KotuneError):
    """The recipe or the command line is wrong. Nothing was started."""

    exit_code = 2


class StageError(KotuneError):
    """A stage started and failed. The message has the path of its log."""


def exit_code(error: Exception) -> int:
    """The exit code of an error that is shown to a user. kodata's errors do not define one."""
    if isinstance(error, HubError):
        return UNREACHABLE  # the same command may succeed later
    return getattr(error, "exit_code", KotuneError.exit_code)


def os_error(error: OSError) -> str:
    """An error of the operating system as one message: the path, the reason and what to do."""
    path = f"{error.filename}: " if error.filename else ""
    return f"{path}{error.strerror or error}{_ADVICE.get(error.errno or 0, '')}"


_AGAIN = "; free some space and run the same command again, which continues from what is complete"
_WRITABLE = "; give a folder that you may write to (--runs-dir)"
FULL = (errno.ENOSPC, errno.EDQUOT)  # the disk is full, or the user's quota is used up
_ADVICE = {**dict.fromkeys(FULL, _AGAIN), errno.EROFS: _WRITABLE, errno.EACCES: _WRITABLE}
