"""Measures a command with all processes that it starts: wall and CPU seconds, peak memory, and both
clocks whenever the command has reached a mark. Needs Linux."""

import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import psutil

POLL, MEMORY_POLL = 0.1, 0.5  # seconds
CHANGE = 0.01  # of resident memory, after which shared pages are counted again
OUTPUT = "output.log"


class Mark(NamedTuple):
    """A point that a command has reached, such as a training step, and the clocks there."""

    what: Any
    seconds: float
    cpu: float


class Measured(NamedTuple):
    """The cost of a command. In `peak_gib`, memory that processes share counts once."""

    seconds: float
    cpu: float
    peak_gib: float
    marks: list[Mark]


def measure(
    words: list[str],
    folder: Path,
    environment: Mapping[str, str],
    reached: Callable[[], Sequence[Any]] = tuple,
) -> Measured:
    """Run a command in `folder` and measure it. Its output goes to OUTPUT in the folder. `reached`:
    all marks so far, in their order. Exits if the command fails."""
    begun, cpu, peak, marks = time.monotonic(), _ended_cpu(), 0, list[Mark]()
    next_look, resident = 0.0, 0.0

    def look() -> None:
        if new := reached()[len(marks) :]:
            used = cpu_of(tree(child.pid)) + _ended_cpu() - cpu
            marks.extend(Mark(what, time.monotonic() - begun, used) for what in new)

    with (folder / OUTPUT).open("wb") as out:
        child = subprocess.Popen(
            words, cwd=folder, env=environment, stdout=out, stderr=subprocess.STDOUT
        )
        while child.poll() is None:
            time.sleep(POLL)
            look()
            if (now := time.monotonic()) > next_look:
                next_look, running = now + MEMORY_POLL, tree(child.pid)
                # Counting the shared pages of gigabytes takes a tenth of a core.
                found = resident_of(running)
                if found > peak and abs(found - resident) > CHANGE * resident:
                    resident, peak = found, max(peak, memory_of(running))
        look()
    if child.returncode:
        end = (folder / OUTPUT).read_text(encoding="utf-8", errors="replace")[-3000:]
        sys.exit(f"{' '.join(words)}\n{end}")
    return Measured(time.monotonic() - begun, _ended_cpu() - cpu, peak / 2**30, marks)


def tree(root: int) -> list[psutil.Process]:
    """The process `root` and all its descendants that are running now."""
    try:
        process = psutil.Process(root)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:  # it has ended
        return []


def cpu_of(processes: list[psutil.Process]) -> float:
    """CPU seconds of these processes and of their ended children."""
    return sum(sum(_of(each, lambda one: one.cpu_times()[:4]) or ()) for each in processes)


def resident_of(processes: list[psutil.Process]) -> int:
    """Bytes of memory of these processes. A page that n processes share counts n times."""
    return sum(_of(each, lambda one: one.memory_info().rss) or 0 for each in processes)


def memory_of(processes: list[psutil.Process]) -> int:
    """Bytes of memory of these processes. A page that n processes share counts as 1/n in each."""
    return sum(_of(each, lambda one: one.memory_full_info().pss) or 0 for each in processes)


def _of(process: psutil.Process, read: Callable[[psutil.Process], Any]) -> Any:
    """What `read` returns for a process; None if the process has ended or cannot be read."""
    try:
        return read(process)
    except psutil.Error:
        return None


def _ended_cpu() -> float:
    """CPU seconds of all child processes of this process that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
