"""Compares runs of one recipe with several seeds as one model.

Each value is the mean over the seeds. Its uncertainty includes the variation of items. It also
includes the variation of seeds, if at least three seeds of each side are known.

The variance of the difference between two sides is the sum of these parts:

- items: the variance of the difference over bootstrap resamples of clusters
- seeds, for each side: s²/S, where S is the number of the side's compared seeds. s² is the variance
  of their values. If S is below three, s² is the variance over all known seeds of the recipe.

A score depends on the training seed as well as on the test items: Bouthillier et al. 2021,
https://arxiv.org/abs/2103.03098.

The interval and the p-value come from a t distribution with Satterthwaite's degrees of freedom
(1946, doi:10.2307/3002019). Seeds that change answers to single items increase both kinds of parts.
This counts some variance twice, which is conservative. For a biased metric, the interval is moved
and widened as for two runs (kotune.compare.paired.interval)."""

import json
import math
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from kodata.metrics.resampling import Metric, is_known, vectors
from kotune.compare import paired
from kotune.compare.differences import OWN
from kotune.compare.paired import Paired, moves

if TYPE_CHECKING:
    from kodata.metrics.resampling import Array
    from kotune.runs.finished import Finished

ENOUGH = 3  # the minimum number of seeds for a variance; two values hardly determine one
# The properties (Difference.what) that another seed changes. The training data change, because the
# seed also selects the validation rows.
SEEDED = ("seed", "axolotl.seed", "training data")
# Keys of an Axolotl config that can differ between seeds. The number of evaluations depends on the
# number of training rows.
NOT_SHARED = ("seed", "evals_per_epoch")
Values = tuple[float, ...]  # a metric's value for each seed
Runs = tuple["Finished", ...]


class Part(NamedTuple):
    """One part of a variance, with its degrees of freedom."""

    variance: float
    degrees: float


class Tested(NamedTuple):
    """The test of a difference.

    - `low`, `high`: its 95% confidence interval
    - `p_value`: its two-sided p-value
    - `detectable`: the smallest true difference that the test detects in 80% of cases
    """

    low: float
    high: float
    p_value: float
    detectable: float


def groups(runs: Sequence["Finished"]) -> list[Runs]:
    """Group the runs that differ only in their seeds. The runs of a group have different seeds.

    Groups are in the order of their first runs. If a run has the seed of a run that is already in
    the group, the later run starts a new group."""
    grouped: list[_Group] = []
    for run in runs:
        seed, identity = run.record.seed, _identity(run)
        same = (group for group in grouped if group.identity == identity)
        group = next((group for group in same if seed not in group.runs), None)
        if group is None:
            grouped.append(group := _Group(identity, {}))
        group.runs[seed] = run
    return [tuple(group.runs.values()) for group in grouped]


def others(group: Sequence["Finished"], known: Sequence["Finished"]) -> Runs:
    """The runs of `known` that differ from a group's runs only in their seeds. A run with a seed of
    the group is left out. Of several runs with the same seed, only the first is returned."""
    if not known:
        return ()
    identity, runs = _identity(group[0]), {run.record.seed: run for run in group}
    for run in known:
        if _identity(run) == identity:
            runs.setdefault(run.record.seed, run)
    return tuple(runs.values())[len(group) :]


class _Group(NamedTuple):
    """A group of runs that differ only in their seeds. `runs`: each run by its seed."""

    identity: str
    runs: dict[int, "Finished"]


def _identity(run: "Finished") -> str:
    """A string that is equal for two runs if they differ only in their seeds. It has the recipe,
    configuration, data files, number of items (`limit`), model revision, code and tasks."""
    recipe = {key: value for key, value in run.recipe.as_json().items() if key != "seed"}
    config = {key: value for key, value in run.config.items() if key not in (*NOT_SHARED, *OWN)}
    files = [file.sha256 for entry in run.manifest.entries for file in entry.files]
    inputs = run.record.score.inputs
    # These digests depend on what the code does, not on its text. So runs stay in one group if only
    # a comment was edited between them.
    meaning = [inputs.get("code"), inputs.get("tasks"), run.record.train.inputs.get("code")]
    tasks = {task: entry.version for task, entry in run.scores.items()}
    return json.dumps(
        [recipe, config, files, run.record.limit, run.record.model_revision, meaning, tasks],
        default=str,
    )


class OfSeeds(NamedTuple):
    """A comparison of two means over seeds.

    - `paired`: the comparison of the means
    - `a`, `b`: the value of each seed of the side
    - `includes_seeds`: whether the interval and the p-value include the variation of seeds. If not,
      they hold only for these seeds.
    """

    paired: Paired
    a: Values
    b: Values
    includes_seeds: bool = False


def compare(
    metric: Metric,
    a: Sequence[Sequence[Any]],
    b: Sequence[Sequence[Any]],
    clusters: Sequence[Hashable],
    known: tuple[Values, Values] = ((), ()),
) -> OfSeeds:
    """Compare the mean over b's seeds with the mean over a's seeds.

    - `a`, `b`: for each seed, its value for each item, in the form that metric.vector takes. All
      seeds have the same items in the same order.
    - `clusters`: the cluster of each item
    - `known`: the values of all known seeds of a's recipe, and those of b's recipe. They are used
      for a side with fewer than ENOUGH seeds of its own.

    If one side has too few seeds even with `known`, only the variation of items is included."""
    import numpy as np

    tables = [vectors(metric, items, clusters) for items in (*a, *b)]
    values = [float(metric.finish(table.sum(axis=0))) for table in tables]
    of_a, of_b = tuple(values[: len(a)]), tuple(values[len(a) :])
    value_a, value_b = float(np.mean(of_a)), float(np.mean(of_b))
    n_groups, resamples = len(tables[0]), _resampled(metric, tables, len(a))
    parts = [Part(_of_items(resamples[1] - resamples[0]), n_groups - 1)]
    of_seeds = [_of_seeds(*side) for side in zip((of_a, of_b), known, strict=True)]
    includes_seeds = None not in of_seeds
    parts += [part for part in of_seeds if part] if includes_seeds else []
    low, high, p_value, detectable = interval(value_b - value_a, parts)
    if metric.biased and moves(resamples[1] - resamples[0]):
        # Both ends move by the bias that resampling adds to the difference, bias_b - bias_a. Then
        # the interval is widened by the bias that may remain (paired.interval).
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
        is_alike=all(part.variance == 0 for part in parts),
    )
    return OfSeeds(pooled, of_a, of_b, includes_seeds)


def _of_seeds(values: Values, known: Values) -> Part | None:
    """The part of the variance that comes from the seeds of one side. None if fewer than ENOUGH
    seeds are known. `values`: the compared seeds. `known`: all known seeds, or empty."""
    import numpy as np

    values_of_all = values if len(values) >= ENOUGH else known
    if len(values_of_all) < ENOUGH:
        return None
    return Part(float(np.var(values_of_all, ddof=1)) / len(values), len(values_of_all) - 1)


def interval(difference: float, parts: Sequence[Part]) -> Tested:
    """The test of a difference whose variance is the sum of these parts.

    All numbers are NaN if the difference is not finite, or if the variance is NaN or 0. If both the
    variance and the difference are 0, the p-value is 1."""
    from scipy.special import stdtr, stdtrit

    variance = sum(part.variance for part in parts)
    if not variance > paired.EQUAL**2 or not math.isfinite(difference):  # 0 or NaN
        if variance == 0 == difference:
            return Tested(math.nan, math.nan, 1.0, math.nan)
        return Tested(math.nan, math.nan, math.nan, math.nan)
    degrees = freedom(parts)
    error, quantile = math.sqrt(variance), float(stdtrit(degrees, 0.975))
    p_value = 2 * float(stdtr(degrees, -abs(difference) / error))
    detectable = (quantile + float(stdtrit(degrees, 0.8))) * error
    return Tested(difference - quantile * error, difference + quantile * error, p_value, detectable)


def freedom(parts: Sequence[tuple[Any, float]]) -> Any:
    """Satterthwaite's degrees of freedom of a variance that is the sum of parts. Each part is a
    pair of its variance and its degrees of freedom. Variances may be arrays of one shape."""
    return sum(part for part, _ in parts) ** 2 / sum(part**2 / degrees for part, degrees in parts)


def _resampled(metric: Metric, tables: Sequence["Array"], of_a: int) -> list["Array"]:
    """The mean over a's seeds in each resample of clusters, and the mean over b's seeds. `tables`:
    the cluster vectors of each seed. The first `of_a` tables belong to a, the others to b."""
    import numpy as np

    means = [paired.resampled(metric, table) for table in tables]
    return [np.mean(means[:of_a], axis=0), np.mean(means[of_a:], axis=0)]


def _of_items(differences: "Array") -> float:
    """The part of the variance that comes from items. It is the variance of `differences`, which
    are the differences in the resamples of clusters. NaN if over 5% of them are NaN, as for a
    single cluster."""
    import numpy as np

    if not is_known(differences):
        return math.nan
    return float(np.nanvar(differences, ddof=1)) if moves(differences) else 0.0
