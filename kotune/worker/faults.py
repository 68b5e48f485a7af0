"""Describes faults. A fault is a failure of a child process that is not a UserError. Its message
has one line with the cause and the path of the log. Only the log has the traceback."""

import os
import re
import shutil
import signal
from pathlib import Path

from kodata.errors import Translatable, brief
from kodata.reading.addresses import masked
from kotune.errors import PREEMPTED, StageError

LITTLE = 1 << 20  # bytes; with less free space, a disk counts as full
# Errors in a log that show a full disk.
FULL = re.compile(
    r"No space left on device|Disk quota exceeded|PytorchStreamWriter failed|enforce fail at"
    r" inline_container"
)
TRACEBACK = "Traceback (most recent call last)"
_RANK = re.compile(r"^\[rank\d+\]: ?")  # torchrun puts this before each line of a process
# A launcher, such as torchrun, raises these errors when one of its processes fails. The error of
# that process, which is the cause, is further up in the log.
_LAUNCHERS = re.compile(r"(\w+\.)*(CalledProcessError|ChildFailedError)\b")
# torchrun and accelerate log this if the first process that ended had received a signal to stop.
# Before it ended, this process saved a checkpoint.
_STOPPED = re.compile(rf"failed \(exitcode: {PREEMPTED}\) local_rank")
# Python's MemoryError usually has no message, so SMALL is added to it.
MEMORY, SMALL = "MemoryError", "the machine has too little memory"


class JobFaultError(StageError):
    """The error for a fault. `what`: the message without the log's path; `log`: the log file. If
    the log does not exist, the message does not name it."""

    def __init__(self, what: str, log: Path) -> None:
        has_log = log.exists()
        super().__init__(
            Translatable("{what}; its log: {log}", what=what, log=log) if has_log else what
        )
        self.what, self.log = what, log


def fault(stage: str, code: int, log: Path, known: str = "") -> JobFaultError:
    """The error for a process that ended without a UserError. `stage`: what the process did, for
    the message; `code`: its exit code, negative if a signal ended it. `known`: the cause, if the
    caller knows it; if it is empty, the cause is taken from `code` and `log`."""
    full = (
        "the disk is full; free some space and run the same command again" if is_full(log) else ""
    )
    reason = known or full or killed(code) or cause(log)
    return JobFaultError(
        f"{stage}: the process ended with {code}" + (f": {reason}" if reason else ""), log
    )


def of_temporary(error: JobFaultError) -> JobFaultError:
    """Copy an error's log from a temporary folder to a file that is not deleted, with a name that
    nobody can guess. Returns the error with the path of the copy. If there is no log, returns
    `error`."""
    from tempfile import mkstemp

    if not error.log.is_file():
        return error
    number, name = mkstemp(".log", f"kotune-{error.log.stem}-")
    os.close(number)
    shutil.copyfile(error.log, name)
    return JobFaultError(error.what, Path(name))


def killed(code: int) -> str:
    """A description of the signal that ended a process with exit code `code`. Empty if no signal
    ended the process."""
    if code == -signal.SIGKILL:
        return "killed by another process, for example because the machine is out of memory"
    return f"ended by {signal.Signals(-code).name}" if -code in set(signal.Signals) else ""


def cause(log: Path) -> str:
    """The line of a log that names the cause of the failure. It is the exception of the last
    traceback, or, without a traceback, the last line. A launcher's exception is used only if there
    is no other exception. Empty if the log is empty or missing."""
    lines = [_RANK.sub("", line) for line in _text(log).splitlines()]
    exceptions = [
        exception
        for number, line in enumerate(lines, start=1)
        if line.startswith(TRACEBACK) and (exception := _exception(lines[number:]))
    ]
    own = [line for line in exceptions if not _LAUNCHERS.match(line)]
    not_empty = [line for line in lines if line.strip()]
    last = next((lines[-1] for lines in (own, exceptions, not_empty) if lines), "")
    return masked(brief(f"{last}: {SMALL}" if last == MEMORY else last))


def _exception(lines: list[str]) -> str:
    """The exception of a traceback. `lines`: the log after the traceback's first line. The
    exception is the first line that is not indented. Empty if there is none."""
    return next((line for line in lines if line.strip() and not line[0].isspace()), "")


def is_full(log: Path) -> bool:
    """Whether a process failed because the disk is full. If the disk is full, the error may be
    missing in the log, so the free space is checked too."""
    return bool(FULL.search(_text(log))) or shutil.disk_usage(log.parent).free < LITTLE


def is_preempted(log: Path) -> bool:
    """Whether a launcher ended because one of its processes had received a signal to stop."""
    return bool(_STOPPED.search(_text(log)))


def _text(log: Path) -> str:
    """The text of a log; empty if the file does not exist."""
    return log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
