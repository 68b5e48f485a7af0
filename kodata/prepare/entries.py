"""The data to prepare (Entry) and the tasks that the model will be scored on (Scored)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, cast

from kodata import source as find_source
from kodata.card import Source
from kodata.errors import DataError, did_you_mean
from kodata.prepare.output import SPLITS
from kodata.test_part import share_of


class DataLocation(NamedTuple):
    """A source and the location of its data.

    - `path`: a folder or a hub commit. None means the hub commit on the source's card, or the data
      shipped with kotune.
    - `test_share`: the share of groups (0 to 1) that is kept for scoring. None means the share on
      the card. It must be None if the data have a test part."""

    source: str
    path: str | Path | None = None
    test_share: float | None = None


@dataclass(frozen=True)
class Scored:
    """What the model will be scored on.

    - `tasks`: for each task, the location of the data that it scores
    - `leaks`: what to do with a training row whose text occurs in these data: `drop` the row,
      `refuse` the recipe, or `keep` the row and report it
    - `not_scored`: the tasks of the recipe that have no test data. The value is the number of
      groups if they are too few to keep some for scoring, else None."""

    tasks: Mapping[str, DataLocation]
    leaks: str = "drop"
    not_scored: Mapping[str, int | None] = field(default_factory=dict)


# What to do with a system turn that the model's template does not support.
SYSTEM_POLICIES = ("refuse", "merge")


@dataclass(frozen=True)
class Entry:
    """One data set of a recipe.

    - `form`: how a record becomes a chat, one of the source's FORMS
    - `path` and `test_share`: as in DataLocation
    - `samples`: the number of training rows to use, drawn with the recipe's seed. None means all.
    - `weight`: how often each row occurs in an epoch. 2 means twice, and 0.5 means that a random
      half of the rows is used.
    - `system`: one of SYSTEM_POLICIES. `refuse` raises an error, and `merge` puts the system turn
      at the beginning of the first user turn."""

    source: str
    form: str = "label"
    path: str | Path | None = None
    samples: int | None = None
    weight: float = 1.0
    system: str = SYSTEM_POLICIES[0]
    test_share: float | None = None


def location_of(entry: Entry) -> DataLocation:
    """The location of an entry's data."""
    return DataLocation(entry.source, entry.path, entry.test_share)


def source_at(location: DataLocation) -> Source:
    """The source at a location, with its test_share. Raises DataError as kodata.source() does."""
    return find_source(location.source, location.test_share)


def share_kept(location: DataLocation) -> float | None:
    """The share of groups that is kept for scoring. None if the data have a test part. Raises
    DataError."""
    source = source_at(location)
    if source.CARD.test_share is None or not cast(Any, source).is_cut(location.path):
        return None
    return share_of(source.CARD, location.test_share)


def source_of(entry: Entry) -> Source:
    """The source of an entry. Raises DataError if the source cannot be trained on, or if `form` or
    `samples` is invalid."""
    source = source_at(location_of(entry))
    if "train" not in source.SPLITS:
        raise DataError(
            f"{entry.source}: this source is for scoring only; remove it from the training data"
        )
    if entry.form not in source.FORMS:
        raise DataError(
            f"{entry.source}: unknown form {entry.form!r}{did_you_mean(entry.form, source.FORMS)}"
        )
    if entry.samples is not None and entry.samples < 1:
        raise DataError(f"{entry.source}: samples is {entry.samples}; it must be 1 or more")
    return source


def splits_of(source: Source, path: str | Path | None) -> list[str]:
    """Which of the splits train and validation a source has at `path`, a folder or hub commit.
    Raises DataError if train is missing."""
    return [split for split in SPLITS if split in source.SPLITS and source.files(split, path)]
