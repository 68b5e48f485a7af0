"""How validation is cut from a train split: by groups, drawn by the seed, never by rows."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from kodata.card import Source
from kodata.control_text import records_of
from kodata.prepare.entries import Entry, source_of
from kodata.records import drawer
from kodata.text import unspaced

VALIDATION_SHARE = 0.05  # of the groups of a train split without a validation split of its own ...


VALIDATION_ROWS = 2_000  # ... but not more than about this many rows of any source of the recipe


SMALL = 1_000_000  # bytes of train files that are read once more, so that at least one group of them becomes validation


@dataclass(frozen=True)
class Cut:
    """How validation is cut from train: the share of groups, the same for all sources of a recipe, so that a text which
    is a group of two of them is on one side."""

    seed: int
    share: float


def side_of(source: Source, path: str | Path | None, cut: Cut) -> Callable[[str], str]:
    """The side of a group of train, which follows from the seed and the group alone.

    A source's own validation split stays as it is: its groups have no side ("") in train.
    """
    if "validation" in source.SPLITS:
        taken = {unspaced(source.group(record)) for record in records_of(source.read("validation", path))}
        return lambda group: "" if unspaced(group) in taken else "train"
    draw, share = drawer(cut.seed), cut.share
    return lambda group: "validation" if draw(unspaced(group)) < share else "train"


def share_of_all(entries: Iterable[Entry], seed: int) -> float:
    """The share of groups that becomes validation, for sources that bring no validation split."""
    without = [entry for entry in entries if "validation" not in source_of(entry).SPLITS]
    return min((share_of(source_of(entry), entry.path, seed) for entry in without), default=VALIDATION_SHARE)


def share_of(source: Source, path: str | Path | None, seed: int) -> float:
    """What a source alone would ask for: of a small set no less than the group with the lowest draw."""
    share = min(VALIDATION_SHARE, VALIDATION_ROWS / source.CARD.rows.get("train", 1))
    if sum(file.stat().st_size for file in source.files("train", path)) > SMALL:
        return share
    sound = (record for record in records_of(source.read("train", path)) if "" not in record.values())
    lowest = min(map(drawer(seed), {unspaced(source.group(record)) for record in sound}), default=0.0)
    return max(share, math.nextafter(lowest, 1))
