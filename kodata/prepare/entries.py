"""What is prepared (Entry), and what the result will be scored on (Scored)."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kodata import source as find_source
from kodata.card import Source
from kodata.errors import DataError, did_you_mean
from kodata.prepare.output import SIDES


@dataclass(frozen=True)
class Scored:
    """What the model will be scored on: for each task its source and where that lies (None: the hub, or shipped).

    `leaks` says what happens to a row whose text stands there: `drop` it, `refuse` the recipe, or `keep` it and say so.
    """

    tasks: Mapping[str, tuple[str, str | Path | None]]
    leaks: str = "drop"


SYSTEMS = ("refuse", "merge")  # what becomes of a system turn that a template has no place for


@dataclass(frozen=True)
class Entry:
    """One data set of a recipe. `path`: a folder, a commit on the hub, or None: the hub, or shipped. `samples`: so many
    training rows, drawn by the seed; None means all. `weight`: how often an epoch has each of them: 2 twice, 0.5 every
    second one, drawn by the seed. `system`: `merge` puts a system turn into the first user's turn."""

    source: str
    form: str = "label"
    path: str | Path | None = None
    samples: int | None = None
    weight: float = 1.0
    system: str = SYSTEMS[0]


def source_of(entry: Entry) -> Source:
    source = find_source(entry.source)
    if "train" not in source.SPLITS:
        raise DataError(f"{entry.source}: it is for scoring only; leave it out")
    if entry.form not in source.FORMS:
        raise DataError(f"{entry.source}: unknown form {entry.form!r}{did_you_mean(entry.form, source.FORMS)}")
    if entry.samples is not None and entry.samples < 1:
        raise DataError(f"{entry.source}: samples is {entry.samples}; it must be 1 or more")
    return source


def splits_of(source: Source) -> list[str]:
    """The splits to train and to choose on; never test."""
    return [side for side in SIDES if side in source.SPLITS]
