"""Confusion matrices and calibration plots."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from kotune.display.plots.drawing import (
    DASHED,
    FITTED,
    KINDS,
    SHARE_TICKS,
    TEXT,
    WIDTH,
    Axis,
    Spec,
    channel,
    layers,
)

ROW_HEIGHT, PLOT_HEIGHT = 46, 250  # pixels: of a row of a matrix, and of a calibration plot
# The maximum opacity of a cell's fill. At a higher one, the cell's text is hard to read in the
# light or in the dark style.
MAX_OPACITY = 0.4
# The areas in square pixels of the dots of a bin without items and of a bin with all items.
DOT_AREAS = (16.0, 200.0)


class Dot(NamedTuple):
    """A bin of a calibration plot. `confidence` is the mean confidence of its items, and
    `accuracy` their accuracy. `share` is the share of all items that are in the bin. All three are
    from 0 to 1."""

    confidence: float
    accuracy: float
    share: float


def confusion(
    choices: Sequence[str], counts: Sequence[Sequence[int]], axes: tuple[str, str]
) -> Spec:
    """Draw a confusion matrix. The rows are the expected answers, the columns the model's answers.
    `counts[i][j]` is the number of items with the expected answer i and the model's answer j.

    A cell shows its count and its share of the row. A larger share makes the cell more opaque. The
    colour shows whether the model's answer is right. `axes` has the title of the columns, then
    the title of the rows."""
    cells = _cells(choices, counts)
    ordinal = {"type": "ordinal", "sort": [*choices], "scale": {"paddingInner": 0.04}}
    shown = {"domain": False, "labelAngle": 0, "labelLimit": 90, "labelColor": "var(--text)"}
    position = {
        "x": {"field": "x", **ordinal, "axis": {**shown, "orient": "top", "title": axes[0]}},
        "y": {"field": "y", **ordinal, "axis": {**shown, "title": axes[1]}},
    }
    opacity = {
        "field": "share",
        "type": "quantitative",
        "scale": {"domain": [0, 1], "range": [0, MAX_OPACITY]},
        "legend": None,
    }
    drawn = (
        (
            cells,
            {"type": "rect", "stroke": "var(--line)"},
            {**position, "fill": {"field": "fill", "scale": None}, "fillOpacity": opacity},
        ),
        (
            cells,
            {"type": "text", "fontSize": TEXT + 2, "dy": -8},
            {**position, "text": {"field": "n"}},
        ),
        (cells, {"type": "text", "dy": 9}, {**position, "text": {"field": "percent"}}),
    )
    return {
        "width": WIDTH,
        "height": ROW_HEIGHT * len(choices),
        "autosize": FITTED,
        "layer": layers(drawn),
    }


def _cells(choices: Sequence[str], counts: Sequence[Sequence[int]]) -> list[dict[str, Any]]:
    """The rows of the plot of a confusion matrix: a row for each cell."""
    return [
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


def reliability(variants: Mapping[str, Sequence[Dot]], axes: tuple[str, str]) -> Spec:
    """Draw accuracy by confidence for each variant. The keys of `variants` are keys of KINDS. On
    the dashed line, accuracy equals confidence. `axes` has the title of the horizontal axis, then
    the title of the vertical axis."""
    rows = [
        {
            "x": dot.confidence,
            "y": dot.accuracy,
            "share": dot.share,
            "kind": kind,
            "stroke": KINDS[kind][0],
            "fill": KINDS[kind][1],
        }
        for kind, dots in variants.items()
        for dot in dots
    ]
    position = {
        name: channel(
            name, Axis(title, form=".2~f", ticks=SHARE_TICKS), {"domain": [0, 1]}, labelFlush=True
        )
        for name, title in zip("xy", axes, strict=True)
    }
    tint = {"stroke": {"field": "stroke", "scale": None}, "detail": {"field": "kind"}}
    size = {
        "field": "share",
        "type": "quantitative",
        "scale": {"domain": [0, 1], "range": DOT_AREAS},
        "legend": None,
    }
    dot_encoding = {**position, **tint, "fill": {"field": "fill", "scale": None}, "size": size}
    drawn = (
        ([{"x": 0, "y": 0}, {"x": 1, "y": 1}], {"type": "line", **DASHED}, position),
        (rows, {"type": "line", "strokeWidth": 2}, {**position, **tint}),
        (rows, {"type": "point", "opacity": 1, "strokeWidth": 2}, dot_encoding),
    )
    return {"width": WIDTH, "height": PLOT_HEIGHT, "autosize": FITTED, "layer": layers(drawn)}
