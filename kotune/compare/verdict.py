"""Decides which claim about a difference is supported. A claim needs the support of both Holm's
adjusted p-value and the confidence interval. kotune.report.sentences writes the sentence."""

import math

from kotune.compare.comparison import Comparison
from kotune.compare.paired import FEWEST_CLUSTERS

ALPHA = 0.05


def outcome(comparison: Comparison) -> str:
    """The supported claim about a primary metric:

    - `better`, `worse`, `same`: how b compares with a
    - `few`: nothing is claimed, because there are fewer than FEWEST_CLUSTERS clusters
    - `alike`: nothing is claimed, because all clusters have the same difference: no interval
    - `undefined`: the interval or the p-value is missing
    - `void`: a value is missing
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
    """What a report claims about a primary metric. It is outcome(), except for two models whose
    variation between seeds is unknown. Then the claim is only about these adapters:

    - `adapters_differ`: the adapters differ
    - `adapters_same`: no difference is found between the adapters
    """
    result = outcome(comparison)
    if comparison.is_tuning or comparison.includes_seeds:
        return result
    of_adapters = {
        "better": "adapters_differ",
        "worse": "adapters_differ",
        "same": "adapters_same",
    }
    return of_adapters.get(result, result)


def doubted_by(comparison: Comparison) -> str | None:
    """If the interval and the adjusted p-value disagree, return the one that does not support the
    difference. Return None if they agree. If they disagree, nothing is claimed.

    - `adjustment`: the p-value is significant only before Holm's adjustment
    - `test`: the p-value is not significant
    - `interval`: the interval contains 0
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
