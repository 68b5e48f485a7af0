"""How validation is cut from a train split: by groups, drawn by the seed, never by rows."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from kodata.card import Record
from kodata.control_text import is_whole, records_of
from kodata.prepare.cleaning import examples
from kodata.prepare.entries import Entry, source_of, splits_of
from kodata.prepare.leak_guard import LeakGuard
from kodata.records import drawer
from kodata.text import unspaced

# Of the groups of a train split without a validation split of its own, at most.
VALIDATION_SHARE = 0.05
# Of a recipe, where it does not say how many: enough to tell losses apart, and soon read.
VALIDATION_ROWS = 250
# Bytes of train files that are read once more, to know which groups are left of them.
SMALL = 1_000_000


@dataclass(frozen=True)
class Cut:
    """How validation is cut from train: the groups with draws below `share`, and those that are
    `named`, for all sources of a recipe alike, so that a text which is a group of two of them is on
    one side; none of those that are `taken`, which stand in the validation split of a source that
    brings one. `rows`: of an entry's validation, at most."""

    seed: int
    share: float
    rows: int
    named: frozenset[str] = frozenset()
    taken: frozenset[str] = frozenset()


def side_of(has_validation: bool, cut: Cut) -> Callable[[str], str]:
    """The side of a group of train, which follows from the seed and the group alone; "" for one
    that stands in a validation split that a source brings. A source that brings one has no
    other."""
    draw, share, named, taken = (
        drawer(cut.seed),
        0.0 if has_validation else cut.share,
        cut.named,
        cut.taken,
    )

    def side(group: str) -> str:
        name = unspaced(group)
        if name in taken:
            return ""
        return (
            "validation"
            if not has_validation and (draw(name) < share or name in named)
            else "train"
        )

    return side


def cut_of(entries: Sequence[Entry], seed: int, rows: int, guard: LeakGuard | None) -> Cut:
    """The cut of a recipe's entries: each that brings no validation split gives `rows` to it, a
    twentieth of its groups at most and one group at least. What comes beyond `rows` is left out."""
    draw, shares, lowest = drawer(seed), [VALIDATION_SHARE], []
    taken: set[str] = set()
    for entry in entries:
        source = source_of(entry)
        if "validation" in splits_of(source, entry.path):
            taken.update(
                unspaced(source.group(each))
                for each in records_of(source.read("validation", entry.path))
            )
            continue
        if sum(file.stat().st_size for file in source.files("train", entry.path)) <= SMALL:
            there, first = 0, (1.0, "")
            for group in _left(entry, guard):
                there, first = there + 1, min(first, (draw(group), group))
            lowest.append(first)
        else:
            there = source.CARD.rows.get("train") or sum(1 for _ in _whole(entry))
        shares.append(rows / max(there, 1))
    share = min(shares)
    named = frozenset(group for number, group in lowest if number >= share)
    return Cut(seed, share, rows, named, frozenset(taken))


def _whole(entry: Entry) -> Iterator[Record]:
    return filter(is_whole, records_of(source_of(entry).read("train", entry.path)))


def _left(entry: Entry, guard: LeakGuard | None) -> Iterator[str]:
    """The group of every row of train that will be an example."""
    source = source_of(entry)
    records = (
        ("train", each) for each in _whole(entry) if not (guard and guard.drops(source, each))
    )
    made = examples(records, source, entry.form, Counter(), merge=entry.system == "merge")
    return (unspaced(source.group(record)) for _, record, _ in made)
