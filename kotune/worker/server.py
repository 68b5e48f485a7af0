"""Starts and uses a server: a process that imports the heavy libraries once, and then forks a child
for each job of a run or a study. This saves time, because the imports take longer than a small job.
Each fork starts from the same state and cannot affect later jobs.

The server is used only on a CPU, because CUDA does not work in a fork if the parent has initialised
it. The server ends when kotune ends, as every child process does."""

import io
import json
import os
import select
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path

from kodata import drafts
from kodata.errors import brief
from kotune.errors import StageError
from kotune.worker import faults, tether
from kotune.worker.device import detect_device

IMPORTED = ("torch", "transformers", "lm_eval.evaluator", "lm_eval.models.huggingface", "peft")
POLL = 0.5  # seconds between two looks at a job's progress
_is_up = False  # whether jobs are to be run by the server
_server: "subprocess.Popen[str] | None" = None  # None until the first job starts the server
_home: Path | None = None  # the argument of up()


@contextmanager
def up(home: Path | None = None) -> Iterator[None]:
    """Context manager in which call() runs jobs with one server, if the device is a CPU. The first
    job starts the server. A nested up() uses the server of the outer one.

    `home`: the run folder of all jobs, where a library has its cache if it cannot write to its
    usual cache folder. None if the jobs belong to several runs. Then no such cache is moved."""
    global _is_up, _server, _home
    if _is_up:
        yield
        return
    _is_up, _home = detect_device() == "cpu", home
    try:
        yield
    finally:
        if _server:
            tether.end(_server)
        _is_up, _server, _home = False, None, None


def is_up() -> bool:
    """Whether jobs are to be run with run(), because up() is active on a CPU."""
    return _is_up


def run(job: str, root: Path, arguments: str, tick: Callable[[], None] = lambda: None) -> int:
    """Run a job in the folder `root` and return its exit code. `job`: the package of the job, as in
    call(); `arguments`: JSON. The output goes to `<job>.log` in `root`. `tick` is called every POLL
    seconds.

    Starts the server if it is not running. Raises StageError if the server ends before the job
    does."""
    global _server
    if not _server or _server.poll() is not None:
        command = [*tether.PYTHON, "-m", "kotune.worker.server"]
        _server = tether.start(
            command,
            _home or Path.cwd(),
            subprocess.PIPE,
            stdin=subprocess.PIPE,
            keeps=_home is not None,
        )
    assert _server.stdin and _server.stdout
    with suppress(OSError):  # the server has ended, and the line that is read next has the reason
        print(json.dumps([job, str(root), arguments]), file=_server.stdin, flush=True)
    while not select.select([_server.stdout], [], [], POLL)[0]:  # it prints one line for a job
        tick()
    answer = _server.stdout.readline().strip()
    if answer.lstrip("-").isdecimal():
        return int(answer)
    code = _server.wait()
    reason = answer or faults.killed(code)
    raise StageError(
        f"{job}: the process that starts jobs ended with {code}" + (f": {reason}" if reason else "")
    )


def _serve() -> None:
    """The server. For each line of stdin, fork a job, wait for it and print its exit code. The
    output of imports is discarded. Only an import error is printed, and the server ends."""
    answers, nowhere = os.fdopen(os.dup(1), "w"), os.open(os.devnull, os.O_WRONLY)
    for number in (1, 2):
        os.dup2(nowhere, number)
    try:
        for name in IMPORTED:
            import_module(name)
    except Exception as error:  # run() reads this line instead of an exit code
        print(f"{type(error).__name__}: {brief(error)}", file=answers, flush=True)
        raise
    for line in sys.stdin:
        server, pid = os.getpid(), os.fork()
        if pid == 0:
            tether.tie(server)
            os._exit(_job(*json.loads(line)))
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        print(code, file=answers, flush=True)


def _job(job: str, root: str, arguments: str) -> int:
    """Run a job in this process, a fork of the server, as kotune.worker.jobs does. Returns the exit
    code. Never raises, because the fork would continue with the server's code."""
    from kotune.worker import jobs

    try:
        with drafts.open_new(Path(root, f"{job}.log")) as log:
            for number in (1, 2):
                os.dup2(log.fileno(), number)
        os.chdir(root)
        sys.stdin = io.StringIO(arguments)
        code = jobs.main(job)
        sys.stdout.flush()
    except BaseException:
        code = 1
        with suppress(Exception):  # printing fails if the disk is full
            traceback.print_exc()
    return code


if __name__ == "__main__":
    _serve()
