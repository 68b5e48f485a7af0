"""Runs of one recipe with several seeds as one model: each value is the mean over the seeds, and
how sure that is counts in the items and, from three seeds on, the seeds.

The variance of a difference is that over bootstrap resamples of clusters, of the mean over the
seeds (items), plus s²/S of the S values of each side (seeds): training again moves a score as
asking other items does, see Bouthillier et al. 2021, https://arxiv.org/abs/2103.03098. Interval and
p are those of a t distribution with Satterthwaite's degrees of freedom (1946, doi:10.2307/3002019).
What a seed does to single items is counted in both parts, which errs on the safe side. The interval
of a biased metric is moved and widened as that of two runs is (kotune.compare.paired.interval)."""

import json
import math
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any

from kodata.metrics.resampling import Metric, is_known, vectors
from kotune.compare import paired
from kotune.compare.paired import Paired, moves

if TYPE_CHECKING:
    from kodata.metrics.resampling import Array
    from kotune.runs.finished import Finished

ENOUGH = 3  # seeds; the spread of two is as good as unknown
# What another seed changes: it also draws validation out of train.
SEEDED = ("seed", "axolotl.seed", "training data")
Values = tuple[float, ...]
Part = tuple[float, float]  # of the variance, and its degrees of freedom


def groups(runs: Sequence["Finished"]) -> list[tuple["Finished", ...]]:
    """The runs by what they are runs of, in the order of the first of each: a recipe, whatever its
    seed, on the same files, items and code. A seed that comes twice is no other seed: such a run
    stands apart."""
    found: list[tuple[str, dict[int, Finished]]] = []
    for run in runs:
        seed, whose = run.record["seed"], _identity(run)
        group = next(
            (group for identity, group in found if identity == whose and seed not in group), None
        )
        if group is None:
            found.append((whose, group := {}))
        group[seed] = run
    return [tuple(group.values()) for _, group in found]


def _identity(run: "Finished") -> str:
    """What is the same in runs that differ by their seeds alone."""
    recipe = {key: value for key, value in run.recipe.items() if key != "seed"}
    files = [file["sha256"] for entry in run.manifest["entries"] for file in entry["files"]]
    asked = run.record["stages"]["score"]["inputs"]
    # Of the code: words that changed between two seeds part nobody.
    meaning = [asked.get("code"), asked.get("tasks")]
    tasks = {task: entry["version"] for task, entry in run.scores.items()}
    return json.dumps(
        [recipe, files, run.record.get("limit"), run.record.get("model_revision"), meaning, tasks],
        default=str,
    )


def compare(
    metric: Metric,
    a: Sequence[Sequence[Any]],
    b: Sequence[Sequence[Any]],
    clusters: Sequence[Hashable],
) -> tuple[Paired, Values, Values]:
    """The mean over b's seeds minus that over a's, and each seed's value of a and of b. `a`, `b`:
    for each seed each item's ingredient. With fewer than ENOUGH seeds on a side the interval is one
    over items alone, and speaks of these seeds."""
    import numpy as np

    tables = [vectors(metric, items, clusters) for items in (*a, *b)]
    values = [float(metric.finish(table.sum(axis=0))) for table in tables]
    of_a, of_b = tuple(values[: len(a)]), tuple(values[len(a) :])
    value_a, value_b = float(np.mean(of_a)), float(np.mean(of_b))
    n_groups, found = len(tables[0]), _resampled(metric, tables, len(a))
    parts = [(_of_items(found[1] - found[0]), n_groups - 1)]
    if min(len(a), len(b)) >= ENOUGH:
        parts += [(float(np.var(side, ddof=1)) / len(side), len(side) - 1) for side in (of_a, of_b)]
    low, high, p_value, detectable = interval(value_b - value_a, parts)
    if metric.biased and moves(found[1] - found[0]):
        bias_a, bias_b = paired.biases((value_a, value_b), found)
        low -= bias_b - bias_a + paired.UNSEEN * bias_b
        high -= bias_b - bias_a - paired.UNSEEN * bias_a
    told = Paired(
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
    return told, of_a, of_b


def interval(difference: float, parts: Sequence[Part]) -> tuple[float, float, float, float]:
    """Both ends of the 95% interval, p, and the smallest difference that is found in 80% of cases;
    NaN where unknown."""
    from scipy.special import stdtr, stdtrit

    variance = sum(part for part, _ in parts)
    if not variance > paired.EQUAL**2 or not math.isfinite(difference):  # none, or NaN
        nowhere = variance == 0 == difference
        return (0.0, 0.0, 1.0, math.nan) if nowhere else (math.nan, math.nan, math.nan, math.nan)
    degrees = freedom(parts)
    error, far = math.sqrt(variance), float(stdtrit(degrees, 0.975))
    p_value = 2 * float(stdtr(degrees, -abs(difference) / error))
    seen = (far + float(stdtrit(degrees, 0.8))) * error
    return difference - far * error, difference + far * error, p_value, seen


def freedom(parts: Sequence[tuple[Any, float]]) -> Any:
    """Satterthwaite's degrees of freedom of a variance, or of an array of them, that has these
    parts."""
    return sum(part for part, _ in parts) ** 2 / sum(part**2 / degrees for part, degrees in parts)


def _resampled(metric: Metric, tables: Sequence["Array"], of_a: int) -> list["Array"]:
    """The mean over seeds in each resample of clusters, of a and of b; the first `of_a` tables are
    a's."""
    import numpy as np

    found = [paired.resampled(metric, table) for table in tables]
    return [np.mean(found[:of_a], axis=0), np.mean(found[of_a:], axis=0)]


def _of_items(spread: "Array") -> float:
    """The variance over resamples of clusters of the difference of means over seeds. NaN for a
    single cluster."""
    import numpy as np

    if not is_known(spread):
        return math.nan
    return float(np.nanvar(spread, ddof=1)) if moves(spread) else 0.0
