"""Starts commands that end when kotune ends, even if kotune is killed. So no process continues in
the folder of a killed run.

`python -m kotune.worker.tether PID COMMAND...` executes the command. When its parent, the process
PID, dies, the kernel kills the command. Only Linux can do that (PR_SET_PDEATHSIG, prctl(2)). On
other systems, a command survives a `kill -9` of kotune and must be ended by hand."""

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
    """Start `command` in `folder` and return the process.

    - `log`: where the output goes, a file or subprocess.PIPE
    - `over`: environment variables in addition to those of every child process
    - `keeps`: whether `folder` may have caches, for a library that cannot write to its usual cache
      folder (places.caches)
    - `more`: further arguments of Popen, such as `stdin`, which is otherwise empty

    The command gets its own session, so only kotune receives Ctrl-C. No file in `folder` can
    replace a module of tether, of the command or of its workers."""
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
    """End a child and its workers. Send SIGTERM to the child, wait up to `grace` seconds for its
    end, then kill all processes of its session. With a `grace` of 0, kill them at once."""
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
    """Let the kernel kill this process when its parent, the process `parent`, dies. If the parent
    has died already, end at once. Does nothing on systems other than Linux."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # the parent died before prctl()
            os._exit(1)


def _main(parent: int, command: list[str]) -> None:
    tie(parent)
    os.execvp(command[0], command)


if __name__ == "__main__":
    _main(int(sys.argv[1]), sys.argv[2:])
