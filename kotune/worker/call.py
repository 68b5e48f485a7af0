"""Runs heavy jobs in a separate process, so torch's logs do not reach the terminal. Such jobs are
the proof of parity, scoring, a preview, and the count of a plan.

A job is the function `run` of the module kotune.ROOM.job, where ROOM is a package of kotune. If the
job raises a UserError, call() raises a KotuneError with the same message and exit code. Any other
failure of the job is raised as a JobFaultError with one message."""

import json
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from kodata import drafts
from kodata.progress import Watch
from kotune.errors import KotuneError
from kotune.worker import bounds, faults, meter, server, tether
from kotune.worker.jobs import DONE, MARK

POLL = server.POLL


def call(room: str, root: Path, watch: Watch | None = None, **arguments: Any) -> None:
    """Run the job of a room in the folder `root`. The job's output goes to `<room>.log` in `root`.
    `watch` is called with the job's progress.

    Raises KotuneError with the message and exit code of a UserError that the job raised. Raises
    JobFaultError for any other failure of the job, and StageError if the server that starts jobs
    has ended."""
    given, log = json.dumps(arguments, default=str), root / f"{room}.log"
    run = server.run if server.is_up() else _run
    with meter.followed(root, watch) as tick:
        code = run(room, root, given, tick)
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.is_file() else []
    if code == 0 and DONE in lines:
        return
    told = next((line for line in reversed(lines) if line.startswith(MARK)), None)
    if told is None or code <= 0:
        bound = bounds.ENDED.get(code)
        why = (
            f"the model's tokenizer, or a chat template, needs {bound}; choose another"
            if bound
            else ""
        )
        raise faults.fault(room, code, log, why if code else "without a result")
    error = KotuneError(json.loads(told.removeprefix(MARK)))
    error.exit_code = code
    raise error


@contextmanager
def temporary(room: str) -> Iterator[Path]:
    """Context manager that gives a temporary folder for the job of a room. If the job fails with a
    JobFaultError, the log is copied out of the folder before the folder is deleted."""
    with tempfile.TemporaryDirectory(prefix=f"kotune-{room}-") as folder:
        try:
            yield Path(folder)
        except faults.JobFaultError as error:
            raise faults.of_temporary(error) from None


def _run(room: str, root: Path, arguments: str, tick: Callable[[], None]) -> int:
    """Run a job in a separate process and return its exit code. `tick` is called every POLL
    seconds."""
    with drafts.open_new(root / f"{room}.log") as out:
        command = [*tether.PYTHON, "-m", "kotune.worker.jobs", room]
        child = tether.start(command, root, out, stdin=subprocess.PIPE)
        try:
            assert child.stdin
            with suppress(BrokenPipeError), child.stdin:  # the child may have ended already
                child.stdin.write(arguments)
            while child.poll() is None:
                with suppress(subprocess.TimeoutExpired):
                    child.wait(POLL)
                tick()
        finally:
            tether.end(child)
    return int(child.returncode)
