"""Selects the usable records of a source. A record is usable if none of its fields is empty after
control text, such as a chat template's special tokens, is neutralized (kodata.control_text). Other
rows are dropped and counted."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import cast

from kodata.card import NotRead, Record, Refused, Rewritten, SourceItem
from kodata.control_text import are_ready, is_complete, neutralize_record
from kodata.records import BATCH

EMPTY = "empty field"  # the reason why a record is dropped


@dataclass
class Tally:
    """Counts of rows.

    - `read`: the rows of each split, dropped ones included
    - `dropped`: the rows dropped for each reason
    - `rewritten`: the rows with each kind of change
    - `not_read`: the rows with each key that is not read"""

    read: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    rewritten: Counter[str] = field(default_factory=Counter)
    not_read: Counter[str] = field(default_factory=Counter)

    def counts(self) -> dict[str, dict[str, int]]:
        """`not_read` and `rewritten`, as they are written to the manifest."""
        return {"not_read": dict(self.not_read), "rewritten": dict(self.rewritten)}


def usable_records(items: Iterable[SourceItem], split: str, tally: Tally) -> Iterator[Record]:
    """Yields the usable records of a split, neutralized. `items` are the results of Source.read().
    What happens to rows is counted in `tally`."""
    iterator = iter(items)
    tally.read[split] += 0  # an empty split also gets a count
    while batch := list(islice(iterator, BATCH)):
        if are_ready(batch):
            tally.read[split] += len(batch)
            yield from cast(list[Record], batch)
        else:
            yield from _usable_records(batch, split, tally)


def _usable_records(items: Iterable[SourceItem], split: str, tally: Tally) -> Iterator[Record]:
    """Like usable_records(), but checks each item by itself."""
    for item in items:
        if isinstance(item, NotRead):
            tally.not_read[item.key] += item.rows
            continue
        if isinstance(item, Rewritten):
            tally.rewritten[item.what] += item.rows
            continue
        tally.read[split] += 1
        if isinstance(item, Refused):
            tally.dropped[item.reason] += 1
            continue
        record, changes = neutralize_record(item)
        tally.rewritten.update(changes)
        if is_complete(record):
            yield record
        else:
            tally.dropped[EMPTY] += 1
