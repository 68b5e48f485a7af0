"""Compares runs of one recipe with several seeds as one model. Each value is the mean over the
seeds. Its uncertainty includes the items and, from three seeds on, the seeds.

The variance of a difference has two parts: that of the mean over the seeds, over bootstrap
resamples of clusters (items), and s²/S of the S values of each side (seeds). Training again changes
a score, as asking other items does: Bouthillier et al. 2021, https://arxiv.org/abs/2103.03098.
Interval and p are those of a t distribution with Satterthwaite's degrees of freedom (1946,
doi:10.2307/3002019). A seed's effect on single items is counted in both parts, which is
conservative. The interval of a biased metric is moved and widened as that of two runs
(kotune.compare.paired.interval)."""

import json
import math
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from kodata.metrics.resampling import Metric, is_known, vectors
from kotune.compare import paired
from kotune.compare.paired import Paired, moves

if TYPE_CHECKING:
    from kodata.metrics.resampling import Array
    from kotune.runs.finished import Finished

ENOUGH = 3  # seeds; the spread of two is practically unknown
# What another seed changes: it also draws validation out of train.
SEEDED = ("seed", "axolotl.seed", "training data")
Values = tuple[float, ...]


class Part(NamedTuple):
    """A part of a variance, and its degrees of freedom."""

    variance: float
    degrees: float


class Tested(NamedTuple):
    """A difference's 95% interval, its p, and the smallest difference that is found in 80% of
    cases."""

    low: float
    high: float
    p_value: float
    detectable: float


def groups(runs: Sequence["Finished"]) -> list[tuple["Finished", ...]]:
    """The runs grouped by recipe (whatever its seed), files, items and code, in the order of the
    first run of each group. A second run with the same seed begins a group of its own."""
    grouped: list[_Group] = []
    for run in runs:
        seed, identity = run.record.seed, _identity(run)
        same = (group for group in grouped if group.identity == identity)
        group = next((group for group in same if seed not in group.runs), None)
        if group is None:
            grouped.append(group := _Group(identity, {}))
        group.runs[seed] = run
    return [tuple(group.runs.values()) for group in grouped]


class _Group(NamedTuple):
    """Runs that differ by their seeds alone, by seed."""

    identity: str
    runs: dict[int, "Finished"]


def _identity(run: "Finished") -> str:
    """A text that is equal for runs that differ by their seeds alone."""
    recipe = {key: value for key, value in run.recipe.as_json().items() if key != "seed"}
    files = [file.sha256 for entry in run.manifest.entries for file in entry.files]
    inputs = run.record.score.inputs
    # What the code means, not its text: rewording between two seeds does not separate them.
    meaning = [inputs.get("code"), inputs.get("tasks")]
    tasks = {task: entry.version for task, entry in run.scores.items()}
    return json.dumps(
        [recipe, files, run.record.limit, run.record.model_revision, meaning, tasks], default=str
    )


class OfSeeds(NamedTuple):
    """A comparison of means over seeds, and each seed's value of a and of b."""

    paired: Paired
    a: Values
    b: Values


def compare(
    metric: Metric,
    a: Sequence[Sequence[Any]],
    b: Sequence[Sequence[Any]],
    clusters: Sequence[Hashable],
) -> OfSeeds:
    """The mean over b's seeds minus that over a's. `a`, `b`: for each seed each item's ingredient.
    With fewer than ENOUGH seeds on a side the interval is over items alone, and holds for these
    seeds."""
    import numpy as np

    tables = [vectors(metric, items, clusters) for items in (*a, *b)]
    values = [float(metric.finish(table.sum(axis=0))) for table in tables]
    of_a, of_b = tuple(values[: len(a)]), tuple(values[len(a) :])
    value_a, value_b = float(np.mean(of_a)), float(np.mean(of_b))
    n_groups, resamples = len(tables[0]), _resampled(metric, tables, len(a))
    parts = [Part(_of_items(resamples[1] - resamples[0]), n_groups - 1)]
    if min(len(a), len(b)) >= ENOUGH:
        parts += [
            Part(float(np.var(side, ddof=1)) / len(side), len(side) - 1) for side in (of_a, of_b)
        ]
    low, high, p_value, detectable = interval(value_b - value_a, parts)
    if metric.biased and moves(resamples[1] - resamples[0]):
        bias_a, bias_b = paired.biases((value_a, value_b), resamples)
        low -= bias_b - bias_a + paired.UNSEEN * bias_b
        high -= bias_b - bias_a - paired.UNSEEN * bias_a
    pooled = Paired(
        value_a,
        value_b,
        value_b - value_a,
        low,
        high,
        p_value,
        None,
        len(clusters),
        n_groups,
        detectable,
    )
    return OfSeeds(pooled, of_a, of_b)


def interval(difference: float, parts: Sequence[Part]) -> Tested:
    """The test of a difference whose variance has these parts; NaN where unknown."""
    from scipy.special import stdtr, stdtrit

    variance = sum(part.variance for part in parts)
    if not variance > paired.EQUAL**2 or not math.isfinite(difference):  # none, or NaN
        if variance == 0 == difference:
            return Tested(0.0, 0.0, 1.0, math.nan)
        return Tested(math.nan, math.nan, math.nan, math.nan)
    degrees = freedom(parts)
    error, quantile = math.sqrt(variance), float(stdtrit(degrees, 0.975))
    p_value = 2 * float(stdtr(degrees, -abs(difference) / error))
    detectable = (quantile + float(stdtrit(degrees, 0.8))) * error
    return Tested(difference - quantile * error, difference + quantile * error, p_value, detectable)


def freedom(parts: Sequence[tuple[Any, float]]) -> Any:
    """Satterthwaite's degrees of freedom of a variance with these parts, or of an array of
    variances."""
    return sum(part for part, _ in parts) ** 2 / sum(part**2 / degrees for part, degrees in parts)


def _resampled(metric: Metric, tables: Sequence["Array"], of_a: int) -> list["Array"]:
    """The mean over seeds in each resample of clusters, of a and of b; the first `of_a` tables are
    a's."""
    import numpy as np

    means = [paired.resampled(metric, table) for table in tables]
    return [np.mean(means[:of_a], axis=0), np.mean(means[of_a:], axis=0)]


def _of_items(spread: "Array") -> float:
    """The variance over resamples of clusters of the difference of means over seeds. NaN for a
    single cluster."""
    import numpy as np

    if not is_known(spread):
        return math.nan
    return float(np.nanvar(spread, ddof=1)) if moves(spread) else 0.0
