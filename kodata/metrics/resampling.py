"""Computes the value of a metric, and its standard error by a bootstrap over clusters.

A metric has two functions. `vector` maps the items of one cluster (the hypotheses of a premise, the
questions of a passage) to a vector. `finish` maps the sum of all clusters' vectors to the value. So
a bootstrap resample is a weighted sum of vectors, and thousands of resamples are one matrix
product. Clusters are resampled whole, since the items of a cluster are not independent."""

from collections.abc import Callable, Hashable, Sequence
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[np.float64]]

RESAMPLES = 1000  # the number of bootstrap resamples for a standard error
SEED = 42
# The maximum number of units, which are what is resampled. Up to this number, each cluster is a
# unit. More clusters are pooled at random into this many units, to limit time and memory.
UNITS = 2_000
SINGLE = 2**24  # integers below this are exact in single precision
AT_ONCE = 100  # resamples drawn at a time
# The maximum share of resamples in which the metric may be undefined (NaN). If there are more, the
# other resamples are not representative.
MISSING = 0.05
# What process_results() of a task returns for a doc: for each metric, the item that Metric.vector
# takes. An item is a number or a tuple, depending on the metric.
Ingredients = dict[str, Any]


class Metric(NamedTuple):
    """A metric as a function of sums over clusters.

    - `vector`: maps the items of one cluster to a vector of length k.
    - `finish`: maps sums of vectors, of shape (..., k), to values of shape (...). A value is NaN if
      it is undefined.
    - `squared`: the number of components, at the end of a vector, that count pairs of a cluster
      with itself. In them, a cluster that is drawn n times counts n * n times.
    - `biased`: whether the values of resamples are too high on average. This is so for a sum of
      distances, which noise can only increase. kotune.compare.paired corrects for it."""

    vector: Callable[[Sequence[Any]], Sequence[float]]
    finish: Callable[["Array"], "Array"]
    squared: int = 0
    biased: bool = False


def value(metric: Metric, items: Sequence[Any], clusters: Sequence[Hashable]) -> float:
    """The value of the metric over all items; NaN if it is undefined. `clusters` has the cluster of
    each item."""
    return float(metric.finish(vectors(metric, items, clusters).sum(axis=0)))


def stderr(metric: Metric, items: Sequence[Any], clusters: Sequence[Hashable]) -> float:
    """The standard error of value(): the standard deviation of the metric over RESAMPLES bootstrap
    resamples of clusters. NaN if there are fewer than two clusters, if the value is NaN, or if the
    share of resamples with NaN is over MISSING.

    Efron and Tibshirani 1993, chapter 6, with clusters as units. The seed is fixed, so the result
    is reproducible."""
    import numpy as np

    table = vectors(metric, items, clusters)
    if len(table) < 2 or not np.isfinite(metric.finish(table.sum(axis=0))):
        return float("nan")
    resampled = metric.finish(resample(table, RESAMPLES, metric.squared))
    return float(np.nanstd(resampled, ddof=1)) if is_known(resampled) else float("nan")


def is_known(resampled: "Array") -> bool:
    """Whether the share of resampled values that are NaN is at most MISSING. Otherwise an interval
    over the other values would hide that the metric is often undefined."""
    import numpy as np

    return bool(np.isnan(resampled).mean() <= MISSING)


def vectors(metric: Metric, items: Sequence[Any], clusters: Sequence[Hashable]) -> "Array":
    """The vector of each cluster, as an array of shape (clusters, k). Clusters are in the order of
    their first item."""
    import numpy as np

    grouped: dict[Hashable, list[Any]] = {}
    for item, cluster in zip(items, clusters, strict=True):
        grouped.setdefault(cluster, []).append(item)
    return np.array([metric.vector(members) for members in grouped.values()], dtype=np.float64)


def resample(table: "Array", resamples: int, squared: int = 0) -> "Array":
    """Bootstrap sums of the table's rows, of shape (resamples, k). For each resample, as many rows
    as the table has are drawn with replacement. In the last `squared` columns, a row that is drawn
    n times counts n * n times.

    Tables of the same length get the same draws. So the resamples of two models on the same items
    are paired."""
    units = pooled(table)
    sums = weighted(partial(_draws, len(units), resamples), units)
    if squared:
        sums[:, -squared:] = _draws(len(units), resamples, False) ** 2 @ units[:, -squared:]
    return sums


def weighted(weights: "Callable[[bool], Array]", units: "Array") -> "Array":
    """Weighted sums of the rows of `units`, of shape (resamples, k). weights(is_single) returns the
    weights, an array of shape (resamples, rows), in single precision if `is_single` is True, else
    in double precision. The weights of a resample are integers whose sum is at most the number of
    rows.

    Single precision takes half the time. It is used only if all sums are integers that it
    represents exactly. Columns of zeros are skipped."""
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
    """The table itself if it has at most UNITS rows. Otherwise its rows are assigned at random to
    UNITS units, and the sum of each unit becomes a row. The unit of a row depends only on its index
    and the number of rows."""
    import numpy as np

    if len(table) <= UNITS:
        return table
    unit = np.random.default_rng(SEED).permutation(len(table)) % UNITS
    sums = np.zeros((UNITS, table.shape[1]))
    np.add.at(sums, unit, table)
    return sums


@lru_cache(maxsize=2)  # both precisions, which all metrics of a task share
def _draws(length: int, resamples: int, is_single: bool) -> "Array":
    """How often each of `length` rows is drawn in each resample, as an array of shape (resamples,
    length) in single or double precision."""
    import numpy as np

    return np.asarray(_counts(length, resamples), dtype=np.float32 if is_single else np.float64)


# Cached because drawing is slow and callers alternate between several lengths.
@lru_cache(maxsize=12)
def _counts(length: int, resamples: int) -> Any:
    """The same as _draws(), as bytes, which keep the cache small."""
    import numpy as np

    rng, counts = np.random.default_rng(SEED), np.empty((resamples, length), dtype=np.uint8)
    for start in range(0, resamples, AT_ONCE):
        batch = counts[start : start + AT_ONCE]
        drawn = rng.integers(length, size=batch.shape) + length * np.arange(len(batch))[:, None]
        batch[:] = np.bincount(drawn.ravel(), minlength=batch.size).reshape(batch.shape)
    return counts
