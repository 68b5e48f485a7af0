"""A report as a page: tables, and plots in which each line says what its label says.

The plots are a few lines of SVG that the template writes, not a library's: plotly brings 4 MB of script, matplotlib fixed
colours, fixed widths and text that is no text. These follow light, dark, paper and 375 px.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from statistics import NormalDist
from typing import NamedTuple

from kotune import comparison_tables
from kotune.answers import Confusion
from kotune.calibration import Bin
from kotune.compare import Comparison
from kotune.efficiency import LOSSES, Event
from kotune.page import TICKS, render
from kotune.report import Report
from kotune.verdict import outcome
from tasks.card import cards

NORMAL = NormalDist().inv_cdf(0.975)  # standard errors on either side of a 95% interval
LEAST = 1e-6  # a loss of 0 has no logarithm
DOT = (1.5, 4.5)  # radii of the dots of few items and of all, in hundredths of the plot


class Interval(NamedTuple):
    """A value with its 95% interval, all between 0 and 1."""

    value: float
    low: float
    high: float


class Strip(NamedTuple):
    """One metric of one task between 0 and 1, before and after. `references`: values to stand beside, by their names."""

    label: str
    base: Interval
    tuned: Interval
    references: Mapping[str, float]


class Span(NamedTuple):
    """A difference and its interval as places between -reach (0) and +reach (1)."""

    label: str
    figures: str
    outcome: str
    value: float
    low: float
    high: float


class Line(NamedTuple):
    """One loss of one run. `points` lie between (0, 0) and (1, 1)."""

    run: int
    key: str
    points: list[tuple[float, float]]


class Curve(NamedTuple):
    """Losses over tokens or seconds, those of all runs in one plot."""

    title: str
    right: str
    losses: tuple[str, str]  # the lowest and the highest
    lines: list[Line]


class Dot(NamedTuple):
    """A bin of a calibration plot, 100 wide and high; `said` is it in words."""

    x: float
    y: float
    radius: float
    said: str


def page(report: Report) -> str:
    """The whole page."""
    judged = [one for one in report.result.found if outcome(one) not in ("undefined", "void") and one.scale == 100]
    reach = max((abs(end) for one in judged for end in (one.found.ci_low, one.found.ci_high)), default=0.0) or 1.0
    return render(
        "report", report=report, say=report.say, ticks=TICKS, heat=heat, dots=dots, reach=f"{100 * reach:.1f}", zip=zip,
        spans=[_span(one, reach, report) for one in judged], strips=list(strips(report)), curves=list(curves(report)),
    )  # fmt: skip


def strips(report: Report) -> Iterator[Strip]:
    """The judged metric of each task and those that have a value to stand beside, where they lie between 0 and 1."""
    for run in report.result.runs:
        for task, entry in run.scores.items():
            card = cards()[task]
            for name in [name for name in entry["base"] if name == card.primary or name in entry["chance"]]:
                sides = [_interval(entry[variant][name]) for variant in ("base", "tuned")]
                if sides[0] and sides[1]:
                    label = f"{report.whose(run)}{task} {name}{' ↓' if name in card.lower_is_better else ''}"
                    references = {report.say("chance"): entry["chance"][name]} if name in entry["chance"] else {}
                    yield Strip(label, sides[0], sides[1], references)


def _interval(score: dict[str, float | None]) -> Interval | None:
    """None for what is undefined or no share."""
    if score["value"] is None or not 0 <= score["value"] <= 1:
        return None
    value, half = score["value"], NORMAL * (score["stderr"] or 0.0)
    return Interval(value, max(value - half, 0.0), min(value + half, 1.0))


def _span(one: Comparison, reach: float, report: Report) -> Span:
    told = one.found
    places = [(value / reach + 1) / 2 for value in (told.difference, told.ci_low, told.ci_high)]
    label = f"{one.task} {one.metric}: {comparison_tables.sides(one, report.numbers, report.say)}"
    return Span(label, f"{100 * told.difference:+.1f}", outcome(one), *places)


def curves(report: Report) -> Iterator[Curve]:
    """The losses against tokens and against time; none where no run logged two."""
    every, say = [event for losses in report.losses for event in losses], report.say
    if not any(sum("loss" in event for event in losses) > 1 for losses in report.losses):
        return
    low, high = (limit(max(_loss(event), LEAST) for event in every) for limit in (min, max))
    for axis in ("tokens", "seconds"):
        right = max(event[axis] for event in every) or 1
        lines = [
            Line(place, key, [(e[axis] / right, _height(e[key], low, high)) for e in losses if key in e])
            for place, losses in enumerate(report.losses, 1)
            for key in LOSSES
        ]
        title = say("loss_against", axis=say(f"{axis}_axis"))
        yield Curve(title, f"{right:,.0f}", (f"{low:.2f}", f"{high:.2f}"), [line for line in lines if line.points])


def _loss(event: Event) -> float:
    return float(event["loss"] if "loss" in event else event["eval_loss"])


def _height(loss: float, low: float, high: float) -> float:
    """Where a loss stands between the lowest and the highest on a logarithmic scale, 0 to 1."""
    return math.log(max(loss, LEAST) / low) / (math.log(high / low) or 1)


def heat(found: Confusion, row: int, column: int) -> int:
    """Which percentage of a right answer's items was answered so."""
    return round(100 * found.counts[row][column] / (sum(found.counts[row]) or 1))


def dots(bins: Sequence[Bin]) -> list[Dot]:
    """Where each bin lies in a calibration plot, larger the more items it holds."""
    whole, (least, most) = sum(one.n for one in bins), DOT
    return [
        Dot(
            100 * one.confidence, 100 - 100 * one.right, least + (most - least) * math.sqrt(one.n / whole),
            f"{one.confidence:.2f} → {one.right:.2f} (n = {one.n:,})",
        )
        for one in bins
    ]  # fmt: skip
