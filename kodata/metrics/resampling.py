"""Metrics as functions of sums, so that value, standard error and interval use one formula.

The items of a cluster (the hypotheses of a premise, the questions of a passage) give a vector.
`finish` turns the sum of all vectors into the value. So a bootstrap resample of clusters is a
weighted sum of vectors, and thousands of resamples are one matrix product. Dependent items are
never treated as independent, because clusters are resampled whole."""

from collections.abc import Callable, Hashable, Sequence
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[np.float64]]

RESAMPLES = 1000
SEED = 42
# The maximum number of units. If there are more clusters, they are pooled at random into this many
# units. This bounds time and memory.
UNITS = 2_000
SINGLE = 2**24  # integers below this are exact in single precision
AT_ONCE = 100  # resamples drawn at a time
# The maximum share of resamples whose value may be undefined. If more are undefined, the other
# resamples are not representative.
MISSING = 0.05
# The values of one item by metric, as lm_eval's process_results() returns them. A value is a
# number, or an item that Metric.vector takes, whose form depends on the metric.
Ingredients = dict[str, Any]


class Metric(NamedTuple):
    """A metric as a function of sums.

    `vector`: maps the items of one cluster to a vector of length k. `finish`: maps sums (..., k) to
    values (...), NaN if the value is undefined. `squared`: the number of last components that
    describe pairs of a cluster with itself; a cluster drawn n times counts n * n times in them.
    `biased`: the value is a sum of distances, which noise can only increase. So the values of
    resamples are too high, which kotune.compare.paired takes into account."""

    vector: Callable[[Sequence[Any]], Sequence[float]]
    finish: Callable[["Array"], "Array"]
    squared: int = 0
    biased: bool = False


def value(metric: Metric, items: Sequence[Any], clusters: Sequence[Hashable]) -> float:
    """The value of the metric over all items. `clusters` has the cluster of each item."""
    return float(metric.finish(vectors(metric, items, clusters).sum(axis=0)))


def stderr(metric: Metric, items: Sequence[Any], clusters: Sequence[Hashable]) -> float:
    """The standard deviation over RESAMPLES bootstrap resamples of clusters. NaN with fewer than
    two clusters, if the value is NaN, or if more than MISSING of the resamples are NaN.

    Efron and Tibshirani 1993, chapter 6, with clusters as units. The seed is fixed, so the result
    is reproducible."""
    import numpy as np

    table = vectors(metric, items, clusters)
    if len(table) < 2 or not np.isfinite(metric.finish(table.sum(axis=0))):
        return float("nan")
    resampled = metric.finish(resample(table, RESAMPLES, metric.squared))
    return float(np.nanstd(resampled, ddof=1)) if is_known(resampled) else float("nan")


def is_known(resampled: "Array") -> bool:
    """Whether at most a share MISSING of the resamples are NaN. If more are NaN, an interval over
    the other resamples would hide that the metric is often undefined."""
    import numpy as np

    return bool(np.isnan(resampled).mean() <= MISSING)


def vectors(metric: Metric, items: Sequence[Any], clusters: Sequence[Hashable]) -> "Array":
    """The vectors of the clusters, of shape (clusters, k), in the order of first occurrence."""
    import numpy as np

    grouped: dict[Hashable, list[Any]] = {}
    for item, cluster in zip(items, clusters, strict=True):
        grouped.setdefault(cluster, []).append(item)
    return np.array([metric.vector(members) for members in grouped.values()], dtype=np.float64)


def resample(table: "Array", resamples: int, squared: int = 0) -> "Array":
    """Bootstrap sums of shape (resamples, k). Each is the sum of as many rows as the table has,
    drawn with replacement. In the last `squared` columns, a row drawn n times counts n * n times.

    Tables of the same length get the same draws, so paired tables stay paired."""
    units = pooled(table)
    sums = weighted(partial(_draws, len(units), resamples), units)
    if squared:
        sums[:, -squared:] = _draws(len(units), resamples, False) ** 2 @ units[:, -squared:]
    return sums


def weighted(weights: "Callable[[bool], Array]", units: "Array") -> "Array":
    """Weighted sums of rows, of shape (resamples, k). weights(is_single) returns the weights of
    shape (resamples, rows), in single or double precision. The weights are integers. Their sum in a
    resample is at most the number of rows.

    Sums of small integers are exact in single precision, which takes half the time. Columns of
    zeros are skipped."""
    import numpy as np

    used = units.any(axis=0)
    values = units[:, used]
    is_single = bool(
        (values == np.rint(values)).all() and abs(values).max(initial=0) * len(values) < SINGLE
    )
    sums = np.zeros((len(weights(is_single)), units.shape[1]))
    sums[:, used] = weights(is_single) @ (values.astype(np.float32) if is_single else values)
    return sums


def pooled(table: "Array") -> "Array":
    """The table, with its rows summed into at most UNITS rows (units). The unit of a row depends
    only on its index and the number of rows."""
    import numpy as np

    if len(table) <= UNITS:
        return table
    unit = np.random.default_rng(SEED).permutation(len(table)) % UNITS
    sums = np.zeros((UNITS, table.shape[1]))
    np.add.at(sums, unit, table)
    return sums


@lru_cache(maxsize=2)  # the metrics of a task share the draws, in both precisions
def _draws(length: int, resamples: int, is_single: bool) -> "Array":
    """How often each row is drawn in each resample, of shape (resamples, length)."""
    import numpy as np

    return np.asarray(_counts(length, resamples), dtype=np.float32 if is_single else np.float64)


# Cached because drawing is slow and callers alternate between several lengths. Counts are bytes,
# to keep the cache small.
@lru_cache(maxsize=12)
def _counts(length: int, resamples: int) -> Any:
    import numpy as np

    rng, counts = np.random.default_rng(SEED), np.empty((resamples, length), dtype=np.uint8)
    for start in range(0, resamples, AT_ONCE):
        batch = counts[start : start + AT_ONCE]
        drawn = rng.integers(length, size=batch.shape) + length * np.arange(len(batch))[:, None]
        batch[:] = np.bincount(drawn.ravel(), minlength=batch.size).reshape(batch.shape)
    return counts
