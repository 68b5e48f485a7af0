"""Plots as inline SVG: Vega-Lite specs that vl-convert renders, with no browser and no network.

Colours are the page's own CSS variables, so that a plot follows light, dark and paper; text is real
text, in the page's font. A plot is WIDTH wide, which is a phone's whole width: a page shows it that
wide or somewhat larger, never smaller."""

from kotune.display.plots.curves import PlotPoint, Series, lines
from kotune.display.plots.drawing import SHARES, WIDTH, Axis, Spec, colour, svg
from kotune.display.plots.rows import Group, Interval, PlotRow, intervals
from kotune.display.plots.squares import Dot, confusion, reliability

__all__ = [
    "SHARES",
    "WIDTH",
    "Axis",
    "Dot",
    "Group",
    "Interval",
    "PlotPoint",
    "PlotRow",
    "Series",
    "Spec",
    "colour",
    "confusion",
    "intervals",
    "lines",
    "reliability",
    "svg",
]
