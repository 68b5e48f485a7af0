"""Heavy jobs (proof of parity, scoring, preview, a plan's count) in a process of their own: torch and its logs stay out of
the command's screen.

A job is the function `run` of the module `job` of a room. A user's error comes back as what it was there; anything else is our
bug and comes back as the log's last lines.
"""

import json
import subprocess
from pathlib import Path
from typing import Any

from kodata import drafts
from kotune.errors import KotuneError, StageError
from kotune.worker import bounds, server, tether
from kotune.worker.jobs import MARK


def call(room: str, root: Path, **arguments: Any) -> None:
    """Do the job of a room in the folder `root`; its output goes to `<room>.log` there. Raises what the job raised."""
    given, log = json.dumps(arguments, default=str), root / f"{room}.log"
    code = server.run(room, root, given) if server.is_up() else _run(room, root, given)
    if code == 0:
        return
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    told = next((line for line in reversed(lines) if line.startswith(MARK)), None)
    if told is None:
        bound = bounds.ENDED.get(code)
        why = f": the model's tokenizer, or a chat template, needs {bound}; choose another" if bound else ""
        raise StageError(f"{room}: the process ended with {code}{why}\n{tether.tail(log)}")
    error = KotuneError(json.loads(told.removeprefix(MARK)))
    error.exit_code = code
    raise error


def _run(room: str, root: Path, arguments: str) -> int:
    """The exit code of a job in a process of its own."""
    with drafts.fresh(root / f"{room}.log") as out:
        command = [*tether.PYTHON, "-m", "kotune.worker.jobs", room]
        child = tether.start(command, root, out, stdin=subprocess.PIPE)
        try:
            child.communicate(arguments)
        finally:
            tether.end(child)
    return int(child.returncode)
