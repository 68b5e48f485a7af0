"""What a source reads becomes records that can be used, alike for training and for scoring, and all
else is counted."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import cast

from kodata.card import Found, NotRead, Record, Refused, Rewritten
from kodata.control_text import are_sound, is_whole, made_plain
from kodata.records import BATCH

EMPTY = "empty field"


@dataclass
class Tally:
    """What happened to rows."""

    read: Counter[str] = field(default_factory=Counter)  # by split
    dropped: Counter[str] = field(default_factory=Counter)  # by reason
    # By what was done to a text of theirs (control_text)
    rewritten: Counter[str] = field(default_factory=Counter)
    # By the key that they have and no record holds.
    not_read: Counter[str] = field(default_factory=Counter)

    def told(self) -> dict[str, dict[str, int]]:
        """As the manifest has it, but for `read` and `dropped`."""
        return {"not_read": dict(self.not_read), "rewritten": dict(self.rewritten)}


def sound(found: Iterable[Found], split: str, tally: Tally) -> Iterator[Record]:
    """The whole records of a split, made plain; `tally` counts the others, and what was done."""
    every = iter(found)
    tally.read[split] += 0  # told of an empty split too
    while batch := list(islice(every, BATCH)):
        if are_sound(batch):
            tally.read[split] += len(batch)
            yield from cast(list[Record], batch)
        else:
            yield from _sound(batch, split, tally)


def _sound(found: Iterable[Found], split: str, tally: Tally) -> Iterator[Record]:
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
        record, changes = made_plain(each)
        tally.rewritten.update(changes)
        if is_whole(record):
            yield record
        else:
            tally.dropped[EMPTY] += 1
