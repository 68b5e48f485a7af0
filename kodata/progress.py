"""Describes how far a piece of work is. The work calls a function that its caller gives (Watch),
so it does not know how progress is shown."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, TypeVar

T = TypeVar("T")


class Progress(NamedTuple):
    """How far a piece of work is: `done` of `total`, counted in `unit`. `total` is None if it is
    not known. `tokens` is the number of tokens that a model has read or written for it so far."""

    what: str
    done: int
    total: int | None = None
    unit: str = "rows"
    tokens: int = 0


Watch = Callable[[Progress], None]
BYTES = "bytes"  # the unit of downloads
EVERY = 256  # rows between two calls of a Watch


def unwatched(progress: Progress) -> None:
    """A Watch that shows nothing."""


def counted(rows: Iterable[T], begin: Progress, watch: Watch) -> Iterator[T]:
    """Yields the rows and reports how many were yielded: first 0, then every EVERY rows. `begin`:
    the first report."""
    watch(begin)
    done = 0
    for done, row in enumerate(rows, 1):
        if done % EVERY == 0:
            watch(begin._replace(done=done))
        yield row
    watch(begin._replace(done=done))
