"""Plots as inline SVG: Vega-Lite specs rendered by vl-convert, without browser and network.

Colours are the page's CSS variables, so a plot follows the light, dark and print styles. Text is
real text in the page's font. A plot is WIDTH pixels wide, the width of a phone. A page shows it at
this width or larger, never smaller."""

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
