"""Decides which claim about a difference is supported. A difference is claimed only if Holm's
adjusted p-value is at most ALPHA and the confidence interval excludes 0. kotune.report.sentences
writes the sentence."""

import math

from kotune.compare.comparison import Comparison
from kotune.compare.paired import FEWEST_CLUSTERS

ALPHA = 0.05  # the significance level


def outcome(comparison: Comparison) -> str:
    """The supported claim about a comparison by a primary metric:

    - `better`, `worse`: b is better or worse than a
    - `same`: no difference between a and b is supported
    - `few`: nothing is claimed, because there are fewer than FEWEST_CLUSTERS clusters
    - `alike`: nothing is claimed, because all clusters have the same difference, so there is no
      interval
    - `undefined`: nothing is claimed, because the interval or the p-value is undefined
    - `void`: nothing is claimed, because the value of a or of b is undefined
    """
    paired, p_holm = comparison.paired, comparison.p_holm
    if not (math.isfinite(paired.value_a) and math.isfinite(paired.value_b)):
        return "void"
    if paired.is_alike:
        return "alike"
    figures = (paired.difference, paired.ci_low, paired.ci_high)
    if p_holm is None or not all(map(math.isfinite, (*figures, p_holm))):
        return "undefined"
    if paired.groups < FEWEST_CLUSTERS:
        return "few"
    is_supported = paired.ci_low > 0 < paired.difference or paired.ci_high < 0 > paired.difference
    if p_holm > ALPHA or not is_supported:
        return "same"
    return "better" if (paired.difference > 0) != comparison.is_lower_better else "worse"


def claim(comparison: Comparison) -> str:
    """What a report claims about a comparison of models by a primary metric. It is the outcome(),
    except for two tuned models whose variation between seeds is unknown. For these, the claim is
    only about the adapters (of_adapters)."""
    result = outcome(comparison)
    if comparison.is_tuning or comparison.includes_seeds:
        return result
    return of_adapters(result)


def is_no_better(comparison: Comparison) -> bool:
    """Whether b is not significantly better than a, although there are enough clusters to tell. If
    all clusters have the same difference, as in a comparison of constant answers, its sign
    decides."""
    result = outcome(comparison)
    if result != "alike":
        return result in ("same", "worse")
    difference = comparison.paired.difference
    return difference >= 0 if comparison.is_lower_better else difference <= 0


def of_adapters(result: str) -> str:
    """The claim about two adapters, for a result of outcome():

    - `adapters_differ` instead of `better` and `worse`: the adapters differ
    - `adapters_same` instead of `same`: no difference between the adapters is supported
    - any other result is unchanged
    """
    claims = {"better": "adapters_differ", "worse": "adapters_differ", "same": "adapters_same"}
    return claims.get(result, result)


def doubted_by(comparison: Comparison) -> str | None:
    """The reason that no difference is claimed, if the interval and the adjusted p-value disagree.
    None if they agree, or if one of them is undefined.

    - `adjustment`: the interval excludes 0, and the p-value is significant only before adjustment
    - `test`: the interval excludes 0, but the p-value is not significant even before adjustment
    - `interval`: the adjusted p-value is significant, but the interval contains 0
    """
    paired, p_holm = comparison.paired, comparison.p_holm
    if p_holm is None or not all(map(math.isfinite, (paired.ci_low, paired.ci_high, p_holm))):
        return None
    excludes_zero = paired.ci_low > 0 or paired.ci_high < 0
    if excludes_zero == (p_holm <= ALPHA):
        return None
    if not excludes_zero:
        return "interval"
    return "adjustment" if paired.p_value <= ALPHA else "test"
