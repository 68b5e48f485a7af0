"""Whether a model is right as often as it is sure: the bins behind the calibration error
(kodata.metrics.resampling, `ece`)."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from kodata.metrics.metrics import BINS
from kotune.runs.finished import Finished

ECE = "ece"


class Bin(NamedTuple):
    """Items of like confidence: its mean, the share of them that are right, and how many they
    are."""

    confidence: float
    right: float
    n: int


class Calibration(NamedTuple):
    """One task of one run, before and after tuning. `errors`: the expected calibration error of
    base and tuned."""

    run: Finished
    task: str
    errors: tuple[float | None, float | None]
    base: list[Bin]
    tuned: list[Bin]


def calibrations(runs: Sequence[Finished]) -> Iterator[Calibration]:
    """Every task of every run whose samples say how sure the model was."""
    for run in runs:
        for task, entry in run.scores.items():
            if ECE in entry["base"]:
                errors = entry["base"][ECE]["value"], entry["tuned"][ECE]["value"]
                sides = (run.samples(task, variant).values() for variant in ("base", "tuned"))
                found = [
                    bins([sample["metrics"][ECE] for sample in side if ECE in sample["metrics"]])
                    for side in sides
                ]
                yield Calibration(run, task, errors, *found)


def bins(items: Sequence[tuple[float, float]]) -> list[Bin]:
    """Items are (confidence, right) as in `ece`; bins of equal width, those without an item left
    out."""
    filled: dict[int, list[tuple[float, float]]] = {}
    for confidence, right in items:
        filled.setdefault(min(int(confidence * BINS), BINS - 1), []).append((confidence, right))
    return [_mean(filled[at]) for at in sorted(filled)]


def _mean(items: Sequence[tuple[float, float]]) -> Bin:
    confidence, right = (sum(side) / len(items) for side in zip(*items, strict=True))
    return Bin(confidence, right, len(items))
