"""How validation is cut from a train split: by groups, drawn by the seed, never by rows."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from kodata.card import Source
from kodata.control_text import records_of
from kodata.prepare.entries import Entry, source_of, splits_of
from kodata.records import drawer
from kodata.text import unspaced

VALIDATION_SHARE = 0.05  # of the groups of a train split without a validation split of its own, at most
VALIDATION_ROWS = 250  # of a recipe, where it does not say how many: enough to tell losses apart, and soon read
SMALL = 1_000_000  # bytes of train files that are read once more, to know their rows and groups


@dataclass(frozen=True)
class Cut:
    """How validation is cut from train: the groups with draws below `share`, and those that are `named`, for all sources of a
    recipe alike, so that a text which is a group of two of them is on one side. `rows`: of an entry's validation, at most."""

    seed: int
    share: float
    rows: int
    named: frozenset[str] = frozenset()


def side_of(source: Source, path: str | Path | None, cut: Cut) -> Callable[[str], str]:
    """The side of a group of train, which follows from the seed and the group alone.

    A source's own validation split stays as it is: its groups have no side ("") in train.
    """
    if "validation" in splits_of(source, path):
        taken = {unspaced(source.group(record)) for record in records_of(source.read("validation", path))}
        return lambda group: "" if unspaced(group) in taken else "train"
    draw, share, named = drawer(cut.seed), cut.share, cut.named

    def side(group: str) -> str:
        name = unspaced(group)
        return "validation" if draw(name) < share or name in named else "train"

    return side


def cut_of(entries: Sequence[Entry], seed: int, rows: int) -> Cut:
    """The cut of a recipe's entries: each that brings no validation split gives `rows` to it, a twentieth of its groups at most
    and one group at least. What comes beyond `rows` is left out."""
    draw, shares, lowest = drawer(seed), [VALIDATION_SHARE], []
    for entry in entries:
        source = source_of(entry)
        if "validation" in splits_of(source, entry.path):
            continue
        there = source.CARD.rows.get("train", 0)
        if not there or sum(file.stat().st_size for file in source.files("train", entry.path)) <= SMALL:
            there, first = 0, (1.0, "")
            for group in _groups(source, entry.path):
                there, first = there + 1, min(first, (draw(group), group))
            lowest.append(first)
        shares.append(rows / max(there, 1))
    share = min(shares)
    return Cut(seed, share, rows, frozenset(group for number, group in lowest if number >= share))


def _groups(source: Source, path: str | Path | None) -> Iterator[str]:
    """The group of every row of train that is whole."""
    sound = (record for record in records_of(source.read("train", path)) if "" not in record.values())
    return (unspaced(source.group(record)) for record in sound)
