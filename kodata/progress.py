"""Reports of how far a piece of work is. A function with long work has a parameter `watch`: a
function (Watch) that it calls with each report. Its caller decides how to show the reports."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, TypeVar

T = TypeVar("T")


class Progress(NamedTuple):
    """How far a piece of work is.

    - `what`: the name of the work, which is shown
    - `done` and `total`: how many of how many units are done; `total` is None if it is not known
    - `tokens`: the number of tokens that a model has read or written so far
    """

    what: str
    done: int
    total: int | None = None
    unit: str = "rows"
    tokens: int = 0


Watch = Callable[[Progress], None]
BYTES = "bytes"  # the unit of downloads
EVERY = 256  # number of rows from one report to the next


def unwatched(progress: Progress) -> None:
    """A Watch that shows nothing."""


def counted(rows: Iterable[T], begin: Progress, watch: Watch) -> Iterator[T]:
    """Yields the rows. Calls `watch` with `begin` at the beginning, and with the number of rows
    after every EVERY rows and at the end."""
    watch(begin)
    done = 0
    for done, row in enumerate(rows, 1):
        if done % EVERY == 0:
            watch(begin._replace(done=done))
        yield row
    watch(begin._replace(done=done))
