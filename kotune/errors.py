"""Defines the errors that are shown to a user. The exit code of a command tells schedulers what
happened:

- 0: success
- 1: a stage failed, and running it again does not help
- 2: the recipe or the command line is wrong
- 75: the hub is unreachable; run the command again later
- 130: interrupted by Ctrl-C
- 143: preempted
"""

import errno
import os

from kodata.errors import HubError, Translatable, UserError, joined

# The name of an environment variable. If it is set, an error also shows the traceback of its cause.
TRACEBACK = "KOTUNE_TRACEBACK"
UNREACHABLE, INTERRUPTED, PREEMPTED = 75, 130, 143  # 75 is EX_TEMPFAIL of sysexits.h


class Preempted(KeyboardInterrupt):
    """The process got SIGTERM, or its terminal was closed. The exception is handled like Ctrl-C,
    but with another exit code."""


class KotuneError(UserError):
    """An error with a message for the user. It is shown without a traceback."""

    exit_code = 1


class RecipeError(KotuneError):
    """The recipe or the command line is wrong."""

    exit_code = 2


class StageError(KotuneError):
    """A stage cannot start or continue, or it failed. If a program failed, the message has the path
    of the program's log."""


def exit_code(error: Exception) -> int:
    """The exit code for an error that is shown to a user. Errors of kodata have no exit code of
    their own, so they get 75 (HubError) or 1."""
    if isinstance(error, HubError):
        return UNREACHABLE  # the same command may succeed later
    return getattr(error, "exit_code", KotuneError.exit_code)


def os_error(error: OSError) -> Translatable:
    """The message for an error of the operating system: the path, the reason and, for some errors,
    what to do."""
    path = f"{error.filename}: " if error.filename else ""
    number = error.errno or 0
    reason = _REASONS.get(number) if error.strerror == os.strerror(number) else None
    return joined("", (path, reason or error.strerror or str(error), _ADVICE.get(number, "")))


_FREE_SPACE = Translatable(
    "; free some space and run the same command again, which continues from what is complete"
)
_WRITABLE = Translatable("; give a folder that you may write to (--runs-dir)")
FULL = (errno.ENOSPC, errno.EDQUOT)  # the disk is full, or the user's quota is used up
# The system's reasons that users meet most, so that they can be translated.
_REASONS = {
    errno.ENOSPC: Translatable("No space left on device"),
    errno.EROFS: Translatable("Read-only file system"),
    errno.EACCES: Translatable("Permission denied"),
    errno.ENOENT: Translatable("No such file or directory"),
}
_ADVICE = {**dict.fromkeys(FULL, _FREE_SPACE), errno.EROFS: _WRITABLE, errno.EACCES: _WRITABLE}
