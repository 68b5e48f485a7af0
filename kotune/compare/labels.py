"""Finds the labels for which a difference between two models has the opposite sign.

The parts of a task with three or more labels are:

- the detection of each label: which items have this label, and which have another one
- the forced choice of each pair of labels, on the items that have one of the two: the label with
  the higher likelihood is chosen

Each part is measured by balanced accuracy. The share of one label's items that are answered right
is no part, because it mostly shows how often a model gives this label. Parts are compared with the
tests of kotune.compare.comparison, seeds included. Only tasks whose overall difference is
significant are taken apart. Holm's adjustment covers all parts that are looked at."""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

from kodata.metrics.resampling import Metric, value
from kotune.compare import seeds
from kotune.compare.answers import RIGHT, paired_answers
from kotune.compare.comparison import Comparison, Side, compare_runs
from kotune.compare.paired import holm
from kotune.compare.verdict import outcome
from kotune.display.json_rows import JsonRow
from kotune.runs.records import Answer, Answers

if TYPE_CHECKING:
    from kodata.metrics.resampling import Array

FEWEST_LABELS = 3  # with two labels, every part is the whole task
DETECTION = "detection"
FORCED_CHOICE = "forced_choice"


class Labels(NamedTuple):
    """A part of a task by the indices of its labels: one for detection, two for a choice."""

    first: int
    second: int | None = None

    @property
    def indices(self) -> tuple[int, ...]:
        return (self.first,) if self.second is None else (self.first, self.second)

    @property
    def kind(self) -> str:
        """The name of the part's metric."""
        return DETECTION if self.second is None else FORCED_CHOICE


class Judged(NamedTuple):
    """An item of a part. `is_first`: whether its right label is the first one. `right`: 1 if the
    model is right, 0.5 if both likelihoods are equal, else 0."""

    is_first: bool
    right: float


@dataclass(frozen=True)
class LabelPart:
    """The comparison of two models on a part of a task.

    - `whole`: the comparison on the whole task
    - `part`: the comparison on the part. Its metric is DETECTION or FORCED_CHOICE.
    - `labels`: the texts of the part's labels
    """

    whole: Comparison
    part: Comparison
    labels: tuple[str, ...]

    @property
    def is_opposite(self) -> bool:
        """Whether the part's difference is significant and has the opposite sign."""
        return {outcome(self.whole), outcome(self.part)} == {"better", "worse"}

    def row(self) -> JsonRow:
        """The part as --json prints it."""
        return {**self.part.row(), "labels": list(self.labels), "is_opposite": self.is_opposite}


def label_parts(comparisons: Sequence[Comparison]) -> list[LabelPart]:
    """The parts of each primary comparison with a significant difference. A task has no parts if
    its items have different choices, or if an answer has no likelihoods."""
    made = [
        part
        for comparison in comparisons
        if comparison.metric == RIGHT and outcome(comparison) in ("better", "worse")
        for part in _parts(comparison)
    ]
    p_values = holm([each.part.paired.p_value for each in made])
    return [
        replace(each, part=replace(each.part, p_holm=p_value))
        for each, p_value in zip(made, p_values, strict=True)
    ]


def _parts(whole: Comparison) -> Iterator[LabelPart]:
    names = _choices(whole)
    both = paired_answers(whole)
    runs = [list(answers.values()) for answers in (*both.a, *both.b)]
    if len(names) < FEWEST_LABELS or not _have_likelihoods(runs, len(names)):
        return
    indices = range(len(names))
    for labels in (*map(Labels, indices), *(Labels(*pair) for pair in combinations(indices, 2))):
        clusters = [answer.cluster for answer in runs[0] if _judged(labels, answer)]
        if clusters:
            part = _compared(whole, labels, runs, clusters)
            yield LabelPart(whole, part, tuple(names[index] for index in labels.indices))


def _choices(comparison: Comparison) -> list[str]:
    """The choices of a task's items. Empty if not all items have the same choices."""
    items = comparison.a.run.items(comparison.task).values()
    choices = {tuple(item.choices or ()) for item in items}
    return [name.strip() for name in choices.pop()] if len(choices) == 1 else []


def _have_likelihoods(runs: Sequence[Sequence[Answer]], count: int) -> bool:
    """Whether every answer has a likelihood for each of `count` labels."""
    return all(
        len(answer.logprobs or ()) == count and answer.gold in range(count)
        for answers in runs
        for answer in answers
    )


def _compared(
    whole: Comparison,
    labels: Labels,
    runs: Sequence[Sequence[Answer]],
    clusters: Sequence[Hashable],
) -> Comparison:
    """The comparison on a part. `runs`: the answers of each run of a, then of b. `clusters`: the
    clusters of the part's items."""
    ingredients = [_ingredients(labels, answers) for answers in runs]
    known: tuple[seeds.Values, seeds.Values] = ((), ())
    if not whole.is_tuning:
        known = (_known_values(whole, whole.a, labels), _known_values(whole, whole.b, labels))
    result = compare_runs(BALANCED, ingredients, len(whole.a.runs), clusters, known)
    return replace(
        whole,
        metric=labels.kind,
        paired=result.paired,
        p_holm=None,
        values=(result.a, result.b),
        includes_seeds=result.includes_seeds,
    )


def _known_values(whole: Comparison, side: Side, labels: Labels) -> seeds.Values:
    """The value of every known seed on a part, over all items of its run. Empty if only the
    compared runs are known, or if a run has no likelihoods."""
    if not side.known or any(whole.task not in run.scores for run in side.all_runs):
        return ()
    count = len(_choices(whole))
    runs: list[Answers] = [run.samples(whole.task, side.variant) for run in side.all_runs]
    if not _have_likelihoods([list(answers.values()) for answers in runs], count):
        return ()
    return tuple(_value(labels, list(answers.values())) for answers in runs)


def _value(labels: Labels, answers: Sequence[Answer]) -> float:
    clusters = [answer.cluster for answer in answers if _judged(labels, answer)]
    return value(BALANCED, _ingredients(labels, answers), clusters)


def _ingredients(labels: Labels, answers: Sequence[Answer]) -> list[Judged]:
    return [judged for answer in answers if (judged := _judged(labels, answer))]


def _judged(labels: Labels, answer: Answer) -> Judged | None:
    """The ingredient of BALANCED for one answer. None if the item is not in the part."""
    is_first = answer.gold == labels.first
    if labels.second is None:
        return Judged(is_first, float((answer.prediction == labels.first) == is_first))
    if answer.gold not in labels.indices:
        return None
    first, second = ((answer.logprobs or [])[index] for index in labels.indices)
    if first == second:
        return Judged(is_first, 0.5)
    return Judged(is_first, float((first > second) == is_first))


def _balanced() -> Metric:
    """Items are Judged. The value is the balanced accuracy: the mean of the accuracy on items with
    the first label and of the accuracy on all other items of the part."""

    def vector(items: Sequence[Judged]) -> list[float]:
        sums = [0.0] * 4
        for is_first, right in items:
            sums[0 if is_first else 2] += right
            sums[1 if is_first else 3] += 1
        return sums

    def finish(sums: "Array") -> "Array":
        import numpy as np

        right, n = sums[..., 0::2], sums[..., 1::2]
        shares = np.divide(right, n, out=np.full_like(right, np.nan), where=n > 0)
        return np.asarray(shares.mean(axis=-1))

    return Metric(vector, finish)


BALANCED = _balanced()
