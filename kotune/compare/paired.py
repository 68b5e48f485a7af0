"""Compares two models, a and b, on the same items: difference, p-value, confidence interval, and
minimum detectable difference. The items of a cluster are resampled together.

A metric is calculated from sums over clusters (kodata.metrics.resampling). A resample changes only
the weight of each cluster in these sums. So the sums of thousands of resamples are one product of a
matrix of weights and the matrix of clusters.

- p_value: the two-sided p-value of a sign-flip (permutation) test over clusters. Under the null
  hypothesis, the two models' answers are exchangeable within a cluster. The p-value is
  (1 + m) / (1 + RESAMPLES), where m is the number of resamples whose absolute difference is at
  least the observed one. Phipson and Smyth 2010, doi:10.2202/1544-6115.1585.

  The test is only approximate for the hypothesis that the two means are equal. If differences are
  skewed and there are fewer than FEWEST_CLUSTERS clusters, it rejects this hypothesis too often.
- ci_low, ci_high: the ends of the 95% confidence interval of the difference. They are the 2.5th and
  97.5th percentiles over bootstrap resamples of whole clusters. The interval is not adjusted for
  other comparisons. Noise makes the value of some metrics too large on average (Metric.biased). For
  these metrics, interval() corrects the interval.
- p_mcnemar: the p-value of McNemar's exact test, for items that are right or wrong. The test
  assumes independent items.
- detectable: the smallest true difference that a test at the 5% level detects in 80% of cases. It
  is (z(.975) + z(.8)) bootstrap standard errors. z(p) is the p-quantile of the standard normal
  distribution.

The interval and `detectable` are NaN if every resample gives the same difference, or if the metric
is undefined in over 5% of the resamples."""

import math
from collections.abc import Hashable, Sequence
from functools import lru_cache, partial
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, NamedTuple

from kodata.metrics.resampling import SEED, Metric, is_known, pooled, resample, vectors, weighted

if TYPE_CHECKING:
    from kodata.metrics.resampling import Array

RESAMPLES = 10_000
EQUAL = 1e-12  # values that differ by less are equal; their difference is a rounding error
# The minimum number of clusters for a verdict. With at least this many clusters, the nominal 5%
# test of two equal means rejected at most 7% in all simulations of bounded differences
# (tests/compare/test_few_clusters.py). In the worst simulation, b loses all items of one cluster in
# 15.
FEWEST_CLUSTERS = 50
POWER_Z = NormalDist().inv_cdf(0.975) + NormalDist().inv_cdf(0.8)
# The largest bias that remains in a basic bootstrap interval, divided by the bias that the interval
# removes. interval() explains the formula.
UNSEEN = 1 / (math.sqrt(2) - 1) - 1


class Paired(NamedTuple):
    """The result of comparing b with a. Values and differences are in the metric's own unit. The
    module docstring explains the statistics.

    - `value_a`, `value_b`: the metric of a, and that of b
    - `difference`: `value_b` minus `value_a`
    - `p_mcnemar`: None unless every item is 0 or 1
    - `n`: the number of items
    - `groups`: the number of clusters
    - `detectable`: the minimum detectable difference
    - `is_alike`: whether every resample of clusters gives the same difference. There is then no
      interval.
    """

    value_a: float
    value_b: float
    difference: float
    ci_low: float
    ci_high: float
    p_value: float
    p_mcnemar: float | None
    n: int
    groups: int
    detectable: float
    is_alike: bool = False


def compare(
    metric: Metric, a: Sequence[Any], b: Sequence[Any], clusters: Sequence[Hashable]
) -> Paired:
    """Compare b with a on the same items, in the same order.

    `a`, `b`: the model's value for each item, in the form that metric.vector takes. `clusters`: the
    cluster of each item. If the metric is undefined for a model, its value, the difference and the
    p-value are NaN. The interval is also NaN for a single cluster."""
    import numpy as np

    tables = [vectors(metric, items, clusters) for items in (a, b)]
    value_a, value_b = (float(metric.finish(table.sum(axis=0))) for table in tables)
    bootstrap_a, bootstrap_b = (resampled(metric, table) for table in tables)
    differences = bootstrap_b - bootstrap_a
    low, high = percentiles(differences)
    has_spread = moves(differences)
    if metric.biased and has_spread:
        low, high = interval((value_a, value_b), (bootstrap_a, bootstrap_b))
    return Paired(
        value_a,
        value_b,
        value_b - value_a,
        low,
        high,
        p_value=sign_flip(metric, tables[0], tables[1]),
        p_mcnemar=mcnemar(a, b),
        n=len(a),
        groups=len(tables[0]),
        detectable=POWER_Z * float(np.nanstd(differences, ddof=1)) if has_spread else math.nan,
        is_alike=is_known(differences) and not has_spread,
    )


def percentiles(differences: "Array") -> tuple[float, float]:
    """The 2.5th and 97.5th percentiles of the differences. `differences`: the difference in each
    resample. Both percentiles are NaN if moves(differences) is False."""
    import numpy as np

    if not moves(differences):
        return math.nan, math.nan
    low, high = np.nanpercentile(differences, [2.5, 97.5])
    return float(low), float(high)


def interval(
    values: tuple[float, float], bootstrap_values: Sequence["Array"]
) -> tuple[float, float]:
    """The 95% confidence interval of the difference of a biased metric, such as the expected
    calibration error. `values`: the values of a and b. `bootstrap_values`: the values of a and
    those of b in the resamples.

    Noise makes the value of a biased metric too large. A resample has the noise of the data and its
    own noise, so its value is even larger. Therefore the basic bootstrap interval is used. Its ends
    are 2 * difference minus the percentiles. This interval removes as much bias as resampling adds.
    Davison and Hinkley 1997, section 5.2.

    The value may have more bias than resampling adds. Take a bin of the calibration error whose
    confidence equals its true accuracy. Let its observed accuracy have noise of variance s². The
    bias of its value is E|N(0, s²)|, the mean absolute value of a normal variable with mean 0 and
    variance s². The mean over resamples is E|N(0, 2s²)|, which is sqrt(2) times as large. So
    resampling adds sqrt(2) - 1 times the bias of the value. After the correction, UNSEEN times the
    added bias remains.

    Other bins keep less bias. The interval allows for the largest case: the low end is moved down
    by the remaining bias of b, and the high end is moved up by the remaining bias of a."""
    low, high = percentiles(bootstrap_values[1] - bootstrap_values[0])
    twice, (bias_a, bias_b) = 2 * (values[1] - values[0]), biases(values, bootstrap_values)
    return twice - high - UNSEEN * bias_b, twice - low + UNSEEN * bias_a


def biases(values: Sequence[float], bootstrap_values: Sequence["Array"]) -> list[float]:
    """The bias that resampling adds to each value: the mean over the value's resamples minus the
    value. A negative bias is replaced by 0. `bootstrap_values`: the resamples of each value."""
    import numpy as np

    return [
        max(0.0, float(np.nanmean(drawn)) - value)
        for value, drawn in zip(values, bootstrap_values, strict=True)
    ]


def moves(differences: "Array") -> bool:
    """Whether the differences vary between resamples by more than rounding errors. False if over 5%
    of the differences are NaN. `differences`: the difference in each resample."""
    import numpy as np

    return bool(is_known(differences) and np.nanmax(differences) - np.nanmin(differences) > EQUAL)


def sign_flip(metric: Metric, a: "Array", b: "Array", resamples: int = RESAMPLES) -> float:
    """The two-sided p-value of the difference between b and a. NaN if the difference is undefined.

    `a`, `b`: the metric's vector of each cluster, as arrays of shape (clusters, k). Each resample
    exchanges the rows of a and b for randomly chosen clusters."""
    sum_a, sum_b = a.sum(axis=0), b.sum(axis=0)
    observed = float(metric.finish(sum_b) - metric.finish(sum_a))
    if not math.isfinite(observed):
        return math.nan
    units = pooled(b - a)
    exchanged = weighted(partial(_exchanges, len(units), resamples), units)
    differences = metric.finish(sum_b - exchanged) - metric.finish(sum_a + exchanged)
    # Differences that are equal in theory can differ by a rounding error, so EQUAL is subtracted.
    # An undefined (NaN) difference counts as extreme, which makes the p-value larger
    # (conservative).
    extreme = int((~(abs(differences) < abs(observed) - EQUAL)).sum())
    return (1 + extreme) / (1 + resamples)


# Cached, because all metrics of a task use the same exchanges. The cache keeps one array in single
# precision and one in double precision.
@lru_cache(maxsize=2)
def _exchanges(length: int, resamples: int, is_single: bool) -> "Array":
    """Which of `length` rows are exchanged in each resample, as an array of shape (resamples,
    length). 1 if the row is exchanged, else 0."""
    import numpy as np

    return np.asarray(_coin_flips(length, resamples), dtype=np.float32 if is_single else np.float64)


@lru_cache(maxsize=12)  # the same size as the cache of draws in kodata.metrics.resampling
def _coin_flips(length: int, resamples: int) -> Any:
    """The same as _exchanges(), as bytes, which keep the cache small."""
    import numpy as np

    return np.random.default_rng(SEED).integers(0, 2, size=(resamples, length), dtype=np.int8)


def mcnemar(a: Sequence[Any], b: Sequence[Any]) -> float | None:
    """McNemar's exact p-value, computed from the items that only one of the models got right. None
    unless every item is 0 or 1."""
    # bdtr is the cumulative binomial distribution. It is not taken from scipy.stats, whose import
    # takes seconds.
    from scipy.special import bdtr

    if any(item not in (0, 1) for item in (*a, *b)):
        return None
    won, lost = (
        sum(y > x for x, y in zip(a, b, strict=True)),
        sum(y < x for x, y in zip(a, b, strict=True)),
    )
    return min(1.0, 2 * float(bdtr(min(won, lost), won + lost, 0.5)))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values, in the order of `p_values` (Holm 1979,
    https://www.jstor.org/stable/4615733). NaN stays NaN and does not count as a test.

    multipletests of statsmodels gives the same result. kotune does not use it, because importing
    statsmodels takes longer than a comparison."""
    adjusted, largest = [math.nan] * len(p_values), 0.0
    known = sorted((p, at) for at, p in enumerate(p_values) if not math.isnan(p))
    for rank, (p, at) in enumerate(known):
        largest = max(largest, (len(known) - rank) * p)
        adjusted[at] = min(largest, 1.0)
    return adjusted


def resampled(metric: Metric, table: "Array") -> "Array":
    """The values of a metric in RESAMPLES bootstrap resamples of clusters. `table`: the metric's
    vector of each cluster, of shape (clusters, k). For a single cluster, the result is one NaN."""
    import numpy as np

    if len(table) < 2:
        return np.full(1, np.nan)
    units = pooled(table)
    return _resampled(metric, units.tobytes(), len(units), RESAMPLES)


# Cached, because several comparisons use the same model. An array cannot be the key of a cache, so
# the rows are passed as bytes.
@lru_cache(maxsize=32)
def _resampled(metric: Metric, table_bytes: bytes, length: int, resamples: int) -> "Array":
    import numpy as np

    table = np.frombuffer(table_bytes).reshape(length, -1)
    values = metric.finish(resample(table, resamples, metric.squared))
    values.flags.writeable = False
    return values
