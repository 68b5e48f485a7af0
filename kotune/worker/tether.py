"""A command that ends when kotune ends, however that ends: a killed run leaves nobody at work in
its folder.

`python -m kotune.worker.tether PID COMMAND...` asks the kernel to kill the command when process
PID, its parent, dies. Only Linux can (PR_SET_PDEATHSIG, prctl(2)); elsewhere a child outlives a
`kill -9` of kotune, and is to be ended by hand."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from kotune.worker.environment import environment
from kotune.worker.places import caches, compiled

PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
# -P: neither the current folder nor a script's own is searched for modules.
PYTHON = [sys.executable, "-P"]


def start(
    command: list[str],
    folder: Path,
    log: IO[str] | int,
    over: Mapping[str, str] | None = None,
    keeps: bool = True,
    **more: Any,
) -> "subprocess.Popen[str]":
    """`command` in `folder`, its output in `log`, a file or subprocess.PIPE. It has a session of
    its own: Ctrl-C is for kotune alone to act upon. No file of `folder` takes the place of a
    module: of tether's, of the command's or of its workers'. `over`: variables beside those of
    every child; `keeps`: whether `folder` may hold its caches."""
    own = {**environment(), **(caches(folder) if keeps else compiled()), **(over or {})}
    tied = [*PYTHON, "-m", "kotune.worker.tether", str(os.getpid()), *command]
    return subprocess.Popen(
        tied,
        cwd=folder,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        text=True,
        env=own,
        **{"stdin": subprocess.DEVNULL, **more},
    )


def end(child: "subprocess.Popen[str]", grace: float = 0) -> None:
    """Ask the child to end, wait `grace` seconds, then kill it and the workers that it started."""
    try:
        if grace and child.poll() is None:
            child.terminate()
            child.wait(grace)
    except subprocess.TimeoutExpired:
        pass
    finally:  # also where a second Ctrl-C cuts the waiting short
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def tie(parent: int) -> None:
    """End this process when `parent` dies, which it must be a child of."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before it was asked about
            os._exit(1)


def _main(parent: int, command: list[str]) -> None:
    tie(parent)
    os.execvp(command[0], command)


if __name__ == "__main__":
    _main(int(sys.argv[1]), sys.argv[2:])
