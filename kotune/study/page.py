"""Renders the report of a study as an HTML page. The page has sentences, then the learning curves
and tables of each task."""

import math
from collections.abc import Iterator

from kotune.display import plots
from kotune.display.page import render
from kotune.report.page import Figure
from kotune.study import tables
from kotune.study.curves import AHEAD
from kotune.study.findings import Findings
from kotune.study.report import StudyReport
from kotune.study.sentences import Sentences
from kotune_tasks.card import cards

STEPS = 40  # the number of segments of a drawn curve
TICKS = 8  # the maximum number of sizes that are marked on the axis
BESIDE = 1.04  # the factor by which arms are shifted, so that their intervals do not overlap


def page(report: StudyReport) -> str:
    """The complete HTML page."""
    drawn = [(figure(words), tables.of_task(words)) for words in report.words.values()]
    return render("study", report=report, phrases=report.say, tasks=drawn)


def figure(words: Sentences) -> Figure:
    """A plot of the learning curves of a task, with its baselines as horizontal lines."""
    findings, say, card = words.findings, words.say, cards()[words.findings.scores.task]
    sizes = sorted({point.rows for point in findings.scores.points})
    x = plots.Axis(say("study_axis"), log=True, ticks=sizes if len(sizes) <= TICKS else ())
    down = " ↓" if findings.scores.better < 0 else ""
    y = plots.Axis(f"{findings.scores.metric}{down}", form=".0%" if card.is_share else "~g")
    description = "; ".join(
        f"{point.arm}, {point.rows:,}: {words.level(findings.estimate(index).value)}"
        for index, point in enumerate(findings.scores.points)
    )
    baselines = tables.named_baselines(findings, say)
    spec = plots.lines(
        list(series(findings)), x, y, {words.level(value): value for value in baselines.values()}
    )
    across = say("study_dashed", lines=tables.in_words(baselines, words)) if baselines else ""
    return Figure(
        f"{say('study_axis')}, {findings.scores.task} {findings.scores.metric}. {across}",
        plots.svg(spec, description),
    )


def series(findings: Findings) -> Iterator[plots.Series]:
    """The points of each arm with their intervals, as series of a plot.

    A fitted law is drawn as a dashed curve up to AHEAD times the largest size. If an arm has no
    law, its points are joined by lines."""
    for number, (arm, indices) in enumerate(findings.scores.arms.items()):
        beside = BESIDE ** (number - (len(findings.scores.arms) - 1) / 2)
        colour = plots.colour(number)
        points = [_point(findings, index, beside) for index in indices]
        curve = findings.curves[arm]
        if curve.law is None:
            yield plots.Series(arm, points, colour, marked=True)
            continue
        yield from (plots.Series(arm, [point], colour) for point in points)
        first, last = findings.scores.sizes(arm)[0], AHEAD * findings.scores.sizes(arm)[-1]
        sizes = [first * (last / first) ** (step / STEPS) for step in range(STEPS + 1)]
        law = [
            plots.PlotPoint(size, estimate.value)
            for size, estimate in zip(sizes, curve.at(sizes), strict=True)
        ]
        yield plots.Series(arm, law, colour, dashed=True)


def _point(findings: Findings, index: int, beside: float) -> plots.PlotPoint:
    """A point with its interval, if that is known. `beside`: the factor by which the point is
    shifted to the right."""
    estimate, rows = findings.estimate(index), findings.scores.points[index].rows
    is_known = not math.isnan(estimate.low)
    ends = (estimate.low, estimate.high) if is_known else (None, None)
    return plots.PlotPoint(rows * beside, estimate.value, *ends)
