"""Starts commands that end when kotune ends, even if kotune is killed. So no process continues in
the folder of a killed run.

`python -m kotune.worker.tether PID COMMAND...` makes the kernel kill the command when process PID,
its parent, dies. Only Linux can do that (PR_SET_PDEATHSIG, prctl(2)). On other systems a child
survives a `kill -9` of kotune and must be ended by hand."""

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
PYTHON = [sys.executable, "-P"]  # -P: no modules from the current folder or the script's folder


def start(
    command: list[str],
    folder: Path,
    log: IO[str] | int,
    over: Mapping[str, str] | None = None,
    keeps: bool = True,
    **more: Any,
) -> "subprocess.Popen[str]":
    """Start `command` in `folder`, with its output in `log`, a file or subprocess.PIPE.

    The command gets its own session, so only kotune receives Ctrl-C. No file in `folder` can
    replace a module of tether, of the command or of its workers. `over` are environment variables
    in addition to those of every child process. If `keeps` is true, a library that cannot write to
    its usual cache folder has its cache in `folder`. `more` are further arguments of Popen."""
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
    """Send SIGTERM to the child, wait up to `grace` seconds, then kill the child and its workers.
    With a `grace` of 0, kill them at once."""
    try:
        if grace and child.poll() is None:
            child.terminate()
            child.wait(grace)
    except subprocess.TimeoutExpired:
        pass
    finally:  # also if a second Ctrl-C interrupts the wait
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def tie(parent: int) -> None:
    """End this process when `parent` dies. This process must be a child of `parent`."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # the parent died before prctl()
            os._exit(1)


def _main(parent: int, command: list[str]) -> None:
    tie(parent)
    os.execvp(command[0], command)


if __name__ == "__main__":
    _main(int(sys.argv[1]), sys.argv[2:])
