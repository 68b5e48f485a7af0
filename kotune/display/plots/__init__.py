"""Draws plots as inline SVG, which vl-convert renders from Vega-Lite specs without a browser and
without a network. Colours are CSS variables of the page, so a plot follows the page's light, dark
and print styles."""

from kotune.display.plots.curves import PlotPoint, Series, lines
from kotune.display.plots.drawing import WIDTH, Axis, Spec, colour, svg
from kotune.display.plots.rows import SHARES, Group, Interval, Panel, PlotRow, Scale, differences
from kotune.display.plots.squares import Dot, confusion, reliability

__all__ = [
    "SHARES",
    "WIDTH",
    "Axis",
    "Dot",
    "Group",
    "Interval",
    "Panel",
    "PlotPoint",
    "PlotRow",
    "Scale",
    "Series",
    "Spec",
    "colour",
    "confusion",
    "differences",
    "lines",
    "reliability",
    "svg",
]
