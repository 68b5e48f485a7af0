"""What is prepared (Entry), and what the result will be scored on (Scored)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, cast

from kodata import source as find_source
from kodata.card import Source
from kodata.errors import DataError, did_you_mean
from kodata.prepare.output import SIDES
from kodata.test_part import share_of


class DataLocation(NamedTuple):
    """A source, where it lies (None: the hub, or shipped), and the share of its groups that is kept
    for scoring where it brings no test part (None: its card's)."""

    source: str
    path: str | Path | None = None
    test_share: float | None = None


@dataclass(frozen=True)
class Scored:
    """What the model will be scored on: the place of each task's source; and for each task that was
    asked for and has nothing to score, the groups that are too few to keep some for it (None where
    none were to be kept).

    `leaks` says what happens to a row whose text stands there: `drop` it, `refuse` the recipe, or
    `keep` it and say so."""

    tasks: Mapping[str, DataLocation]
    leaks: str = "drop"
    not_scored: Mapping[str, int | None] = field(default_factory=dict)


SYSTEMS = ("refuse", "merge")  # what becomes of a system turn that a template has no place for


@dataclass(frozen=True)
class Entry:
    """One data set of a recipe. `path`: a folder, a commit on the hub, or None: the hub, or
    shipped. `samples`: so many training rows, drawn by the seed; None means all. `weight`: how
    often an epoch has each of them: 2 twice, 0.5 every second one, drawn by the seed. `system`:
    `merge` puts a system turn into the first user's turn. `test_share`: as DataLocation."""

    source: str
    form: str = "label"
    path: str | Path | None = None
    samples: int | None = None
    weight: float = 1.0
    system: str = SYSTEMS[0]
    test_share: float | None = None


def location_of(entry: Entry) -> DataLocation:
    return DataLocation(entry.source, entry.path, entry.test_share)


def source_at(place: DataLocation) -> Source:
    return find_source(place.source, place.test_share)


def share_kept(place: DataLocation) -> float | None:
    """The share of the groups that is kept for scoring; None where the source brings what is
    scored."""
    source = source_at(place)
    if source.CARD.test_share is None or not cast(Any, source).is_cut(place.path):
        return None
    return share_of(source.CARD, place.test_share)


def source_of(entry: Entry) -> Source:
    source = source_at(location_of(entry))
    if "train" not in source.SPLITS:
        raise DataError(f"{entry.source}: it is for scoring only; leave it out")
    if entry.form not in source.FORMS:
        raise DataError(
            f"{entry.source}: unknown form {entry.form!r}{did_you_mean(entry.form, source.FORMS)}"
        )
    if entry.samples is not None and entry.samples < 1:
        raise DataError(f"{entry.source}: samples is {entry.samples}; it must be 1 or more")
    return source


def splits_of(source: Source, path: str | Path | None) -> list[str]:
    """The splits to train and to choose on that a source brings at `path`; never test."""
    return [side for side in SIDES if side in source.SPLITS and source.files(side, path)]
