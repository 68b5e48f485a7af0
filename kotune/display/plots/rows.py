"""Plots of values with their intervals, one below the other. They show scores before and after
tuning with baselines, or differences with a line at 0.

The template parts.html.jinja draws them as rows of HTML text and small SVG bars. Positions in a bar
are percentages, so a plot fits a phone and a wide screen without another layout. Text and bars have
columns of their own, so a line never crosses a label."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

STEPS = (1, 2, 5, 10)  # a step between two ticks is one of these times a power of 10
SPANNED = 4  # the number of steps that cover the values of a scale, at most


class Interval(NamedTuple):
    """A value with its 95% confidence interval. `kind` is the CSS class of its colours, a key of
    KINDS. `each`: the value of each seed, if there are several."""

    value: float
    low: float
    high: float
    kind: str
    each: Sequence[float] = ()


class PlotRow(NamedTuple):
    """Intervals with a label on their left and figures (numbers as text) on their right."""

    label: str
    figures: str
    intervals: Sequence[Interval]


class Group(NamedTuple):
    """Rows under a title. `references` maps the names of dashed vertical lines to their values."""

    title: str
    rows: Sequence[PlotRow]
    references: Mapping[str, float] = {}


class Scale(NamedTuple):
    """A horizontal scale from `low` to `high`. `ticks` maps the texts of ticks to their values. If
    `has_zero` is true, a dashed line goes through all rows at 0."""

    low: float
    high: float
    ticks: Mapping[str, float]
    has_zero: bool = False

    def at(self, value: float) -> str:
        """The position of a value, for example `37.5%`. Values outside the scale are at its
        ends."""
        share = (value - self.low) / (self.high - self.low)
        return f"{100 * min(max(share, 0.0), 1.0):.2f}%"


class Panel(NamedTuple):
    """A plot: its title, its groups of rows, and their common scale."""

    title: str
    groups: Sequence[Group]
    scale: Scale


SHARES = Scale(0, 1, {f"{tick}%": tick / 100 for tick in (0, 25, 50, 75, 100)})


def differences(ends: Sequence[float]) -> Scale:
    """A scale with a line at 0 that shows all of `ends`. The texts of its ticks have a sign."""
    low, high = min((0.0, *ends)), max((0.0, *ends))
    step = _step((high - low) or 1.0)
    first, last = int(low // step), -int(-high // step)
    if first == last:
        first, last = -1, 1
    ticks = {f"{step * at:+g}" if at else "0": step * at for at in range(first, last + 1)}
    return Scale(step * first, step * last, ticks, has_zero=True)


def _step(span: float) -> float:
    """The smallest round step of which SPANNED cover the span."""
    exponent = int(f"{span / SPANNED:e}".partition("e")[2])
    power = 10.0**exponent
    return next(factor * power for factor in STEPS if factor * power * SPANNED >= span)
