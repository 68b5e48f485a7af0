"""Shows the calibration of a model: how often it is right at each level of confidence. The bins are
those of the expected calibration error (the metric `ece` of kodata.metrics.metrics)."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from kodata.metrics.metrics import BINS
from kotune.runs.finished import Finished

ECE = "ece"


class Bin(NamedTuple):
    """A bin of items with similar confidence.

    - `confidence`: the items' mean confidence, from 0 to 1
    - `right`: their share of right answers, from 0 to 1
    - `n`: their number
    """

    confidence: float
    right: float
    n: int


class Sureness(NamedTuple):
    """How sure a model is of its answer to one item.

    - `confidence`: the probability that the model gives to its answer, from 0 to 1
    - `right`: 1 if the answer is right, else 0
    """

    confidence: float
    right: float


class Calibration(NamedTuple):
    """The calibration of one run on one task.

    - `error_base`, `error_tuned`: the expected calibration error before and after tuning. None if
      it is undefined.
    - `base`, `tuned`: the bins before and after tuning, in the order of confidence
    """

    run: Finished
    task: str
    error_base: float | None
    error_tuned: float | None
    base: list[Bin]
    tuned: list[Bin]


def calibrations(runs: Sequence[Finished]) -> Iterator[Calibration]:
    """The calibration of each tuned run on each task that has the metric `ece`."""
    for run in (run for run in runs if run.is_tuned):
        for task, entry in run.scores.items():
            if ECE in entry.base:
                both = [bins(_sureness(run, task, variant)) for variant in ("base", "tuned")]
                yield Calibration(run, task, entry.base[ECE].value, entry.tuned[ECE].value, *both)


def _sureness(run: Finished, task: str, variant: str) -> list[Sureness]:
    """The confidence in the answer to each item. Items without a recorded confidence are left out.
    `variant`: `base` or `tuned`."""
    answers = run.samples(task, variant).values()
    return [Sureness(*answer.metrics[ECE]) for answer in answers if ECE in answer.metrics]


def bins(items: Sequence[Sureness]) -> list[Bin]:
    """Divide the items into BINS bins of equal width, by their confidence from 0 to 1. Empty bins
    are omitted."""
    filled: dict[int, list[Sureness]] = {}
    for item in items:
        filled.setdefault(min(int(item.confidence * BINS), BINS - 1), []).append(item)
    return [_mean(filled[index]) for index in sorted(filled)]


def _mean(items: Sequence[Sureness]) -> Bin:
    confidence, right = (sum(values) / len(items) for values in zip(*items, strict=True))
    return Bin(confidence, right, len(items))
