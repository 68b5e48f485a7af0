"""What may be claimed of a difference. It is claimed only where Holm's adjusted p and the interval
both carry it.

Decided here, worded in kotune.report.sentences.
"""

import math

from kotune.compare.comparison import Comparison

ALPHA = 0.05


def outcome(found: Comparison) -> str:
    """What may be claimed of a primary metric."""
    told = found.paired
    if not (math.isfinite(told.value_a) and math.isfinite(told.value_b)):
        return "void"
    if found.p_holm is None or not all(
        map(math.isfinite, (told.difference, told.ci_low, told.ci_high, found.p_holm))
    ):
        return "undefined"
    carried = told.ci_low > 0 < told.difference or told.ci_high < 0 > told.difference
    if found.p_holm > ALPHA or not carried:
        return "same"
    return "better" if (told.difference > 0) != found.is_lower_better else "worse"


def doubted_by(found: Comparison) -> str | None:
    """Where interval and p do not agree, so that nothing is claimed, which of them does not carry
    it: Holm's `adjustment`, the `test` itself, or the `interval`. Over few groups a bootstrap's
    interval comes out too narrow; the test is exact there."""
    told = found.paired
    if found.p_holm is None or not all(
        map(math.isfinite, (told.ci_low, told.ci_high, found.p_holm))
    ):
        return None
    leaves_out_zero = told.ci_low > 0 or told.ci_high < 0
    if leaves_out_zero == (found.p_holm <= ALPHA):
        return None
    return "interval" if not leaves_out_zero else "adjustment" if told.p_value <= ALPHA else "test"
