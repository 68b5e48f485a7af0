"""A run's report as a page: tables, and plots in which each line says what its label says.

The plots are a few lines of SVG that the template writes, not a library's: plotly brings 4 MB of script, matplotlib fixed
colours, fixed widths and text measured in a font that the reader has not. These follow light, dark, paper and 375 px.
"""

import math
from collections.abc import Iterator
from statistics import NormalDist
from typing import Any, NamedTuple

from kotune.answers import Confusion
from kotune.efficiency import clock
from kotune.page import TICKS, render
from kotune.report import Report
from tasks.card import cards

NORMAL = NormalDist().inv_cdf(0.975)  # standard errors on either side of a 95% interval
LEAST = 1e-6  # a loss of 0 has no logarithm


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
    """Losses over tokens or seconds. `lines`: of training and of validation, points between (0, 0) and (1, 1)."""

    title: str
    right: str
    losses: tuple[str, str]  # the lowest and the highest
    lines: list[list[tuple[float, float]]]


def page(report: Report) -> str:
    """The whole of report.html."""
    return render("report", report=report, say=report.say, strips=strips(report), curves=list(curves(report)),
                  heat=heat, ticks=TICKS)  # fmt: skip


def strips(report: Report) -> list[Strip]:
    """Every metric that lies between 0 and 1."""
    found = []
    for task, entry in report.run.scores.items():
        for name, base in entry["base"].items():
            sides = _interval(base), _interval(entry["tuned"][name])
            if sides[0] and sides[1]:
                mark = " ↓" if name in cards()[task].lower_is_better else ""
                found.append(Strip(f"{task} {name}{mark}", sides[0], sides[1], entry["chance"].get(name)))
    return found


def _interval(score: dict[str, float | None]) -> Interval | None:
    """None for what is undefined or no share."""
    value, half = score["value"], NORMAL * (score["stderr"] or 0.0)
    if value is None or not 0 <= value <= 1:
        return None
    return Interval(value, max(value - half, 0.0), min(value + half, 1.0))


def curves(report: Report) -> Iterator[Curve]:
    """The losses against tokens and against time; none where fewer than two were logged."""
    logs, say = [event for event in report.logs if math.isfinite(_loss(event))], report.say
    if sum("loss" in event for event in logs) < 2:
        return
    low, high = (limit(max(_loss(event), LEAST) for event in logs) for limit in (min, max))
    for axis, places in (("tokens_axis", [event["tokens"] for event in logs]), ("seconds_axis", clock(logs))):
        right = max(places) or 1
        points = [(at / right, _height(_loss(event), low, high)) for at, event in zip(places, logs, strict=True)]
        lines = [
            [point for point, event in zip(points, logs, strict=True) if key in event] for key in ("loss", "eval_loss")
        ]
        yield Curve(say("loss_against", axis=say(axis)), f"{right:,.0f}", (f"{low:.2f}", f"{high:.2f}"), lines)


def _loss(event: dict[str, Any]) -> float:
    return float(event["loss"] if "loss" in event else event["eval_loss"])


def _height(loss: float, low: float, high: float) -> float:
    """Where a loss stands between the lowest and the highest on a logarithmic scale, 0 to 1."""
    return math.log(max(loss, LEAST) / low) / (math.log(high / low) or 1)


def heat(found: Confusion, row: int, column: int) -> int:
    """Which percentage of a right answer's items was answered so."""
    return round(100 * found.counts[row][column] / (sum(found.counts[row]) or 1))
