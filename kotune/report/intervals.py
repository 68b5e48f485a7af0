"""The values that a report plots with their 95% confidence intervals: scores before and after
tuning beside baselines, and differences."""

import math
from collections.abc import Iterable, Iterator, Sequence
from statistics import NormalDist, fmean, variance
from typing import NamedTuple

from kotune.compare.comparison import Comparison
from kotune.compare.seeds import ENOUGH, Part, interval
from kotune.compare.shares import is_share
from kotune.compare.verdict import claim, outcome
from kotune.display.figures import change, level
from kotune.display.phrases import Phrases
from kotune.display.plots import SHARES, Group, Interval, Panel, PlotRow, differences
from kotune.report import comparison_tables
from kotune.report.report import Report
from kotune.runs.finished import Finished
from kotune.runs.records import UNDEFINED, TaskScores
from kotune_tasks.card import cards

# Half the width of a 95% confidence interval, in standard errors.
NORMAL = NormalDist().inv_cdf(0.975)
PICTURED = 2  # the minimum number of tasks in the picture of the first screen


def picture(report: Report, order: Sequence[str]) -> list[Panel]:
    """The plots of the first screen: each model's primary metric before and after tuning. `order`:
    the names of the models.

    There is a plot for the first task of each criterion whose primary metric is a share, or for
    PICTURED tasks if there are fewer criteria. Baselines are chance, the highest value of the
    baselines that a run computes, and the highest published figure."""
    rows: dict[str, list[PlotRow]] = {}
    lines: dict[str, dict[str, float]] = {}
    names = report.result.models
    for comparison in report.result.comparisons:
        if not (comparison.is_primary and comparison.is_tuning):
            continue
        base, tuned = (_mean(comparison, variant) for variant in ("base", "tuned"))
        if base and tuned:
            name = names[comparison.b.run.folder]
            row = PlotRow(name, _values([base, tuned]), [base, tuned])
            rows.setdefault(comparison.task, []).append(row)
            highest = lines.setdefault(comparison.task, {})
            for baseline in _strongest(comparison, report.phrases):
                highest[baseline.name] = max(baseline.value, highest.get(baseline.name, 0.0))
    return [
        Panel(
            _title(task, report),
            [Group("", sorted(rows[task], key=lambda row: order.index(row.label)), lines[task])],
            SHARES,
        )
        for task in _pictured(rows)
    ]


def _pictured(tasks: Iterable[str]) -> list[str]:
    """The first task of each criterion, or PICTURED tasks if there are fewer criteria, in the order
    of their criteria."""
    place: dict[str, tuple[int, int]] = {}
    for task in tasks:
        criterion = cards()[task].criterion_order
        place[task] = (sum(other == criterion for _, other in place.values()), criterion)
    firsts = sum(earlier == 0 for earlier, _ in place.values())
    chosen = sorted(place, key=lambda task: place[task])[: max(firsts, PICTURED)]
    return sorted(chosen, key=lambda task: place[task][::-1])


def _title(task: str, report: Report) -> str:
    return f"{_criterion(task, report)}: {task}, {cards()[task].primary}"


def _criterion(task: str, report: Report) -> str:
    return report.phrases.word("criteria", cards()[task].criterion)


def _mean(comparison: Comparison, variant: str) -> Interval | None:
    """A model's mean over its seeds, before or after tuning. Its interval includes the variation of
    seeds if there are ENOUGH of them. None if a seed has no value between 0 and 1.

    The variance that comes from items is the mean of the seeds' variances. That is at least the
    variance of the mean, because the seeds answer the same items."""
    task, metric = comparison.task, comparison.metric
    scores = [run.scores[task].variant(variant).get(metric, UNDEFINED) for run in comparison.b.runs]
    values = [score.value for score in scores if score.value is not None and 0 <= score.value <= 1]
    if len(values) < len(scores):
        return None
    items = fmean((score.stderr or 0.0) ** 2 for score in scores)
    parts = [Part(items, max(comparison.paired.groups - 1, 1))]
    differ = len(set(values)) > 1
    if differ and len(values) >= ENOUGH:
        parts.append(Part(variance(values) / len(values), len(values) - 1))
    mean = fmean(values)
    tested = interval(mean, parts)
    low, high = (mean, mean) if math.isnan(tested.low) else (tested.low, tested.high)
    return Interval(mean, max(low, 0.0), min(high, 1.0), variant, values if differ else ())


class Baseline(NamedTuple):
    """A baseline's name on the page, and its value."""

    name: str
    value: float


def _strongest(comparison: Comparison, phrases: Phrases) -> Iterator[Baseline]:
    """Chance, and the baseline with the highest value of those that the runs computed, and of the
    published figures."""
    task, metric = comparison.task, comparison.metric
    for run in comparison.b.runs:
        for found in _baselines(run.scores[task], task, metric, phrases):
            if found:
                yield max(found, key=lambda baseline: baseline.value)


def spans(report: Report) -> list[Panel]:
    """The difference plots, one for each criterion, on a common scale. A row is the difference of a
    primary metric in percentage points, with its 95% confidence interval.

    Metrics that are not shares are left out, and so are differences without an interval.
    Differences that are not significant are included."""
    titled: dict[str, dict[str, list[PlotRow]]] = {}
    for comparison in report.result.comparisons:
        if comparison.is_share and outcome(comparison) not in ("undefined", "void", "alike"):
            rows = titled.setdefault(_criterion(comparison.task, report), {})
            title = f"{comparison.task} {comparison.metric}"
            rows.setdefault(title, []).append(_span(comparison, report))
    ends = [
        end
        for rows in titled.values()
        for row in (row for of_title in rows.values() for row in of_title)
        for end in (row.intervals[0].low, row.intervals[0].high)
    ]
    scale = differences(ends)
    return [
        Panel(name, [Group(title, of_title) for title, of_title in rows.items()], scale)
        for name, rows in titled.items()
    ]


def _span(comparison: Comparison, report: Report) -> PlotRow:
    """The row of a comparison in a difference plot."""
    paired = comparison.paired
    value, low, high = (100 * end for end in (paired.difference, paired.ci_low, paired.ci_high))
    label = comparison_tables.sides(comparison, report.numbers, report.phrases)
    by = change(paired.difference, True, report.phrases)
    return PlotRow(label, by, [Interval(value, low, high, _mark(comparison))])


def _mark(comparison: Comparison) -> str:
    """The kind of the interval, which selects the colour. Differences that are not claimed, or are
    claimed only of adapters, get the kind `same` and no colour."""
    claimed = claim(comparison)
    return claimed if claimed in ("better", "worse") else "same"


def strips(report: Report) -> list[Panel]:
    """The score plots, one for each task. A row is a run's value of a metric before and after
    tuning. Only shares are plotted: the primary metric, and metrics with a chance value.

    A run is left out of a metric's rows unless both values are between 0 and 1."""
    runs, groups_of = report.result.runs, dict[str, list[Group]]()
    for task, name in dict.fromkeys(
        (each, name) for run in runs for each in run.scores for name in _plotted(run, each)
    ):
        scored = [
            (run, sides)
            for run in runs
            if task in run.scores and len(sides := _sides(run.scores[task], name)) == 2
        ]
        title = f"{name}{' ↓' if name in cards()[task].lower_is_better else ''}"
        rows = [PlotRow(run_label(run, report), _values(sides), sides) for run, sides in scored]
        baselines = _references([run for run, _ in scored], task, name, report)
        groups_of.setdefault(task, []).extend([Group(title, rows, baselines)] if rows else [])
    return [
        Panel(f"{_criterion(task, report)}: {task}", groups, SHARES)
        for task, groups in groups_of.items()
        if groups
    ]


def _plotted(run: Finished, task: str) -> list[str]:
    """The names of a task's metrics that are plotted for a run."""
    entry, primary = run.scores[task], cards()[task].primary
    compared = [name for name in entry.base if name == primary or name in entry.chance]
    return [name for name in compared if is_share(task, name)]


def _sides(entry: TaskScores, name: str) -> list[Interval]:
    """The values of the metric `name` for base and tuned, with their 95% confidence intervals. A
    value that is undefined or not between 0 and 1 is left out."""
    intervals = []
    for kind in ("base", "tuned"):
        score = entry.variant(kind).get(name, UNDEFINED)
        if score.value is not None and 0 <= score.value <= 1:
            value, half = score.value, NORMAL * (score.stderr or 0.0)
            intervals.append(Interval(value, max(value - half, 0.0), min(value + half, 1.0), kind))
    return intervals


def run_label(run: Finished, report: Report) -> str:
    """The number and the name of a run."""
    return f"{report.prefix(run)}{report.name(run)}"


def _values(sides: Sequence[Interval]) -> str:
    """The values of base and tuned as text, for example `50.0% → 71.2%`."""
    return " → ".join(level(side.value, True) for side in sides)


def _references(
    runs: Sequence[Finished], task: str, metric: str, report: Report
) -> dict[str, float]:
    """The values of a metric's baselines, by name. Values that are not between 0 and 1 are left
    out.

    If a baseline does not have the same value in all runs, each value has its own entry. The name
    of this entry ends with the numbers of its runs."""
    runs_of: dict[Baseline, list[str]] = {}
    for run in runs:
        for kind in _baselines(run.scores[task], task, metric, report.phrases):
            for baseline in kind:
                runs_of.setdefault(baseline, []).append(f"{report.numbers[run.folder]}")
    values = {}
    for baseline, numbers in runs_of.items():
        suffix = "" if len(numbers) == len(runs) else f" ({', '.join(numbers)})"
        values[f"{baseline.name}{suffix}"] = baseline.value
    return values


def _baselines(
    entry: TaskScores, task: str, metric: str, phrases: Phrases
) -> Iterator[list[Baseline]]:
    """The baselines of a metric: chance, the run's own baselines, and published figures. For a
    metric that is not primary, there is only chance. Values that are not between 0 and 1 are left
    out."""
    chance, own, published = {}, {}, {}
    if metric in entry.chance:
        chance[phrases("chance")] = entry.chance[metric]
    if metric == cards()[task].primary:
        for name, scores in entry.references.lines.items():
            own[phrases.word("lines", name)] = scores[metric].value
        for figure in entry.published:
            if figure.metric == metric:
                published[phrases.word("lines", figure.name)] = figure.value
    for kind in (chance, own, published):
        yield [
            Baseline(name, value)
            for name, value in kind.items()
            if value is not None and 0 <= value <= 1
        ]
