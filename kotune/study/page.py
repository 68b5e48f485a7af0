"""A study's report as a page: sentences, then for each task its learning curves and tables."""

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

STEPS = 40  # places of a fitted curve that are drawn
TICKS = 8  # sizes that find room beside each other
BESIDE = 1.04  # from one arm to the next at the same size, so that no interval hides another


def page(report: StudyReport) -> str:
    """The whole page."""
    drawn = [(figure(words), tables.of_task(words)) for words in report.words.values()]
    return render("study", report=report, say=report.say, tasks=drawn)


def figure(words: Sentences) -> Figure:
    """The learning curves of a task over its lines."""
    found, say, card = words.found, words.say, cards()[words.found.scores.task]
    sizes = sorted({one.rows for one in found.scores.points})
    x = plots.Axis(say("study_axis"), log=True, ticks=sizes if len(sizes) <= TICKS else ())
    down = " ↓" if found.scores.better < 0 else ""
    y = plots.Axis(f"{found.scores.metric}{down}", form=".2~f" if card.is_share else "~g")
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
    """Each arm's points with their intervals, joined where no law is fitted; else the law, dashed,
    as far as it is followed."""
    for place, (arm, places) in enumerate(found.scores.arms.items()):
        beside = BESIDE ** (place - (len(found.scores.arms) - 1) / 2)
        colour, points = plots.colour(place), [_point(found, at, beside) for at in places]
        curve = found.curves[arm]
        if curve.law is None:
            yield plots.Series(arm, points, colour, marked=True)
            continue
        yield from (plots.Series(arm, [point], colour) for point in points)
        first, last = found.scores.sizes(arm)[0], AHEAD * found.scores.sizes(arm)[-1]
        sizes = [first * (last / first) ** (step / STEPS) for step in range(STEPS + 1)]
        law = [
            plots.PlotPoint(size, told.value)
            for size, told in zip(sizes, curve.at(sizes), strict=True)
        ]
        yield plots.Series(arm, law, colour, dashed=True)


def _point(found: Findings, at: int, beside: float) -> plots.PlotPoint:
    told, rows = found.estimate(at), found.scores.points[at].rows
    known = not math.isnan(told.low)
    return plots.PlotPoint(
        rows * beside, told.value, *((told.low, told.high) if known else (None, None))
    )
