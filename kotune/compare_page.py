"""A comparison as a page to keep: verdicts, the differences with their intervals around 0, all tables."""

from typing import NamedTuple

from kotune import comparison_tables as tables
from kotune import cost_tables
from kotune.compare import Comparison
from kotune.page import TICKS, render
from kotune.phrases import Phrases
from kotune.verdict import Result, outcome


class Span(NamedTuple):
    """A difference and its interval as places between -reach (0) and +reach (1)."""

    label: str
    figures: str
    outcome: str
    value: float
    low: float
    high: float


def page(result: Result, say: Phrases) -> str:
    """The whole page."""
    judged = [one for one in result.found if outcome(one) != "undefined" and one.scale == 100]
    reach = max((abs(end) for one in judged for end in (one.found.ci_low, one.found.ci_high)), default=0.0) or 1.0
    shown = (*tables.criteria(result, say), cost_tables.costs(result, say), *tables.not_the_same(result, say))
    return render(
        "compare", result=result, say=say, tables=shown, ticks=TICKS, reach=f"{100 * reach:.1f}",
        spans=[_span(one, result, reach, say) for one in judged],
    )  # fmt: skip


def _span(one: Comparison, result: Result, reach: float, say: Phrases) -> Span:
    told, numbers = one.found, {run.folder: place for place, run in enumerate(result.runs, 1)}
    places = [(value / reach + 1) / 2 for value in (told.difference, told.ci_low, told.ci_high)]
    label = f"{one.task} {one.metric}: {tables.sides(one, numbers, say)}"
    return Span(label, f"{100 * told.difference:+.1f}", outcome(one), *places)
