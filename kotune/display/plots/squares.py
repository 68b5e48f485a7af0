"""Right answers against given ones, and how often right against how sure."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from kotune.display.plots.drawing import (
    DASHED,
    FITTED,
    KINDS,
    SHARES,
    TEXT,
    WIDTH,
    Axis,
    Spec,
    channel,
    layers,
)

CELL, SQUARE = 46, 250  # pixels: of a row of a heat map, of a calibration plot
FULL = 0.4  # opacity at which text can still be read in light and dark
DOTS = (16.0, 200.0)  # areas of the dots of few items and of all


class Dot(NamedTuple):
    """A bin of a calibration plot: how sure, how often right, and how many of all items it holds, 0
    to 1."""

    confidence: float
    right: float
    share: float


def confusion(
    choices: Sequence[str], counts: Sequence[Sequence[int]], axes: tuple[str, str]
) -> Spec:
    """Right answers in rows, given ones in columns: how many, and which share of the row; the
    fuller a cell, the stronger its colour, which tells right from wrong. `axes`: what columns and
    rows are called."""
    cells = [
        {
            "y": gold,
            "x": said,
            "n": f"{n:,}",
            "share": n / (sum(row) or 1),
            "percent": f"{n / (sum(row) or 1):.0%}",
            "fill": "var(--good)" if gold == said else "var(--bad)",
        }
        for gold, row in zip(choices, counts, strict=True)
        for said, n in zip(choices, row, strict=True)
    ]
    side = {"type": "ordinal", "sort": [*choices], "scale": {"paddingInner": 0.04}}
    shown = {"domain": False, "labelAngle": 0, "labelLimit": 90, "labelColor": "var(--text)"}
    place = {
        "x": {"field": "x", **side, "axis": {**shown, "orient": "top", "title": axes[0]}},
        "y": {"field": "y", **side, "axis": {**shown, "title": axes[1]}},
    }
    full = {
        "field": "share",
        "type": "quantitative",
        "scale": {"domain": [0, 1], "range": [0, FULL]},
        "legend": None,
    }
    drawn = (
        (
            cells,
            {"type": "rect", "stroke": "var(--line)"},
            {**place, "fill": {"field": "fill", "scale": None}, "fillOpacity": full},
        ),
        (
            cells,
            {"type": "text", "fontSize": TEXT + 2, "dy": -8},
            {**place, "text": {"field": "n"}},
        ),
        (cells, {"type": "text", "dy": 9}, {**place, "text": {"field": "percent"}}),
    )
    return {
        "width": WIDTH,
        "height": CELL * len(choices),
        "autosize": FITTED,
        "layer": layers(drawn),
    }


def reliability(sides: Mapping[str, Sequence[Dot]], axes: tuple[str, str]) -> Spec:
    """How often right against how sure, for each of KINDS; on the dashed line they are the same.
    `axes`: what across and up are called."""
    rows = [
        {
            "x": dot.confidence,
            "y": dot.right,
            "share": dot.share,
            "kind": kind,
            "stroke": KINDS[kind][0],
            "fill": KINDS[kind][1],
        }
        for kind, dots in sides.items()
        for dot in dots
    ]
    place = {
        name: channel(
            name, Axis(title, form=".2~f", ticks=SHARES), {"domain": [0, 1]}, labelFlush=True
        )
        for name, title in zip("xy", axes, strict=True)
    }
    tint = {"stroke": {"field": "stroke", "scale": None}, "detail": {"field": "kind"}}
    size = {
        "field": "share",
        "type": "quantitative",
        "scale": {"domain": [0, 1], "range": DOTS},
        "legend": None,
    }
    full = {**place, **tint, "fill": {"field": "fill", "scale": None}, "size": size}
    drawn = (
        ([{"x": 0, "y": 0}, {"x": 1, "y": 1}], {"type": "line", **DASHED}, place),
        (rows, {"type": "line", "strokeWidth": 2}, {**place, **tint}),
        (rows, {"type": "point", "opacity": 1, "strokeWidth": 2}, full),
    )
    return {"width": WIDTH, "height": SQUARE, "autosize": FITTED, "layer": layers(drawn)}
