"""Writes the numbers of reports. Shares are written in percent, and their differences in percentage
points (%p). Other numbers keep their own unit."""

import math

from kotune.display.phrases import Phrases
from kotune.display.words import amount

NOTHING = "-"  # the text of a missing or undefined number


def number(value: float | None, form: str = ".3f") -> str:
    """A number as text in the format `form`. A dash for None, NaN and infinity."""
    return NOTHING if value is None or not math.isfinite(value) else f"{value:{form}}"


def level(value: float | None, is_share: bool) -> str:
    """The value of a metric, for example `72.3%`."""
    return number(value, ".1%" if is_share else ".3f")


def change(
    value: float | None,
    is_share: bool,
    phrases: Phrases,
    nearest: float = math.inf,
    sign: str = "+",
) -> str:
    """A difference, for example `+13.4 %p`. `nearest`: as in amount(). `sign`: empty to write only
    the sign of negative numbers."""
    if value is None or not math.isfinite(value):
        return NOTHING
    shown = amount(value, is_share, nearest, sign)
    return phrases("points", n=shown) if is_share else shown


def interval(low: float, high: float, is_share: bool) -> str:
    """A confidence interval of a difference, for example `+3.4 ~ +23.4`."""
    if math.isnan(low):
        return NOTHING
    return " ~ ".join(amount(end, is_share, sign="+") for end in (low, high))
