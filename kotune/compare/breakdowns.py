"""What a comparison finds for one kind of item and another: text source, length of the question,
annotators' agreement.

Difference and interval are those of paired.compare for the items of a kind alone: whole clusters of
the task are resampled, so that how many items of a kind there are varies too, and nothing is
adjusted for how many kinds are looked at. Of several seeds it is the mean, and the interval one
over items alone."""

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from statistics import quantiles
from typing import Any, NamedTuple

from kodata.metrics.resampling import Metric, resample, vectors
from kotune.compare import paired
from kotune.compare.answers import RIGHT, Samples, asked
from kotune.compare.comparison import Comparison, finite
from kotune.runs.finished import Sample

KINDS = ("source", "length", "agreement")
MOST = 12  # values of a kind, the commonest ones


class Slice(NamedTuple):
    """The share of right answers among some items. No interval where they lie in fewer than two
    clusters."""

    value_a: float
    value_b: float
    difference: float
    ci_low: float
    ci_high: float
    n: int
    groups: int


class Breakdown(NamedTuple):
    """A comparison on the items that have a kind's value. `metric`: by which items are right or
    wrong; `value` of a length: the fewest and the most characters, as in `34-71`; of agreement: the
    number of annotators."""

    one: Comparison
    metric: str
    kind: str
    value: str
    part: Slice

    def row(self) -> dict[str, Any]:
        """The breakdown as --json prints it."""
        one, named = self.one, {"metric": self.metric, "kind": self.kind, "value": self.value}
        return {
            "task": one.task,
            "a": one.a.name,
            "b": one.b.name,
            **named,
            **finite(self.part._asdict()),
        }


def breakdowns(found: Sequence[Comparison]) -> Iterator[Breakdown]:
    """Of each judged comparison whose items are right or wrong; a kind that all items share tells
    nothing and is left out."""
    for one in found:
        if one.p_holm is not None:
            a, b = asked(one)
            metric = next((name for name in (one.metric, RIGHT) if _judges(name, *a, *b)), None)
            if metric:
                items = one.a.run.samples(one.task, "items")
                pairs = [(_right(metric, key, a), _right(metric, key, b)) for key in a[0]]
                yield from _broken_down(
                    one, metric, [{**a[0][key], **items[key]} for key in a[0]], pairs
                )


def _judges(metric: str, *sides: Samples) -> bool:
    """Whether each item is right or wrong by this metric."""
    return all(
        sample["metrics"].get(metric) in (0, 1) for side in sides for sample in side.values()
    )


def _right(metric: str, key: str, seeds: list[Samples]) -> float:
    """The share of seeds that are right on an item."""
    return sum(float(samples[key]["metrics"][metric]) for samples in seeds) / len(seeds)


def _broken_down(
    one: Comparison, metric: str, items: list[Sample], pairs: list[tuple[float, float]]
) -> Iterator[Breakdown]:
    clusters = [item["cluster"] for item in items]
    for kind in KINDS:
        values = (
            lengths([len(item["question"]) for item in items])
            if kind == "length"
            else _named(kind, items)
        )
        names = sorted(dict.fromkeys(filter(None, values)), key=_in_order)
        if len(names) > 1:
            for name, part in zip(names, parts(pairs, clusters, values, names), strict=True):
                yield Breakdown(one, metric, kind, name, part)


def _named(kind: str, items: list[Sample]) -> list[str | None]:
    """What each item is called by its source or its annotators; None for what only few others are
    called."""
    values = [str(item[kind]) if item.get(kind) is not None else None for item in items]
    most = {name for name, _ in Counter(filter(None, values)).most_common(MOST)}
    return [value if value in most else None for value in values]


def _in_order(name: str) -> tuple[float, str]:
    """Numbers by their size, words by the alphabet."""
    first = name.partition("-")[0]
    return (float(first) if first.isdecimal() else math.inf, name)


def lengths(characters: Sequence[int]) -> list[str | None]:
    """For each item the shortest and the longest of the third that it is in, as in `34-71`; equal
    lengths stay together."""
    if len(characters) < 2:
        return [None] * len(characters)
    cuts = quantiles(characters, n=3, method="inclusive")
    thirds = [bisect_left(cuts, length) for length in characters]
    ends = {
        third: sorted(length for length, at in zip(characters, thirds, strict=True) if at == third)
        for third in set(thirds)
    }
    return [f"{ends[third][0]}-{ends[third][-1]}" for third in thirds]


def parts(
    pairs: Sequence[tuple[float, float]],
    clusters: Sequence[Hashable],
    values: Sequence[str | None],
    names: Sequence[str],
) -> list[Slice]:
    """A part for each of `names`; `values`: the name of each item or None."""
    at = {name: 3 * place for place, name in enumerate(names)}

    def vector(items: Sequence[Any]) -> list[float]:
        sums = [0.0] * 3 * len(names)  # right with a, right with b, items: for each name
        for (a, b), value in items:
            if value in at:
                for step, more in enumerate((a, b, 1)):
                    sums[at[value] + step] += more
        return sums

    table = vectors(Metric(vector, _differences), list(zip(pairs, values, strict=True)), clusters)
    spread = _differences(resample(table, paired.RESAMPLES))
    sums, groups = table.sum(axis=0), (table[:, 2::3] > 0).sum(axis=0)
    found = []
    for place in range(len(names)):
        a, b, n = sums[3 * place : 3 * place + 3]
        low, high = (
            paired.percentiles(spread[:, place]) if groups[place] > 1 else (math.nan, math.nan)
        )
        a, b = float(a / n), float(b / n)
        found.append(Slice(a, b, b - a, low, high, int(n), int(groups[place])))
    return found


def _differences(sums: Any) -> Any:
    """The difference for each name, (..., names); NaN where no item of it is drawn."""
    import numpy as np

    won, n = sums[..., 1::3] - sums[..., 0::3], sums[..., 2::3]
    return np.divide(won, n, out=np.full_like(won, np.nan), where=n > 0)
