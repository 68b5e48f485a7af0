"""Metrics of the scored tasks as functions of sums, so that value, standard error and interval are
one formula.

The items of a cluster (the hypotheses of a premise, the questions of a passage) give a vector;
`finish` turns the sum of the clusters' vectors into the value. A resample of whole clusters is then
a weighted sum of rows, thousands of them one matrix product, and items that move together are never
taken as independent."""

from collections.abc import Callable, Hashable, Sequence
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[np.float64]]

RESAMPLES = 1000
SEED = 42
# more clusters than this are pooled, at random, into so many: time and memory then stay the same
UNITS = 2_000
SINGLE = 2**24  # whole numbers below are exact in single precision
AT_ONCE = 100  # resamples
MISSING = 0.05  # of the resamples, undefined, beyond which the others are no picture of the world
# What an item gives to each metric: a number, or what the metric sums up. Which of these is the
# metric's own matter; lm_eval's process_results() returns it.
Ingredients = dict[str, Any]


class Metric(NamedTuple):
    """`vector`: what the items of one cluster come to, of length k. `finish`: sums (..., k) to
    values (...), NaN where there is nothing to judge. `squared`: of the k, the last so many tell
    what a cluster has in common with itself: drawn n times it is crossed with itself n * n times.
    `biased`: a sum of distances, which noise makes larger and never smaller, so that its resamples
    lie above it (kotune.compare.paired)."""

    vector: Callable[[Sequence[Any]], Sequence[float]]
    finish: Callable[["Array"], "Array"]
    squared: int = 0
    biased: bool = False


def value(metric: Metric, items: Sequence[Any], clusters: Sequence[Hashable]) -> float:
    """The metric over all items; clusters: for each item which it belongs to."""
    return float(metric.finish(vectors(metric, items, clusters).sum(axis=0)))


def stderr(metric: Metric, items: Sequence[Any], clusters: Sequence[Hashable]) -> float:
    """The standard deviation over RESAMPLES bootstrap resamples of whole clusters; NaN with fewer
    than two, where the value itself is, and where more than MISSING of the resamples are.

    Efron and Tibshirani 1993, chapter 6, with clusters as the units; the same seed gives the same
    figure."""
    import numpy as np

    table = vectors(metric, items, clusters)
    if len(table) < 2 or not np.isfinite(metric.finish(table.sum(axis=0))):
        return float("nan")
    resampled = metric.finish(resample(table, RESAMPLES, metric.squared))
    return float(np.nanstd(resampled, ddof=1)) if is_known(resampled) else float("nan")


def is_known(resampled: "Array") -> bool:
    """Whether so few resamples are undefined that the others may speak for all: an interval over
    the defined alone would be one for a world in which the metric is never undefined."""
    import numpy as np

    return bool(np.isnan(resampled).mean() <= MISSING)


def vectors(metric: Metric, items: Sequence[Any], clusters: Sequence[Hashable]) -> "Array":
    """A row of length k for each cluster, in the order in which clusters first occur."""
    import numpy as np

    grouped: dict[Hashable, list[Any]] = {}
    for item, cluster in zip(items, clusters, strict=True):
        grouped.setdefault(cluster, []).append(item)
    return np.array([metric.vector(members) for members in grouped.values()], dtype=np.float64)


def resample(table: "Array", resamples: int, squared: int = 0) -> "Array":
    """Sums (resamples, k) of as many rows as the table has, drawn with replacement; in the last
    `squared` columns a row that is drawn n times counts n * n times. The same draws for tables of
    the same length, so that what is resampled side by side stays paired."""
    units = pooled(table)
    sums = weighted(partial(_draws, len(units), resamples), units)
    if squared:
        sums[:, -squared:] = _draws(len(units), resamples, False) ** 2 @ units[:, -squared:]
    return sums


def weighted(weights: "Callable[[bool], Array]", units: "Array") -> "Array":
    """Sums (resamples, k) of rows by weights, whole numbers that come to as many as there are rows
    at most; `weights` gives them in single precision or not. Sums of small whole numbers are the
    same in both, and cost half; columns of zeros cost nothing."""
    import numpy as np

    used = units.any(axis=0)
    some = units[:, used]
    is_single = bool(
        (some == np.rint(some)).all() and abs(some).max(initial=0) * len(some) < SINGLE
    )
    sums = np.zeros((len(weights(is_single)), units.shape[1]))
    sums[:, used] = weights(is_single) @ (some.astype(np.float32) if is_single else some)
    return sums


def pooled(table: "Array") -> "Array":
    """The rows summed into at most UNITS; which row goes where follows from its place alone."""
    import numpy as np

    if len(table) <= UNITS:
        return table
    where = np.random.default_rng(SEED).permutation(len(table)) % UNITS
    sums = np.zeros((UNITS, table.shape[1]))
    np.add.at(sums, where, table)
    return sums


@lru_cache(maxsize=2)  # the metrics of a task share it, in both precisions
def _draws(length: int, resamples: int, is_single: bool) -> "Array":
    """How often each of so many rows is drawn in each resample: (resamples, length)."""
    import numpy as np

    return np.asarray(_counts(length, resamples), dtype=np.float32 if is_single else np.float64)


@lru_cache(
    maxsize=12
)  # tasks and metrics of other lengths take turns; kept in bytes, for they are drawn slowly
def _counts(length: int, resamples: int) -> Any:
    import numpy as np

    rng, counts = np.random.default_rng(SEED), np.empty((resamples, length), dtype=np.uint8)
    for start in range(0, resamples, AT_ONCE):
        some = counts[start : start + AT_ONCE]
        drawn = rng.integers(length, size=some.shape) + length * np.arange(len(some))[:, None]
        some[:] = np.bincount(drawn.ravel(), minlength=some.size).reshape(some.shape)
    return counts
