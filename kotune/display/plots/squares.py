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

CELL, SQUARE = 46, 250  # pixels: height of a row of a matrix, height of a calibration plot
FULL = 0.4  # highest opacity at which text is readable in the light and the dark style
# The area of a dot in square pixels, for a bin with no items and for a bin with all items.
DOTS = (16.0, 200.0)


class Dot(NamedTuple):
    """A bin of a calibration plot. `confidence` is its mean confidence, `right` its accuracy, and
    `share` its share of all items. All are from 0 to 1."""

    confidence: float
    right: float
    share: float


def confusion(
    choices: Sequence[str], counts: Sequence[Sequence[int]], axes: tuple[str, str]
) -> Spec:
    """Draw a confusion matrix with right answers in rows and the model's answers in columns.

    A cell shows its count and its share of the row. Its opacity is the share, and its colour shows
    whether the answer is right. `axes` has the title of the columns, then the title of the rows."""
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
    """Draw accuracy by confidence for each variant. The keys of `variants` are keys of KINDS. On
    the dashed line, accuracy equals confidence. `axes` has the title of the horizontal axis, then
    the title of the vertical axis."""
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
