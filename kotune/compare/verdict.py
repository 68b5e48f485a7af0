"""Decides what may be claimed of a difference: only what both Holm's adjusted p and the confidence
interval support. kotune.report.sentences words it."""

import math

from kotune.compare.comparison import Comparison

ALPHA = 0.05


def outcome(comparison: Comparison) -> str:
    """What may be claimed of a primary metric: b is `better`, `worse` or the `same`; `undefined`
    without interval or p, `void` without a value."""
    paired, p_holm = comparison.paired, comparison.p_holm
    if not (math.isfinite(paired.value_a) and math.isfinite(paired.value_b)):
        return "void"
    figures = (paired.difference, paired.ci_low, paired.ci_high)
    if p_holm is None or not all(map(math.isfinite, (*figures, p_holm))):
        return "undefined"
    is_supported = paired.ci_low > 0 < paired.difference or paired.ci_high < 0 > paired.difference
    if p_holm > ALPHA or not is_supported:
        return "same"
    return "better" if (paired.difference > 0) != comparison.is_lower_better else "worse"


def doubted_by(comparison: Comparison) -> str | None:
    """If interval and p disagree, so that nothing is claimed: which of them does not support the
    difference, Holm's `adjustment`, the `test` itself, or the `interval`; else None. Over few
    clusters a bootstrap's interval is too narrow, and the test is exact."""
    paired, p_holm = comparison.paired, comparison.p_holm
    if p_holm is None or not all(map(math.isfinite, (paired.ci_low, paired.ci_high, p_holm))):
        return None
    excludes_zero = paired.ci_low > 0 or paired.ci_high < 0
    if excludes_zero == (p_holm <= ALPHA):
        return None
    if not excludes_zero:
        return "interval"
    return "adjustment" if paired.p_value <= ALPHA else "test"
