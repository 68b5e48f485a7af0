"""Breaks a comparison down by kind of item: text source, question length, and agreement of
annotators.

A kind has several values, for example one for each text source. For each value, the difference and
its interval are computed as in paired.compare, but only over the items with that value. Whole
clusters of the task are resampled. So the number of items with that value varies between resamples.
The intervals are not adjusted for the number of values. If there are several seeds, their answers
are averaged. The interval then includes the variation of items but not of seeds."""

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from statistics import quantiles
from typing import Any, NamedTuple

from kodata.metrics.resampling import Metric, resample, vectors
from kotune.compare import paired
from kotune.compare.answers import RIGHT, PairedAnswers, paired_answers
from kotune.compare.comparison import Comparison
from kotune.display.json_rows import JsonRow, finite
from kotune.runs.records import Answers

MOST = 12  # the most values of a kind that are shown; rarer values are left out


class Slice(NamedTuple):
    """The share of right answers among the items that have one value.

    The interval is NaN if the items lie in fewer than two clusters."""

    value_a: float
    value_b: float
    difference: float
    ci_low: float
    ci_high: float
    n: int
    groups: int


class RightShares(NamedTuple):
    """One item's share of right answers over the seeds of a, and over the seeds of b."""

    a: float
    b: float


class Breakdown(NamedTuple):
    """A comparison over the items that have one value of a kind.

    - `metric`: the metric that decides which items are right
    - `value`: for the kind `length`, the shortest and the longest length in characters, for example
      `34-71`; for `agreement`, the number of annotators
    """

    comparison: Comparison
    metric: str
    kind: str
    value: str
    part: Slice

    def row(self) -> JsonRow:
        """The breakdown as --json prints it."""
        comparison, named = (
            self.comparison,
            {"metric": self.metric, "kind": self.kind, "value": self.value},
        )
        return {
            "task": comparison.task,
            "a": comparison.a.name,
            "b": comparison.b.name,
            **named,
            **finite(self.part._asdict()),
        }


def breakdowns(comparisons: Sequence[Comparison]) -> Iterator[Breakdown]:
    """The breakdowns of each primary comparison whose items are either right or wrong. A kind is
    skipped if all items have the same value."""
    for comparison in comparisons:
        if comparison.is_primary:
            both = paired_answers(comparison)
            sides = (*both.a, *both.b)
            metric = next(
                (name for name in (comparison.metric, RIGHT) if _judges(name, *sides)), None
            )
            if metric:
                yield from _broken_down(comparison, metric, both)


def _judges(metric: str, *sides: Answers) -> bool:
    """Whether the metric is 0 or 1 for every item."""
    return all(answer.metrics.get(metric) in (0, 1) for side in sides for answer in side.values())


def _right(metric: str, key: str, seeds: list[Answers]) -> float:
    """The share of seeds whose answer to an item is right."""
    return sum(float(answers[key].metrics[metric]) for answers in seeds) / len(seeds)


def _broken_down(comparison: Comparison, metric: str, both: PairedAnswers) -> Iterator[Breakdown]:
    answers, items = both.a[0], comparison.a.run.items(comparison.task)
    pairs = [
        RightShares(_right(metric, key, both.a), _right(metric, key, both.b)) for key in answers
    ]
    clusters = [answer.cluster for answer in answers.values()]
    kinds = {
        "source": _named([answer.source for answer in answers.values()]),
        "length": lengths([len(items[key].question) for key in answers]),
        "agreement": _named([items[key].agreement for key in answers]),
    }
    for kind, values in kinds.items():
        names = sorted(dict.fromkeys(filter(None, values)), key=_in_order)
        if len(names) > 1:
            for name, part in zip(names, parts(pairs, clusters, values, names), strict=True):
                yield Breakdown(comparison, metric, kind, name, part)


def _named(values: Sequence[int | str | None]) -> list[str | None]:
    """The name of each value. None for a missing value, and for a value that is not among the MOST
    commonest."""
    names = [None if value is None else str(value) for value in values]
    commonest = {name for name, _ in Counter(filter(None, names)).most_common(MOST)}
    return [name if name in commonest else None for name in names]


def _in_order(name: str) -> tuple[float, str]:
    """A sort key: numbers by size first, then words in alphabetical order."""
    first = name.partition("-")[0]
    return (float(first) if first.isdecimal() else math.inf, name)


def lengths(characters: Sequence[int]) -> list[str | None]:
    """Split the items into thirds by length. For each item, return the shortest and the longest
    length in its third, for example `34-71`. Items of equal length are in the same third."""
    if len(characters) < 2:
        return [None] * len(characters)
    cuts = quantiles(characters, n=3, method="inclusive")
    thirds = [bisect_left(cuts, length) for length in characters]
    ends = {
        third: sorted(length for length, of in zip(characters, thirds, strict=True) if of == third)
        for third in set(thirds)
    }
    return [f"{ends[third][0]}-{ends[third][-1]}" for third in thirds]


def parts(
    pairs: Sequence[RightShares],
    clusters: Sequence[Hashable],
    values: Sequence[str | None],
    names: Sequence[str],
) -> list[Slice]:
    """One slice for each of `names`. `values`: for each item, the name that it belongs to, or
    None."""
    offset = {name: 3 * i for i, name in enumerate(names)}

    def vector(items: Sequence[Any]) -> list[float]:
        sums = [0.0] * 3 * len(names)  # for each name: right answers of a, of b, items
        for (a, b), value in items:
            if value in offset:
                for step, amount in enumerate((a, b, 1)):
                    sums[offset[value] + step] += amount
        return sums

    table = vectors(Metric(vector, _differences), list(zip(pairs, values, strict=True)), clusters)
    spread = _differences(resample(table, paired.RESAMPLES))
    sums, groups = table.sum(axis=0), (table[:, 2::3] > 0).sum(axis=0)
    slices = []
    for i in range(len(names)):
        a, b, n = sums[3 * i : 3 * i + 3]
        low, high = paired.percentiles(spread[:, i]) if groups[i] > 1 else (math.nan, math.nan)
        a, b = float(a / n), float(b / n)
        slices.append(Slice(a, b, b - a, low, high, int(n), int(groups[i])))
    return slices


def _differences(sums: Any) -> Any:
    """The difference for each name, with the shape (..., names). NaN if a resample has no item of
    the name."""
    import numpy as np

    won, n = sums[..., 1::3] - sums[..., 0::3], sums[..., 2::3]
    return np.divide(won, n, out=np.full_like(won, np.nan), where=n > 0)
