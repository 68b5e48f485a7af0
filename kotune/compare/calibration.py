"""Probability calibration: the bins behind the expected calibration error (`ece` of
kodata.metrics.metrics)."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from kodata.metrics.metrics import BINS
from kotune.runs.finished import Finished

ECE = "ece"


class Bin(NamedTuple):
    """Items of similar confidence: their mean confidence, their share of right answers, and their
    number."""

    confidence: float
    right: float
    n: int


class Sureness(NamedTuple):
    """An item's ingredient of the metric `ece`. `confidence`: the model's confidence in its answer.
    `right`: 1 if the answer is right, else 0."""

    confidence: float
    right: float


class Calibration(NamedTuple):
    """The calibration of one task of one run, before and after tuning. `error_base` and
    `error_tuned` are expected calibration errors."""

    run: Finished
    task: str
    error_base: float | None
    error_tuned: float | None
    base: list[Bin]
    tuned: list[Bin]


def calibrations(runs: Sequence[Finished]) -> Iterator[Calibration]:
    """The calibration of every task whose samples contain the model's confidence, for every run."""
    for run in runs:
        for task, entry in run.scores.items():
            if ECE in entry.base:
                drawn = [bins(_ingredients(run, task, variant)) for variant in ("base", "tuned")]
                yield Calibration(run, task, entry.base[ECE].value, entry.tuned[ECE].value, *drawn)


def _ingredients(run: Finished, task: str, variant: str) -> list[Sureness]:
    """The ingredients of the calibration error, one for each item that has one."""
    answers = run.samples(task, variant).values()
    return [Sureness(*answer.metrics[ECE]) for answer in answers if ECE in answer.metrics]


def bins(items: Sequence[Sureness]) -> list[Bin]:
    """Sort the items by confidence into BINS bins of equal width. Empty bins are omitted."""
    filled: dict[int, list[Sureness]] = {}
    for item in items:
        filled.setdefault(min(int(item.confidence * BINS), BINS - 1), []).append(item)
    return [_mean(filled[index]) for index in sorted(filled)]


def _mean(items: Sequence[Sureness]) -> Bin:
    confidence, right = (sum(values) / len(items) for values in zip(*items, strict=True))
    return Bin(confidence, right, len(items))
