"""Plots of lines over a common axis, such as losses and learning curves."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from kotune.display.plots.drawing import (
    DASHED,
    FITTED,
    LINE,
    WIDTH,
    Axis,
    Spec,
    channel,
    layers,
    width,
)

HIGH = 190  # pixels


class PlotPoint(NamedTuple):
    """A point of a line, with an optional vertical interval."""

    x: float
    y: float
    low: float | None = None
    high: float | None = None


class Series(NamedTuple):
    """A line. `label` is its name in the legend; empty if it is not in the legend. Lines with the
    same label must have the same colour. If `marked` is true, every point has a dot. The point of a
    line with a single point always has one."""

    label: str
    points: Sequence[PlotPoint]
    colour: str
    dashed: bool = False
    marked: bool = False


def lines(
    series: Sequence[Series], x: Axis, y: Axis, references: Mapping[str, float] | None = None
) -> Spec:
    """Draw lines over a common x axis, with the intervals of their points. `references` maps the
    names of dashed horizontal lines to their values. Each name is at the right end of its line."""
    rows = [
        {
            **point._asdict(),
            "label": line.label,
            "line": i,
            "stroke": line.colour,
            "dashed": line.dashed,
            "dot": line.marked or len(line.points) == 1,
        }
        for i, line in enumerate(series)
        for point in line.points
    ]
    dots = [row for row in rows if row["dot"]]
    values = [
        value for row in rows for value in (row["y"], row["low"], row["high"]) if value is not None
    ]
    horizontal = [{"y": value} for value in (references or {}).values()]
    named = _names(references or {}, values)
    across, up = (
        _scaled("x", x, [row["x"] for row in rows]),
        _scaled("y", y, [row["y"] for row in rows]),
    )
    place = {"x": across, "y": up, "detail": {"field": "line"}, "stroke": _legend(series)}
    dash = {"condition": {"test": "datum.dashed", "value": [5, 4]}, "value": [1, 0]}
    drawn = (
        (horizontal, {"type": "rule", **DASHED}, {"y": up}),
        (
            [row for row in dots if row["low"] is not None],
            {"type": "rule", "strokeWidth": 1.5},
            {**place, "y": {**up, "field": "low"}, "y2": {"field": "high"}},
        ),
        (rows, {"type": "line", "strokeCap": "round"}, {**place, "strokeDash": dash}),
        (
            dots,
            {"type": "point", "opacity": 1, "size": 45, "strokeWidth": 2, "fill": "var(--page)"},
            place,
        ),
        (
            named,
            {"type": "text", "align": "left", "dx": 4, "fill": "var(--quiet)"},
            {"y": up, "x": {"value": "width"}, "text": {"field": "text"}},
        ),
    )
    return {"width": WIDTH, "height": HIGH, "autosize": FITTED, "layer": layers(drawn)}


def _names(references: Mapping[str, float], values: Sequence[float]) -> list[Spec]:
    """The names of horizontal lines with their positions on the y axis. A name is at the value of
    its line. Names that would overlap are moved apart, in the order of their lines. `values` are
    all other values on the axis."""
    ends = [*references.values(), *values]
    room = LINE / HIGH * (max(ends) - min(ends)) if ends else 0
    named: list[tuple[float, list[str]]] = []
    for name, value in sorted(references.items(), key=lambda item: item[1]):
        last, below = named[-1] if named else (-math.inf, [])
        many = len(below)
        if value - last < room * (many + 1) / 2:
            named[-1] = ((many * last + value) / (many + 1), [name, *below])
        else:
            named.append((value, [name]))
    return [
        {"y": y + room * ((len(names) - 1) / 2 - i), "text": name}
        for y, names in named
        for i, name in enumerate(names)
    ]


def _scaled(name: str, axis: Axis, values: Sequence[float]) -> Spec:
    """The encoding of one axis for these values. `name`: x or y. A logarithmic axis without ticks
    of its own gets ticks at 1, 2 and 5 times each power of ten. If fewer than two of these are in
    the range of the values, Vega chooses the ticks."""
    if axis.log and not axis.ticks:
        powers = range(math.floor(math.log10(min(values))), math.ceil(math.log10(max(values))) + 1)
        ticks = [digit * 10.0**power for power in powers for digit in (1, 2, 5)]
        within = [tick for tick in ticks if min(values) <= tick <= max(values)]
        axis = axis._replace(ticks=within if len(within) > 1 else ())
    scale = {"type": "log" if axis.log else "linear", "nice": False, "zero": False, "padding": 6}
    return channel(name, axis, scale, grid=name == "y", labelOverlap=True)


def _legend(series: Sequence[Series]) -> Spec:
    """The encoding of the lines' colours, with a legend above the plot. Short names share a row."""
    colours = {line.label: line.colour for line in reversed(series) if line.label}
    if not colours:
        return {"field": "stroke", "scale": None}
    names = list(dict.fromkeys(line.label for line in series if line.label))
    columns = max(1, int(WIDTH // (40 + max(map(width, names)))))
    scale = {"domain": names, "range": [colours[name] for name in names]}
    return {"field": "label", "type": "nominal", "scale": scale, "legend": {"columns": columns}}
