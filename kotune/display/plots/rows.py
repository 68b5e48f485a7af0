"""Plots of values with their intervals, one below the other. They show differences with a line at
0, or scores before and after tuning with baselines."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from kotune.display.plots.drawing import (
    CLEAR,
    DASHED,
    FITTED,
    KINDS,
    LINE,
    WIDTH,
    Axis,
    Spec,
    channel,
    layers,
    width,
)

ROW, GAP = 16, 10  # pixels: height of an interval, gap below a group
FIGURES = 100  # pixels that are reserved for the figures of a row


class Interval(NamedTuple):
    """A value with its 95% confidence interval. `kind` is a key of KINDS."""

    value: float
    low: float
    high: float
    kind: str


class PlotRow(NamedTuple):
    """Intervals with a label and figures (numbers as text) above them. If the label is empty, the
    figures are beside the group's title."""

    label: str
    figures: str
    intervals: Sequence[Interval]


class Group(NamedTuple):
    """Rows under a title. `references` maps the names of dashed vertical lines to their values."""

    title: str
    rows: Sequence[PlotRow]
    references: Mapping[str, float] = {}


def intervals(
    groups: Sequence[Group], axis: Axis, ends: tuple[float, float], zero: float | None = None
) -> Spec:
    """Draw rows of intervals on one scale from ends[0] to ends[1]. `zero` is the value at which a
    dashed line goes through all rows; None draws no such line."""
    laid = _Layout(groups, ends)
    across = channel("x", axis, {"domain": ends, "nice": False}, domain=False, labelFlush=True)
    down = {
        "field": "y",
        "type": "quantitative",
        "axis": None,
        "scale": {"domain": [laid.height, 0], "nice": False},
    }
    place, until = {"x": across, "y": down}, {"field": "until"}
    tint = {"stroke": {"field": "stroke", "scale": None}}
    full = {**place, **tint, "fill": {"field": "fill", "scale": None}}
    through = [{"x": zero, "y": 0, "until": laid.height}] if zero is not None else []
    text = {"y": down, "text": {"field": "text"}}
    aside = {"align": {"expr": "datum.align"}, "dx": {"expr": "datum.dx"}, "fill": "var(--quiet)"}
    drawn = (
        (laid.marks, {"type": "rule"}, {**place, "x2": until, **tint}),
        ([*laid.lines, *through], {"type": "rule", **DASHED}, {**place, "y2": until}),
        (laid.dots, {"type": "point", "size": 70, "opacity": 1, "strokeWidth": 2}, full),
        (laid.names, {**CLEAR, **aside}, {**text, "x": across}),
        (
            laid.labels,
            {**CLEAR, "align": "left", "limit": WIDTH - FIGURES},
            {**text, "x": {"value": 0}},
        ),
        (
            laid.titles,
            {**CLEAR, "align": "left", "fontWeight": "bold", "limit": WIDTH},
            {**text, "x": {"value": 0}},
        ),
        (laid.figures, {**CLEAR, "align": "right"}, {**text, "x": {"value": "width"}}),
    )
    return {"width": WIDTH, "height": laid.height, "autosize": FITTED, "layer": layers(drawn)}


class _Layout:
    """Computes the vertical position of every title, label, interval and reference, in pixels from
    the top. Reference names that would overlap are placed on separate lines."""

    def __init__(self, groups: Sequence[Group], ends: tuple[float, float]) -> None:
        self.ends, self.height = ends, 0.0
        self.titles: list[Spec] = []
        self.labels: list[Spec] = []
        self.figures: list[Spec] = []
        self.marks: list[Spec] = []
        self.dots: list[Spec] = []
        self.lines: list[Spec] = []
        self.names: list[Spec] = []
        for group in groups:
            y = self._down(LINE + 3)
            self.titles.append({"y": y, "text": group.title})
            top = self.height
            for row in group.rows:
                self._row(row, y if width(f"{group.title}  {row.figures}") < WIDTH else None)
            self._references(group.references, top)
            self.height += GAP

    def _row(self, row: PlotRow, beside: float | None) -> None:
        """Place a row. `beside` is the position of the group's title, or None if the figures do not
        fit beside the title."""
        y = beside if beside is not None and not row.label else self._down(LINE + 3)
        self.labels += [{"y": y, "text": row.label}] if row.label else []
        self.figures.append({"y": y, "text": row.figures})
        for interval in row.intervals:
            stroke, fill = KINDS[interval.kind]
            mark = {"y": self._down(ROW), "stroke": stroke, "fill": fill}
            self.marks.append({**mark, "x": interval.low, "until": interval.high})
            self.dots.append({**mark, "x": interval.value})

    def _down(self, pixels: float) -> float:
        """Add `pixels` to the height. Returns the middle of the added part."""
        self.height += pixels
        return self.height - pixels / 2

    def _references(self, references: Mapping[str, float], top: float) -> None:
        """Place a group's reference lines, which begin at `top`, and their names below the group.
        A name is to the right of its line in the left half of the plot, else to the left."""
        lanes: list[list[tuple[float, float]]] = []  # the occupied ranges of each line of text
        bottom = self.height
        for name, value in sorted(references.items(), key=lambda item: item[1]):
            x = WIDTH * (value - self.ends[0]) / (self.ends[1] - self.ends[0])
            wide, is_left = width(name) + 4, x < WIDTH / 2
            taken = (x, x + wide) if is_left else (x - wide, x)
            lane = next((i for i, used in enumerate(lanes) if _is_free(used, taken)), len(lanes))
            lanes += [[]] if lane == len(lanes) else []
            lanes[lane].append(taken)
            y = bottom + LINE * (lane + 0.5)
            side = {"align": "left", "dx": 4} if is_left else {"align": "right", "dx": -4}
            self.names.append({"x": value, "y": y, "text": name, **side})
            self.lines.append({"x": value, "y": top, "until": y + LINE / 2})
        self.height += LINE * len(lanes)


def _is_free(used: Sequence[tuple[float, float]], new: tuple[float, float]) -> bool:
    """Whether a range (left, right) overlaps none of the used ranges."""
    return all(right <= new[0] or new[1] <= left for left, right in used)
