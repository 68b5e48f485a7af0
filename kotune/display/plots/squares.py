"""Confusion matrices and calibration plots."""

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

CELL, SQUARE = 46, 250  # pixels: height of a heat map's row, height of a calibration plot
FULL = 0.4  # highest opacity at which text is readable in light and dark
DOTS = (16.0, 200.0)  # areas of dots, from no items to all items


class Dot(NamedTuple):
    """A bin of a calibration plot: mean confidence, accuracy and share of all items, each 0 to
    1."""

    confidence: float
    right: float
    share: float


def confusion(
    choices: Sequence[str], counts: Sequence[Sequence[int]], axes: tuple[str, str]
) -> Spec:
    """A confusion matrix with right answers in rows and the model's answers in columns. A cell
    shows the number and the share of its row. Its opacity is the share, its colour right or wrong.
    `axes`: titles of columns and rows."""
    cells = [
        {
            "y": gold,
            "x": answer,
            "n": f"{n:,}",
            "share": n / (sum(row) or 1),
            "percent": f"{n / (sum(row) or 1):.0%}",
            "fill": "var(--good)" if gold == answer else "var(--bad)",
        }
        for gold, row in zip(choices, counts, strict=True)
        for answer, n in zip(choices, row, strict=True)
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


def reliability(variants: Mapping[str, Sequence[Dot]], axes: tuple[str, str]) -> Spec:
    """Accuracy by confidence for each variant, one of KINDS. On the dashed line both are equal.
    `axes`: titles of the horizontal and the vertical axis."""
    rows = [
        {
            "x": dot.confidence,
            "y": dot.right,
            "share": dot.share,
            "kind": kind,
            "stroke": KINDS[kind][0],
            "fill": KINDS[kind][1],
        }
        for kind, dots in variants.items()
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
