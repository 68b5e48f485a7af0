"""What is told of a child process that failed by a fault, one that it does not tell itself: its
cause in one line, and the log that has the rest. A traceback is for the log alone."""

import os
import re
import shutil
import signal
from pathlib import Path

from kodata.errors import brief
from kodata.reading.addresses import masked
from kotune.errors import PREEMPTED, StageError

LITTLE = 1 << 20  # bytes
FULL = re.compile(
    r"No space left on device|Disk quota exceeded|PytorchStreamWriter failed|enforce fail at"
    r" inline_container"
)
TRACEBACK = "Traceback (most recent call last)"
_RANK = re.compile(r"^\[rank\d+\]: ?")  # torchrun's
# How a launcher tells that what it launched failed: the cause is further up.
_LAUNCHERS = re.compile(r"(\w+\.)*(CalledProcessError|ChildFailedError)\b")
# How torchrun and accelerate tell that the first process to end had saved a checkpoint since it was
# told to stop.
_STOPPED = re.compile(rf"failed \(exitcode: {PREEMPTED}\) local_rank")
MEMORY = "MemoryError"  # mostly without a word
SMALL = "the machine has too little memory"


class JobFaultError(StageError):
    """`what`: the stage and its cause; `log`: the file that has the rest."""

    def __init__(self, what: str, log: Path) -> None:
        super().__init__(f"{what}; its log: {log}" if log.exists() else what)
        self.what, self.log = what, log


def fault(stage: str, code: int, log: Path, more: str = "") -> JobFaultError:
    """What a process says that ended with an exit code, below 0 by a signal, and told no error.
    `more`: what is known beside."""
    full = (
        "the disk is full; free some space and run the same command again" if is_full(log) else ""
    )
    told = more or full or killed(code) or cause(log)
    return JobFaultError(
        f"{stage}: the process ended with {code}" + (f": {told}" if told else ""), log
    )


def of_temporary(error: JobFaultError) -> JobFaultError:
    """The same where the log's folder will be gone: the log stays, under a name that nobody can
    guess."""
    from tempfile import mkstemp

    if not error.log.is_file():
        return error
    number, name = mkstemp(".log", f"kotune-{error.log.stem}-")
    os.close(number)
    shutil.copyfile(error.log, name)
    return JobFaultError(error.what, Path(name))


def killed(code: int) -> str:
    """What a signal means that ended a process; empty where none did."""
    if code == -signal.SIGKILL:
        return "killed from outside, as a machine does that is out of memory"
    return f"ended by {signal.Signals(-code).name}" if -code in set(signal.Signals) else ""


def cause(log: Path) -> str:
    """The line of a log that says why its process failed: the last exception of a traceback, else
    the last line."""
    lines = [_RANK.sub("", line) for line in _text(log).splitlines()]
    raised = [
        found
        for at, line in enumerate(lines)
        if line.startswith(TRACEBACK) and (found := _raised(lines[at + 1 :]))
    ]
    own = [line for line in raised if not _LAUNCHERS.match(line)]
    said = [line for line in lines if line.strip()]
    found = next((some[-1] for some in (own, raised, said) if some), "")
    return masked(brief(f"{found}: {SMALL}" if found == MEMORY else found))


def _raised(rest: list[str]) -> str:
    """The line of an exception, which is the first that is not indented."""
    return next((line for line in rest if line.strip() and not line[0].isspace()), "")


def is_full(log: Path) -> bool:
    """Whether a process failed since the disk is full, which cuts its log short, too."""
    return bool(FULL.search(_text(log))) or shutil.disk_usage(log.parent).free < LITTLE


def is_preempted(log: Path) -> bool:
    """Whether a launcher failed because the processes that it launched were told to stop."""
    return bool(_STOPPED.search(_text(log)))


def _text(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
