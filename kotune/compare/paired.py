"""Compares two models on the same items: difference, p-value, confidence interval, and minimum
detectable difference. The items of a cluster are resampled together.

Every metric is a function of sums over clusters (kodata.metrics.resampling). So one matrix product
gives thousands of resamples.

- p_value: a sign-flip (permutation) test over clusters. Under the null hypothesis, the two models'
  answers are exchangeable within a cluster. The test is two-sided. The p-value is (1 + resamples
  that are as extreme) / (1 + RESAMPLES): Phipson and Smyth 2010, doi:10.2202/1544-6115.1585.
  For the hypothesis that the means are equal, the test is approximate. With skewed differences and
  fewer than FEWEST_CLUSTERS clusters, it rejects too often.
- ci: the 2.5th and 97.5th percentiles over bootstrap resamples of whole clusters. It is not
  adjusted for other comparisons. For a biased metric, interval() calculates the interval in another
  way. The interval is NaN if the metric is undefined in over 5% of the resamples, and if every
  resample gives the same difference.
- p_mcnemar: McNemar's exact test, for items that are right or wrong. It assumes independent items.
- detectable: the smallest true difference that a test at the 5% level detects in 80% of cases. It
  is (z(.975) + z(.8)) bootstrap standard errors. NaN if every resample gives the same difference.
"""

import math
from collections.abc import Hashable, Sequence
from functools import lru_cache, partial
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, NamedTuple

from kodata.metrics.resampling import SEED, Metric, is_known, pooled, resample, vectors, weighted

if TYPE_CHECKING:
    from kodata.metrics.resampling import Array

RESAMPLES = 10_000
EQUAL = 1e-12  # smaller differences are rounding errors
# The fewest clusters for a verdict: the smallest simulated number from which on the test of two
# equal means rejects at most 7% instead of 5%, in every simulated world of bounded differences
# (tests/compare/test_few_clusters.py). In the worst of them, one cluster in 15 is lost whole.
FEWEST_CLUSTERS = 50
POWER_Z = NormalDist().inv_cdf(0.975) + NormalDist().inv_cdf(0.8)
UNSEEN = 1 / (math.sqrt(2) - 1) - 1  # explained in interval()


class Paired(NamedTuple):
    """The result of comparing b with a. Values and differences are in the metric's own unit.

    - `p_mcnemar`: None unless every item is 0 or 1
    - `is_alike`: whether every resample of clusters gives the same difference, so that there is no
      interval
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
    """Compare b with a. The difference is the metric of b minus that of a.

    `a`, `b`: the ingredient of each item. `clusters`: the cluster of each item. Numbers are NaN if
    the metric is undefined. The interval is NaN for fewer than two clusters, and if all clusters
    have the same difference."""
    import numpy as np

    tables = [vectors(metric, items, clusters) for items in (a, b)]
    value_a, value_b = (float(metric.finish(table.sum(axis=0))) for table in tables)
    resamples = [resampled(metric, table) for table in tables]
    spread = resamples[1] - resamples[0]
    low, high = percentiles(spread)
    has_spread = moves(spread)
    if metric.biased and has_spread:
        low, high = interval((value_a, value_b), resamples)
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
        detectable=POWER_Z * float(np.nanstd(spread, ddof=1)) if has_spread else math.nan,
        is_alike=is_known(spread) and not has_spread,
    )


def percentiles(spread: "Array") -> tuple[float, float]:
    """The 2.5th and 97.5th percentiles of the resamples. Both are NaN if the resamples do not
    differ or too many of them are NaN (moves)."""
    import numpy as np

    if not moves(spread):
        return math.nan, math.nan
    low, high = np.nanpercentile(spread, [2.5, 97.5])
    return float(low), float(high)


def interval(values: tuple[float, float], resamples: Sequence["Array"]) -> tuple[float, float]:
    """The 95% confidence interval of the difference of a biased metric. `values` and `resamples`
    are those of a and of b.

    Noise makes the value of such a metric too large. Resampling adds noise once more, so
    percentiles would be biased. The basic interval (Davison and Hinkley 1997, section 5.2)
    subtracts the bias that resampling added.

    This correction is right for calibration bins in which confidence and accuracy differ (a gap).
    In a bin without a gap, the bias of the value is E|N(0, s²)|. The mean over resamples is
    E|N(0, 2s²)|, so resampling adds only sqrt(2) - 1 times that bias. So each end of the interval
    is moved outwards by the part of the bias that the correction misses. That part is calculated as
    if no bin of the model had a gap."""
    low, high = percentiles(resamples[1] - resamples[0])
    twice, (bias_a, bias_b) = 2 * (values[1] - values[0]), biases(values, resamples)
    return twice - high - UNSEEN * bias_b, twice - low + UNSEEN * bias_a


def biases(values: Sequence[float], resamples: Sequence["Array"]) -> list[float]:
    """For each value, the mean of its resamples minus the value; 0 if the difference is
    negative."""
    import numpy as np

    return [
        max(0.0, float(np.nanmean(drawn)) - value)
        for value, drawn in zip(values, resamples, strict=True)
    ]


def moves(spread: "Array") -> bool:
    """Whether the resamples differ by more than rounding errors. False if too many of them are NaN
    (is_known)."""
    import numpy as np

    return bool(is_known(spread) and np.nanmax(spread) - np.nanmin(spread) > EQUAL)


def sign_flip(metric: Metric, a: "Array", b: "Array", resamples: int = RESAMPLES) -> float:
    """The two-sided p-value over random exchanges of the two models' rows. `a` and `b` have the
    shape (clusters, k). NaN if the difference is undefined."""
    sum_a, sum_b = a.sum(axis=0), b.sum(axis=0)
    observed = float(metric.finish(sum_b) - metric.finish(sum_a))
    if not math.isfinite(observed):
        return math.nan
    units = pooled(b - a)
    moved = weighted(partial(_exchanges, len(units), resamples), units)
    differences = metric.finish(sum_b - moved) - metric.finish(sum_a + moved)
    # Differences that are equal in theory can differ in the last bit. An undefined (NaN) difference
    # counts as extreme, because it is no evidence against the null hypothesis.
    extreme = int((~(abs(differences) < abs(observed) - EQUAL)).sum())
    return (1 + extreme) / (1 + resamples)


@lru_cache(maxsize=2)  # shared by the metrics of a task, in both precisions
def _exchanges(length: int, resamples: int, is_single: bool) -> "Array":
    """An array of shape (resamples, length): 1 if a row is exchanged, else 0."""
    import numpy as np

    return np.asarray(_sides(length, resamples), dtype=np.float32 if is_single else np.float64)


@lru_cache(maxsize=12)  # the same size as the cache of draws in kodata.metrics.resampling
def _sides(length: int, resamples: int) -> Any:
    import numpy as np

    return np.random.default_rng(SEED).integers(0, 2, size=(resamples, length), dtype=np.int8)


def mcnemar(a: Sequence[Any], b: Sequence[Any]) -> float | None:
    """McNemar's exact p-value, computed from the items that only one of the models got right. None
    unless every item is right or wrong."""
    # bdtr gives the binomial distribution. Importing scipy.stats would take seconds.
    from scipy.special import bdtr

    if any(item not in (0, 1) for item in (*a, *b)):
        return None
    won, lost = (
        sum(y > x for x, y in zip(a, b, strict=True)),
        sum(y < x for x, y in zip(a, b, strict=True)),
    )
    return min(1.0, 2 * float(bdtr(min(won, lost), won + lost, 0.5)))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values in the given order (Holm 1979,
    https://www.jstor.org/stable/4615733). NaN stays NaN.

    multipletests of statsmodels gives the same result. kotune does not use it, because importing
    statsmodels takes longer than a comparison."""
    adjusted, largest = [math.nan] * len(p_values), 0.0
    known = sorted((p, at) for at, p in enumerate(p_values) if not math.isnan(p))
    for rank, (p, at) in enumerate(known):
        largest = max(largest, (len(known) - rank) * p)
        adjusted[at] = min(largest, 1.0)
    return adjusted


def resampled(metric: Metric, table: "Array") -> "Array":
    """The metric over RESAMPLES bootstrap resamples of the table's clusters. NaN for a single
    cluster."""
    import numpy as np

    if len(table) < 2:
        return np.full(1, np.nan)
    units = pooled(table)
    return _resampled(metric, units.tobytes(), len(units), RESAMPLES)


@lru_cache(maxsize=32)  # one model takes part in several comparisons
def _resampled(metric: Metric, rows: bytes, length: int, resamples: int) -> "Array":
    import numpy as np

    values = metric.finish(
        resample(np.frombuffer(rows).reshape(length, -1), resamples, metric.squared)
    )
    values.flags.writeable = False
    return values
