"""Compares runs of one recipe with several seeds as one model.

Each value is the mean over the seeds. Its uncertainty includes the variation of items. It also
includes the variation of seeds, if three or more seeds of each side are known.

The variance of a difference has two parts:

- items: the variance of the mean over the seeds, from bootstrap resamples of clusters
- seeds: s²/S for each side. S is the number of its seeds, and s² the variance of their values. If S
  is below three, s² is the variance over all known seeds of the recipe.

Training with another seed changes a score, just as scoring on other test items does: Bouthillier
et al. 2021, https://arxiv.org/abs/2103.03098.

The interval and the p-value are those of a t distribution with Satterthwaite's degrees of freedom
(1946, doi:10.2307/3002019). The effect of a seed on single items is counted in both parts, which is
conservative. For a biased metric, the interval is moved and widened as for two runs
(kotune.compare.paired.interval)."""

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

ENOUGH = 3  # the fewest seeds whose variance is used; two values hardly determine a variance
# The properties that another seed changes. The seed also selects the validation rows.
SEEDED = ("seed", "axolotl.seed", "training data")
# Keys of an Axolotl config that can differ between seeds: the seed, and the number of evaluations,
# which depends on the number of training rows.
NOT_SHARED = ("seed", "evals_per_epoch")
Values = tuple[float, ...]
Runs = tuple["Finished", ...]


class Part(NamedTuple):
    """One part of a variance, with its degrees of freedom."""

    variance: float
    degrees: float


class Tested(NamedTuple):
    """The test of a difference: its 95% confidence interval, its p-value, and the smallest
    difference that is detected in 80% of cases."""

    low: float
    high: float
    p_value: float
    detectable: float


def groups(runs: Sequence["Finished"]) -> list[Runs]:
    """Group the runs that differ only in their seeds. They have the same recipe, files, items and
    code.

    Groups are in the order of their first runs. A second run with the same seed starts a new
    group."""
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
    """The runs of `known` that differ from a group's runs only in their seeds. Of several runs with
    the same seed, the first one is returned."""
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
    """A string that is equal for two runs if they differ only in their seeds."""
    recipe = {key: value for key, value in run.recipe.as_json().items() if key != "seed"}
    config = {key: value for key, value in run.config.items() if key not in (*NOT_SHARED, *OWN)}
    files = [file.sha256 for entry in run.manifest.entries for file in entry.files]
    inputs = run.record.score.inputs
    # These are digests of what the code does, not of its text. So if only a comment was edited
    # between the runs of two seeds, they still belong to one group.
    meaning = [inputs.get("code"), inputs.get("tasks"), run.record.train.inputs.get("code")]
    tasks = {task: entry.version for task, entry in run.scores.items()}
    return json.dumps(
        [recipe, config, files, run.record.limit, run.record.model_revision, meaning, tasks],
        default=str,
    )


class OfSeeds(NamedTuple):
    """A comparison of means over seeds, with the value of each seed of a and of b.

    `includes_seeds`: whether the interval and the p-value include the variation of seeds. If not,
    they say nothing about other seeds."""

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

    `a`, `b`: for each seed, the ingredient of each item. `known`: for a and for b, the values of
    all known seeds of the recipe. They count if a side itself has fewer than ENOUGH seeds. If a
    side has fewer than ENOUGH known seeds, the interval includes only the variation of items."""
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
    """The part of the variance that comes from the seeds of one side. None if too few seeds are
    known."""
    import numpy as np

    values_of_all = values if len(values) >= ENOUGH else known
    if len(values_of_all) < ENOUGH:
        return None
    return Part(float(np.var(values_of_all, ddof=1)) / len(values), len(values_of_all) - 1)


def interval(difference: float, parts: Sequence[Part]) -> Tested:
    """The test of a difference whose variance is the sum of these parts. Unknown numbers are
    NaN."""
    from scipy.special import stdtr, stdtrit

    variance = sum(part.variance for part in parts)
    if not variance > paired.EQUAL**2 or not math.isfinite(difference):  # none, or NaN
        if variance == 0 == difference:
            return Tested(math.nan, math.nan, 1.0, math.nan)
        return Tested(math.nan, math.nan, math.nan, math.nan)
    degrees = freedom(parts)
    error, quantile = math.sqrt(variance), float(stdtrit(degrees, 0.975))
    p_value = 2 * float(stdtr(degrees, -abs(difference) / error))
    detectable = (quantile + float(stdtrit(degrees, 0.8))) * error
    return Tested(difference - quantile * error, difference + quantile * error, p_value, detectable)


def freedom(parts: Sequence[tuple[Any, float]]) -> Any:
    """Satterthwaite's degrees of freedom of a variance with these parts. The parts may be arrays of
    variances."""
    return sum(part for part, _ in parts) ** 2 / sum(part**2 / degrees for part, degrees in parts)


def _resampled(metric: Metric, tables: Sequence["Array"], of_a: int) -> list["Array"]:
    """For a and for b, the mean over seeds in each resample of clusters. The first `of_a` tables
    belong to a."""
    import numpy as np

    means = [paired.resampled(metric, table) for table in tables]
    return [np.mean(means[:of_a], axis=0), np.mean(means[of_a:], axis=0)]


def _of_items(spread: "Array") -> float:
    """The part of the variance that comes from items: the variance of the difference over resamples
    of clusters. NaN for a single cluster."""
    import numpy as np

    if not is_known(spread):
        return math.nan
    return float(np.nanvar(spread, ddof=1)) if moves(spread) else 0.0
