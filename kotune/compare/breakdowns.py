"""Breaks a comparison down by kind of item. The kinds are `source` (text source), `length` (of the
question) and `agreement` (of annotators).

A kind has several values, for example one for each text source. A slice is the items that have one
value. For each slice, the difference and its confidence interval are computed as in paired.compare.
The bootstrap draws whole clusters of the task, so the size of a slice varies between resamples. The
intervals are not adjusted for the number of slices.

If there are several seeds, an item's share of right answers over the seeds is used. The interval
then includes the variation of items but not of seeds."""

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

MOST = 12  # the maximum number of values of a kind that are shown; rarer values are left out


class Slice(NamedTuple):
    """The result for the items that have one value of a kind.

    - `value_a`, `value_b`: the share of right answers, from 0 to 1
    - `difference`: `value_b` minus `value_a`
    - `ci_low`, `ci_high`: the 95% confidence interval of the difference. NaN if the items lie in
      fewer than two clusters, and in the cases that kotune.compare.paired lists.
    - `n`: the number of items
    - `groups`: the number of clusters with at least one of these items
    """

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

    - `metric`: the metric that decides which answers are right
    - `kind`: `source`, `length` or `agreement`
    - `value`: the name of the source, or the number of annotators who agreed. For `length`, the
      shortest and the longest length in characters, for example `34-71`.
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
    """The breakdowns of each primary comparison in which every answer is either right or wrong. A
    kind with fewer than two values is skipped."""
    for comparison in comparisons:
        if comparison.is_primary:
            both = paired_answers(comparison)
            sides = (*both.a, *both.b)
            metric = next(
                (name for name in (comparison.metric, RIGHT) if _is_right_or_wrong(name, *sides)),
                None,
            )
            if metric:
                yield from _broken_down(comparison, metric, both)


def _is_right_or_wrong(metric: str, *sides: Answers) -> bool:
    """Whether the metric is 0 or 1 for every answer."""
    return all(answer.metrics.get(metric) in (0, 1) for side in sides for answer in side.values())


def _right_share(metric: str, key: str, seeds: list[Answers]) -> float:
    """The share of seeds whose answer to an item is right. `key`: the item's document hash."""
    return sum(float(answers[key].metrics[metric]) for answers in seeds) / len(seeds)


def _broken_down(comparison: Comparison, metric: str, both: PairedAnswers) -> Iterator[Breakdown]:
    """The breakdowns of one comparison. `metric`: the metric that is 1 for right answers."""
    answers, items = both.a[0], comparison.a.run.items(comparison.task)
    pairs = [
        RightShares(_right_share(metric, key, both.a), _right_share(metric, key, both.b))
        for key in answers
    ]
    clusters = [answer.cluster for answer in answers.values()]
    kinds = {
        "source": _commonest([answer.source for answer in answers.values()]),
        "length": lengths([len(items[key].question) for key in answers]),
        "agreement": _commonest([items[key].agreement for key in answers]),
    }
    for kind, values in kinds.items():
        names = sorted(dict.fromkeys(filter(None, values)), key=_sort_key)
        if len(names) > 1:
            for name, part in zip(names, parts(pairs, clusters, values, names), strict=True):
                yield Breakdown(comparison, metric, kind, name, part)


def _commonest(values: Sequence[int | str | None]) -> list[str | None]:
    """Each item's value as text. None if the value is missing, empty, or not among the MOST most
    common values."""
    names = [None if value is None else str(value) for value in values]
    commonest = {name for name, _ in Counter(filter(None, names)).most_common(MOST)}
    return [name if name in commonest else None for name in names]


def _sort_key(name: str) -> tuple[float, str]:
    """A sort key for values. Numbers come first, by size. Ranges such as `34-71` are sorted by
    their lower end. Other names follow in alphabetical order."""
    first = name.partition("-")[0]
    return (float(first) if first.isdecimal() else math.inf, name)


def lengths(characters: Sequence[int]) -> list[str | None]:
    """Split the items into thirds by length, and name each item's third by its shortest and longest
    length, for example `34-71`.

    `characters`: the length of each item. Items of equal length are in the same third. If there
    are fewer than two items, every name is None."""
    if len(characters) < 2:
        return [None] * len(characters)
    cuts = quantiles(characters, n=3, method="inclusive")
    thirds = [bisect_left(cuts, length) for length in characters]
    ends = {
        third: sorted(
            length for length, own in zip(characters, thirds, strict=True) if own == third
        )
        for third in set(thirds)
    }
    return [f"{ends[third][0]}-{ends[third][-1]}" for third in thirds]


def parts(
    pairs: Sequence[RightShares],
    clusters: Sequence[Hashable],
    values: Sequence[str | None],
    names: Sequence[str],
) -> list[Slice]:
    """The slice of each name in `names`. `pairs`, `clusters` and `values` have one element for each
    item. `values`: the item's name, or None if the item belongs to no slice."""
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
    """The difference of each slice in each resample, of shape (..., slices). NaN if the resample
    has no item of the slice.

    `sums`: an array of shape (..., 3 * slices). It has three numbers for each slice: the right
    answers of a, those of b, and the items."""
    import numpy as np

    won, n = sums[..., 1::3] - sums[..., 0::3], sums[..., 2::3]
    return np.divide(won, n, out=np.full_like(won, np.nan), where=n > 0)
