"""A run's report as a page: tables, and plots in which each line says what its label says.

The plots are a few lines of SVG that the template writes, not a library's: plotly brings 4 MB of script, matplotlib fixed
colours, fixed widths and text measured in a font that the reader has not. These follow light, dark, paper and 375 px.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from kotune.answers import Confusion
from kotune.efficiency import clock
from kotune.page import render
from kotune.report import Report
from kotune.verdict import amount

NORMAL = 1.96  # standard errors of a 95% interval
TICKS = (0, 0.25, 0.5, 0.75, 1)


class Interval(NamedTuple):
    """A value with its 95% interval, all between 0 and 1."""

    value: float
    low: float
    high: float


class Strip(NamedTuple):
    """One metric of one task between 0 and 1, before and after."""

    label: str
    base: Interval
    tuned: Interval
    chance: float | None


class Curve(NamedTuple):
    """Losses over tokens or seconds, as fractions of the largest of each. `lines`: (name, points)."""

    title: str
    right: str
    top: str
    lines: list[tuple[str, list[tuple[float, float]]]]


def page(report: Report) -> str:
    """The whole of report.html."""
    return render("report", report=report, say=report.say, strips=strips(report), curves=list(curves(report)),
                  heat=heat, ticks=TICKS, amount=amount)  # fmt: skip


def strips(report: Report) -> list[Strip]:
    """Every metric that lies between 0 and 1."""
    found = []
    for task, entry in report.run.scores.items():
        for name, base in entry["base"].items():
            sides = _interval(base), _interval(entry["tuned"][name])
            if sides[0] and sides[1]:
                found.append(Strip(f"{task} {name}", sides[0], sides[1], entry["chance"].get(name)))
    return found


def _interval(score: dict[str, float | None]) -> Interval | None:
    """None for what is undefined or no share."""
    value, half = score["value"], NORMAL * (score["stderr"] or 0.0)
    if value is None or not 0 <= value <= 1:
        return None
    return Interval(value, max(value - half, 0.0), min(value + half, 1.0))


def curves(report: Report) -> Iterator[Curve]:
    """The losses against tokens and against time; none where fewer than two were logged."""
    logs, say = report.logs, report.say
    losses = {key: [event for event in logs if key in event] for key in ("loss", "eval_loss")}
    if len(losses["loss"]) < 2:
        return
    top = max(event[key] for key, events in losses.items() for event in events if math.isfinite(event[key]))
    spent = {id(event): seconds for event, seconds in zip(logs, clock(logs), strict=True)}
    for axis, at in (("tokens_axis", lambda event: event["tokens"]), ("seconds_axis", lambda event: spent[id(event)])):
        right = max(map(at, logs)) or 1
        lines = [(say(key), _points(events, key, at, (right, top))) for key, events in losses.items()]
        yield Curve(say("loss_against", axis=say(axis)), f"{right:,.0f}", f"{top:.2f}", lines)


def _points(
    events: Sequence[dict[str, Any]], key: str, at: Any, most: tuple[float, float]
) -> list[tuple[float, float]]:
    return [(at(event) / most[0], event[key] / most[1]) for event in events if math.isfinite(event[key])]


def heat(found: Confusion, row: int, column: int) -> int:
    """Which percentage of a right answer's items was answered so."""
    return round(100 * found.counts[row][column] / (sum(found.counts[row]) or 1))
