"""A study's report as an HTML page: sentences, then the learning curves and tables of each task."""

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

STEPS = 40  # segments of a drawn curve
TICKS = 8  # sizes that fit on the axis
BESIDE = 1.04  # horizontal shift between arms, so their intervals do not overlap


def page(report: StudyReport) -> str:
    """The whole page."""
    drawn = [(figure(words), tables.of_task(words)) for words in report.words.values()]
    return render("study", report=report, say=report.say, tasks=drawn)


def figure(words: Sentences) -> Figure:
    """The learning curves of a task, with its baselines."""
    found, say, card = words.findings, words.say, cards()[words.findings.scores.task]
    sizes = sorted({one.rows for one in found.scores.points})
    x = plots.Axis(say("study_axis"), log=True, ticks=sizes if len(sizes) <= TICKS else ())
    down = " ↓" if found.scores.better < 0 else ""
    y = plots.Axis(f"{found.scores.metric}{down}", form=".2~f" if card.scale == 100 else "~g")
    said = "; ".join(
        f"{one.arm}, {one.rows:,}: {found.estimate(at).value:.3f}"
        for at, one in enumerate(found.scores.points)
    )
    held = tables.lines(found, say)
    spec = plots.lines(
        list(series(found)), x, y, {f"{value:.3f}": value for value in held.values()}
    )
    across = say("study_dashed", lines=tables.in_words(held)) if held else ""
    return Figure(
        f"{say('study_axis')}, {found.scores.task} {found.scores.metric}. {across}",
        plots.svg(spec, said),
    )


def series(found: Findings) -> Iterator[plots.Series]:
    """The points of each arm with their intervals, and the fitted law as a dashed curve up to AHEAD
    times the largest size. Without a law, the points are joined."""
    for number, (arm, indices) in enumerate(found.scores.arms.items()):
        beside = BESIDE ** (number - (len(found.scores.arms) - 1) / 2)
        colour, points = plots.colour(number), [_point(found, index, beside) for index in indices]
        curve = found.curves[arm]
        if curve.law is None:
            yield plots.Series(arm, points, colour, marked=True)
            continue
        yield from (plots.Series(arm, [point], colour) for point in points)
        first, last = found.scores.sizes(arm)[0], AHEAD * found.scores.sizes(arm)[-1]
        sizes = [first * (last / first) ** (step / STEPS) for step in range(STEPS + 1)]
        law = [
            plots.PlotPoint(size, estimate.value)
            for size, estimate in zip(sizes, curve.at(sizes), strict=True)
        ]
        yield plots.Series(arm, law, colour, dashed=True)


def _point(found: Findings, index: int, beside: float) -> plots.PlotPoint:
    estimate, rows = found.estimate(index), found.scores.points[index].rows
    is_known = not math.isnan(estimate.low)
    ends = (estimate.low, estimate.high) if is_known else (None, None)
    return plots.PlotPoint(rows * beside, estimate.value, *ends)
