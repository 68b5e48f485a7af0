"""Compares how much two models gained by tuning: the gain of b minus the gain of a, on the same
items.

A gain is how much better a metric is after tuning than before. It is positive for an improvement,
also if a lower value of the metric is better. Gains are compared as values are (kotune.compare.
comparison): whole clusters are resampled, and seeds are included in the same way.

- The sign-flip test exchanges the gains of a cluster between the models. This needs an additive
  metric: a sum over clusters, divided by a number that does not depend on the answers. Other
  metrics, such as macro_f1, have an interval but no p-value.
- Biased metrics (Metric.biased) and metrics that count pairs (Metric.squared) are excluded.
- Two runs of the same base model are excluded, whatever its precision. Their tuned models can be
  compared directly."""

import math
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from statistics import fmean
from typing import TYPE_CHECKING, Any, NamedTuple

from kodata.metrics.metrics import MEAN, METRICS
from kodata.metrics.resampling import Metric, value
from kotune.compare import seeds
from kotune.compare.comparison import (
    Comparison,
    Side,
    compare_runs,
    compared_metrics,
    shared_tasks,
    sides,
)
from kotune.compare.differences import shared_items
from kotune.display.json_rows import JsonRow, finite
from kotune.runs.finished import Finished
from kotune.runs.records import Answers
from kotune_tasks.card import cards

if TYPE_CHECKING:
    from kodata.metrics.resampling import Array

# The additive metrics of METRICS. A metric that is not in METRICS is a mean, so it is additive.
ADDITIVE = {
    "triple_acc",
    "three_labels",
    "agreement",
    "wording_agreement",
    "order_agreement",
    "swap_consistent",
    "consistent_and_right",
    "swap_contradiction",
    "pair_agreement",
    "same_answer",
}


class GainOf(NamedTuple):
    """What is compared: a metric of a task, and the tuned models of two sides."""

    task: str
    metric: str
    a: Side
    b: Side


class BeforeAfter(NamedTuple):
    """An item's ingredients of a metric, before and after tuning."""

    before: Any
    after: Any


@dataclass(frozen=True)
class GainComparison(Comparison):
    """A comparison of the gain of b with the gain of a. All values and differences are gains.

    `bases`: the values of a and of b before tuning, means over the seeds"""

    bases: tuple[float, float] = (math.nan, math.nan)

    @property
    def is_lower_better(self) -> bool:
        """False, because a gain is positive for an improvement."""
        return False

    def row(self) -> JsonRow:
        """The comparison as --json prints it."""
        names = {"value_a": "gain_a", "value_b": "gain_b"}
        row = {names.get(key, key): of_key for key, of_key in super().row().items()}
        return {**row, **finite({"base_a": self.bases[0], "base_b": self.bases[1]})}


def gains(runs: Sequence[Finished], known: Sequence[Finished] = ()) -> Iterator[GainComparison]:
    """Compare each later run's gains with those of the first run, by every metric of every task
    that both were scored on. Runs of one recipe with several seeds count as one. Runs without an
    adapter have no gains.

    The p-values are not adjusted. `known`: as in comparison.comparisons()."""
    tuned = [side for side in sides(runs, known) if side.is_tuned]
    for first, other in zip(tuned[:1] * len(tuned), tuned[1:], strict=False):
        if not _is_same_model(first.run, other.run):
            for task in shared_tasks(first, other):
                yield from _of_task(task, first, other)


def _is_same_model(a: Finished, b: Finished) -> bool:
    """Whether two runs tuned the same base model. Its name in the recipes can differ."""
    return a.recipe.model == b.recipe.model or a.config["base_model"] == b.config["base_model"]


def _of_task(task: str, a: Side, b: Side) -> Iterator[GainComparison]:
    """Compare the gains on a task, over the items that all runs share before and after tuning."""
    before, after = (
        [answers for side in (a, b) for answers in replace(side, variant=variant).samples(task)]
        for variant in ("base", "tuned")
    )
    items = shared_items([*after, *before])
    for name in compared_metrics(task, a.run):
        metric = METRICS.get(name, MEAN)
        complete = [
            key for key in items if all(name in run[key].metrics for run in (*before, *after))
        ]
        if complete and not metric.biased and not metric.squared:
            pairs = [_pairs(name, complete, *run) for run in zip(before, after, strict=True)]
            clusters = [after[0][key].cluster for key in complete]
            yield _compared(GainOf(task, name, a, b), pairs, clusters)


def _pairs(name: str, items: Sequence[str], before: Answers, after: Answers) -> list[BeforeAfter]:
    """For each item, the ingredient of a metric before and after tuning."""
    return [BeforeAfter(before[key].metrics[name], after[key].metrics[name]) for key in items]


def _compared(
    named: GainOf, runs: Sequence[Sequence[BeforeAfter]], clusters: Sequence[Hashable]
) -> GainComparison:
    """The comparison with its figures. `runs`: the ingredients of each run of a, then of b."""
    task, name, a, b = named
    metric, is_lower_better = METRICS.get(name, MEAN), name in cards()[task].lower_is_better
    known = (_known_gains(a, task, name), _known_gains(b, task, name))
    result = compare_runs(gain_of(metric, is_lower_better), runs, len(a.runs), clusters, known)
    is_additive = name in ADDITIVE or name not in METRICS
    paired = result.paired if is_additive else result.paired._replace(p_value=math.nan)
    bases = [value(metric, [pair.before for pair in run], clusters) for run in runs]
    return GainComparison(
        *named,
        paired,
        values=(result.a, result.b),
        includes_seeds=result.includes_seeds,
        bases=(fmean(bases[: len(a.runs)]), fmean(bases[len(a.runs) :])),
    )


def _known_gains(side: Side, task: str, metric: str) -> seeds.Values:
    """The gain of every known seed. Empty in the cases of Side.known_values()."""
    before, after = (side.known_values(task, metric, variant) for variant in ("base", "tuned"))
    return tuple(of_after - of_before for of_before, of_after in zip(before, after, strict=False))


@cache  # resamples are cached by their metric, so an equal metric must be the same object
def gain_of(metric: Metric, is_lower_better: bool) -> Metric:
    """The gain by a metric, as a metric of pairs. Its vector has the sums before and after
    tuning."""
    sign = -1 if is_lower_better else 1

    def vector(pairs: Sequence[BeforeAfter]) -> list[float]:
        before, after = zip(*pairs, strict=True)
        return [*metric.vector(before), *metric.vector(after)]

    def finish(sums: "Array") -> "Array":
        half = sums.shape[-1] // 2
        return sign * (metric.finish(sums[..., half:]) - metric.finish(sums[..., :half]))

    return Metric(vector, finish)
