"""Passes the progress of a child process to its parent, through the file progress.json in the
child's working folder.

A Meter is created in the child. It must never stop the work, so it ignores errors of the file. The
code of a stage imports this module by name. It is then no part of the stage's code digest, and an
edit of it repeats no stage."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from kodata import drafts
from kodata.progress import Progress, Watch
from kodata.reading.regular import content
from kotune.layout import PROGRESS

EVERY = 0.5  # seconds between two writes of the file
MOST = 10_000  # bytes of the file


class Meter:
    """Counts the work of this process and writes it to progress.json in a folder."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._path, self._clock = folder / PROGRESS, clock
        self._now, self._written = Progress("", 0, 0), -EVERY
        self._steps, self._expected = 0, 0

    def begin(self, what: str, total: int, unit: str) -> None:
        """Start counting a piece of work: 0 of `total`."""
        self._now, self._written = Progress(what, 0, total, unit), -EVERY
        self._steps, self._expected = 0, total
        self._write()

    def expect(self, steps: int) -> None:
        """Count steps instead of units from now on: the work is done after `steps` steps. For
        example, a question has a step for each of its choices."""
        self._steps, self._expected = 0, steps

    def add(self, steps: int, tokens: int = 0) -> None:
        """Count finished steps and the tokens that the model read or wrote for them."""
        self._steps = min(self._steps + steps, self._expected)
        total = self._now.total or 0
        done = total * self._steps // self._expected if self._expected else 0
        self._now = self._now._replace(done=done, tokens=self._now.tokens + tokens)
        self._write()

    def _write(self) -> None:
        now, is_done = self._clock(), self._now.done == self._now.total
        if now - self._written < EVERY and not is_done:
            return
        self._written = now
        with suppress(OSError):
            drafts.write(self._path, json.dumps(self._now).encode())


def read(folder: Path) -> Progress | None:
    """The progress that a child process wrote last. None if there is none, or if the file is
    damaged."""
    try:
        value = json.loads(content(folder / PROGRESS, MOST))
        what, done, total, unit, tokens = value
    except (OSError, ValueError, TypeError, RecursionError):
        return None
    if not (isinstance(what, str) and isinstance(unit, str)):
        return None
    if not all(type(number) is int for number in (done, total, tokens)):
        return None
    return Progress(what, done, total, unit, tokens)


@contextmanager
def followed(folder: Path, watch: Watch | None) -> Iterator[Callable[[], None]]:
    """Context manager around a child process in `folder`. Yields a function that passes new
    progress of the child to `watch`."""
    seen: list[Progress] = []

    def tick() -> None:
        if watch and (now := read(folder)) and now not in seen[-1:]:
            seen[:] = [now]
            watch(now)

    with alone(folder):
        yield tick


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Context manager around a child process in `folder`. The progress of an earlier process is
    removed at the beginning, that of the child at the end."""
    _remove(folder)
    try:
        yield
    finally:
        _remove(folder)


def _remove(folder: Path) -> None:
    with suppress(OSError):
        (folder / PROGRESS).unlink()
