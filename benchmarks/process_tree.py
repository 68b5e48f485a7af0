"""Measures a command with all processes that it starts: wall and CPU seconds, peak memory, and both
clocks whenever the command has reached a mark. Reads /proc, so it needs Linux."""

import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

POLL, MEMORY_POLL = 0.05, 0.5  # seconds
TICKS = os.sysconf("SC_CLK_TCK")
# Fields of /proc/PID/stat after the name. USED includes the ended children.
PPID, USED = 1, slice(11, 15)
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
    next_look = 0.0

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
                peak, next_look = max(peak, memory_of(tree(child.pid))), now + MEMORY_POLL
        look()
    if child.returncode:
        end = (folder / OUTPUT).read_text(encoding="utf-8", errors="replace")[-3000:]
        sys.exit(f"{' '.join(words)}\n{end}")
    return Measured(time.monotonic() - begun, _ended_cpu() - cpu, peak / 2**30, marks)


def tree(root: int) -> list[int]:
    """The process `root` and all its descendants that are running now."""
    parents = {pid: int(fields[PPID]) for pid, fields in _all_fields().items()}
    found = [root]
    for pid in found:  # grows while it is read
        found += [child for child, parent in parents.items() if parent == pid]
    return found


def cpu_of(pids: list[int]) -> float:
    """CPU seconds of these processes and of their ended children."""
    fields = _all_fields()
    return sum(sum(map(int, fields[pid][USED])) for pid in pids if pid in fields) / TICKS


def memory_of(pids: list[int]) -> int:
    """Bytes of memory of these processes. A page that n processes share counts as 1/n in each."""
    total = 0
    for pid in pids:
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:  # it has ended
            continue
        total += sum(int(line.split()[1]) for line in text.splitlines() if line[:4] == "Pss:")
    return total * 1024


def _all_fields() -> dict[int, list[str]]:
    """For each process, the fields of /proc/PID/stat after its name."""
    fields = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                text = (folder / "stat").read_text()
            except OSError:  # it has ended
                continue
            fields[int(folder.name)] = text.rpartition(")")[2].split()
    return fields


def _ended_cpu() -> float:
    """CPU seconds of all child processes of this process that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
