"""Runs heavy jobs in a separate process, so torch's logs do not reach the terminal. The jobs are
the proof of parity, scoring, a preview, and counting tokens for a plan.

The job of a package of kotune is the function `run` of the package's module `job`, for example
kotune.preview.job.run."""

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


def call(package: str, root: Path, watch: Watch | None = None, **arguments: Any) -> None:
    """Run the job of a package in the folder `root`. Its output goes to `<package>.log` there.
    `watch` is called with the job's progress. `arguments`: further arguments of the job, which are
    passed as JSON.

    If the job raises a UserError, raises KotuneError with the same message and exit code. Raises
    JobFaultError for any other failure of the job, and StageError if the server that starts jobs
    has ended."""
    given, log = json.dumps(arguments, default=str), root / f"{package}.log"
    run = server.run if server.is_up() else _run
    with meter.followed(root, watch) as tick:
        code = run(package, root, given, tick)
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.is_file() else []
    if code == 0 and DONE in lines:
        return
    message = next((line for line in reversed(lines) if line.startswith(MARK)), None)
    if message is None or code <= 0:
        excess = bounds.EXCESS.get(code)
        why = (
            f"the model's tokenizer, or a chat template, needs {excess}; choose another"
            " model or `template`"
            if excess
            else ""
        )
        raise faults.fault(package, code, log, why if code else "without a result")
    error = KotuneError(json.loads(message.removeprefix(MARK)))
    error.exit_code = code
    raise error


@contextmanager
def temporary(package: str) -> Iterator[Path]:
    """Context manager that gives a temporary folder for the job of a package. If the job fails with
    a JobFaultError, its log is copied to a file that is not deleted with the folder."""
    with tempfile.TemporaryDirectory(prefix=f"kotune-{package}-") as folder:
        try:
            yield Path(folder)
        except faults.JobFaultError as error:
            raise faults.of_temporary(error) from None


def _run(package: str, root: Path, arguments: str, tick: Callable[[], None]) -> int:
    """Run a package's job in a new process and return its exit code. `arguments` are JSON. `tick`
    is called every POLL seconds."""
    with drafts.open_new(root / f"{package}.log") as out:
        command = [*tether.PYTHON, "-m", "kotune.worker.jobs", package]
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
