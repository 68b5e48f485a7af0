"""What a source reads becomes records that can be used, alike for training and for scoring, and all
else is counted."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, cast

from kodata.card import NotRead, Record, Refused, Rewritten, SourceItem
from kodata.control_text import are_ready, is_complete, neutralize_record
from kodata.records import BATCH

EMPTY = "empty field"


@dataclass
class Tally:
    """What happened to rows."""

    read: Counter[str] = field(default_factory=Counter)  # by split
    dropped: Counter[str] = field(default_factory=Counter)  # by reason
    rewritten: Counter[str] = field(
        default_factory=Counter
    )  # by what was done to a text of theirs (control_text)
    not_read: Counter[str] = field(
        default_factory=Counter
    )  # by the key that they have and no record holds

    def counts(self) -> dict[str, Any]:
        """As the manifest has it, but for `read` and `dropped`."""
        return {"not_read": dict(self.not_read), "rewritten": dict(self.rewritten)}


def usable_records(found: Iterable[SourceItem], split: str, tally: Tally) -> Iterator[Record]:
    """The whole records of a split, made plain; `tally` counts the others, and what was done."""
    every = iter(found)
    tally.read[split] += 0  # told of an empty split too
    while batch := list(islice(every, BATCH)):
        if are_ready(batch):
            tally.read[split] += len(batch)
            yield from cast(list[Record], batch)
        else:
            yield from _usable_records(batch, split, tally)


def _usable_records(found: Iterable[SourceItem], split: str, tally: Tally) -> Iterator[Record]:
    for each in found:
        if isinstance(each, NotRead):
            tally.not_read[each.key] += each.rows
            continue
        if isinstance(each, Rewritten):
            tally.rewritten[each.what] += each.rows
            continue
        tally.read[split] += 1
        if isinstance(each, Refused):
            tally.dropped[each.reason] += 1
            continue
        record, changes = neutralize_record(each)
        tally.rewritten.update(changes)
        if is_complete(record):
            yield record
        else:
            tally.dropped[EMPTY] += 1
