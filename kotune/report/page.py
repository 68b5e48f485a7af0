"""A report as an HTML page of tables and plots. Each plot also has its numbers as text."""

from collections.abc import Iterator, Sequence
from statistics import NormalDist
from typing import Literal, NamedTuple

from kotune.compare.answers import Confusion
from kotune.compare.calibration import Bin, Calibration
from kotune.compare.comparison import Comparison
from kotune.compare.efficiency import LOSSES, Kind, Loss
from kotune.compare.verdict import claim, outcome
from kotune.display import plots
from kotune.display.page import render
from kotune.display.phrases import Phrases
from kotune.report import comparison_tables
from kotune.report.report import Report
from kotune.report.sentences import notes, verdicts
from kotune.runs.finished import Finished
from kotune.runs.records import UNDEFINED, TaskScores
from kotune_tasks.card import cards

# Half the width of a 95% confidence interval, in standard errors.
NORMAL = NormalDist().inv_cdf(0.975)
LEAST = 1e-6  # smaller losses are plotted at this value, because 0 has no logarithm
MARGIN = 0.04  # the empty margin on each side of a plot, as a share of the plotted range
NAMED = 6  # if there are more runs, a legend shows their numbers instead of their names

LossAxis = Literal["tokens", "seconds"]
LOSS_AXES: tuple[LossAxis, ...] = ("tokens", "seconds")
Groups = dict[str, list[plots.Group]]  # by the criterion or task that a plot shows


class Figure(NamedTuple):
    """A plot as an SVG element, with its title."""

    title: str
    svg: str


def page(report: Report) -> str:
    """The complete HTML page."""
    return render(
        "report",
        report=report,
        phrases=report.phrases,
        claims=verdicts(report.result, report.phrases),
        claim_notes=notes(report.result, report.phrases),
        spans=[*_drawn_spans(report)],
        strips=[*_drawn_strips(report)],
        curves=[*_drawn_curves(report)],
        confusions=lambda changes: [_drawn_confusion(report, each) for each in changes.confusions],
        calibrations=[_drawn_calibration(report, each) for each in report.calibrations],
    )


def spans(report: Report) -> Groups:
    """The rows of the difference plots, by criterion. A row is the difference of a primary metric
    in percentage points, with its 95% confidence interval.

    Metrics that are not shares are left out, and so are differences without an interval.
    Differences that are not significant are included."""
    rows: dict[str, dict[str, list[plots.PlotRow]]] = {}
    for comparison in report.result.comparisons:
        if comparison.is_share and outcome(comparison) not in ("undefined", "void", "alike"):
            titled = rows.setdefault(_criterion(comparison.task, report), {})
            titled.setdefault(f"{comparison.task} {comparison.metric}", []).append(
                _span(comparison, report)
            )
    return {
        name: [plots.Group(title, rows_of_title) for title, rows_of_title in titled.items()]
        for name, titled in rows.items()
    }


def _criterion(task: str, report: Report) -> str:
    return report.phrases.word("criteria", cards()[task].criterion)


def _span(comparison: Comparison, report: Report) -> plots.PlotRow:
    """The row of a comparison in a difference plot."""
    value, low, high = (
        100 * end
        for end in (
            comparison.paired.difference,
            comparison.paired.ci_low,
            comparison.paired.ci_high,
        )
    )
    label = (
        comparison_tables.sides(comparison, report.numbers, report.phrases)
        if report.has_several
        else ""
    )
    return plots.PlotRow(
        label, f"{value:+.1f}", [plots.Interval(value, low, high, _mark(comparison))]
    )


def _mark(comparison: Comparison) -> str:
    """The kind of the interval, which selects the colour. Differences that are not claimed, or are
    claimed only of adapters, get the kind `same` and no colour."""
    claimed = claim(comparison)
    return claimed if claimed in ("better", "worse") else "same"


def _drawn_spans(report: Report) -> Iterator[Figure]:
    """The difference plot of each criterion. All plots have the same scale."""
    plotted = spans(report)
    rows = [row for groups in plotted.values() for group in groups for row in group.rows]
    ends = [
        0.0,
        *(
            end
            for row in rows
            for interval in row.intervals
            for end in (interval.low, interval.high)
        ),
    ]
    low, high = min(ends), max(ends)
    margin = MARGIN * (high - low or 1)
    axis = plots.Axis(report.phrases("points_axis"), form="+~f")
    for criterion, groups in plotted.items():
        yield _drawn(
            criterion, groups, plots.intervals(groups, axis, (low - margin, high + margin), zero=0)
        )


def strips(report: Report) -> Groups:
    """The rows of the score plots, by task. A row is a run's value of a metric before and after
    tuning. Only the primary metric and metrics with a chance value are plotted.

    A run is left out of a metric's rows unless both values are between 0 and 1."""
    runs, groups_of = report.result.runs, dict[str, list[plots.Group]]()
    for task, name in dict.fromkeys(
        (each, name) for run in runs for each in run.scores for name in _plotted(run, each)
    ):
        scored = [
            (run, sides)
            for run in runs
            if task in run.scores and len(sides := _sides(run.scores[task], name)) == 2
        ]
        title = f"{name}{' ↓' if name in cards()[task].lower_is_better else ''}"
        rows = [plots.PlotRow(_label(run, report), _values(sides), sides) for run, sides in scored]
        baselines = _references([run for run, _ in scored], task, name, report)
        groups_of.setdefault(task, []).extend([plots.Group(title, rows, baselines)] if rows else [])
    return {task: groups for task, groups in groups_of.items() if groups}


def _plotted(run: Finished, task: str) -> list[str]:
    """The names of a task's metrics that are plotted for a run."""
    entry, primary = run.scores[task], cards()[task].primary
    return [name for name in entry.base if name == primary or name in entry.chance]


def _sides(entry: TaskScores, name: str) -> list[plots.Interval]:
    """The values of the metric `name` for base and tuned, with their 95% confidence intervals. A
    value that is undefined or not between 0 and 1 is left out."""
    intervals = []
    for kind in ("base", "tuned"):
        score = entry.variant(kind).get(name, UNDEFINED)
        if score.value is not None and 0 <= score.value <= 1:
            value, half = score.value, NORMAL * (score.stderr or 0.0)
            intervals.append(
                plots.Interval(value, max(value - half, 0.0), min(value + half, 1.0), kind)
            )
    return intervals


def _label(run: Finished, report: Report) -> str:
    """The number and the name of a run. Empty if there is a single run."""
    return f"{report.prefix(run)}{report.name(run)}" if report.has_several else ""


def _values(sides: Sequence[plots.Interval]) -> str:
    """The values of base and tuned as text, for example `0.500 → 0.712`."""
    return " → ".join(f"{side.value:.3f}" for side in sides)


def _references(
    runs: Sequence[Finished], task: str, metric: str, report: Report
) -> dict[str, float]:
    """The values of a metric's baselines, by name. Values that are not between 0 and 1 are left
    out.

    If a baseline does not have the same value in all runs, each value has its own entry. The name
    of this entry ends with the numbers of its runs."""
    runs_of: dict[Baseline, list[str]] = {}
    for run in runs:
        for baseline in _baselines(run.scores[task], task, metric, report.phrases):
            runs_of.setdefault(baseline, []).append(f"{report.numbers[run.folder]}")
    values = {}
    for baseline, numbers in runs_of.items():
        suffix = "" if len(numbers) == len(runs) else f" ({', '.join(numbers)})"
        if 0 <= baseline.value <= 1:
            values[f"{baseline.name}{suffix}"] = baseline.value
    return values


class Baseline(NamedTuple):
    """A baseline's name on the page, and its value."""

    name: str
    value: float


def _baselines(entry: TaskScores, task: str, metric: str, phrases: Phrases) -> Iterator[Baseline]:
    """The baselines of a metric. For the primary metric they are chance, the run's own baselines
    and published figures. For other metrics, there is only chance."""
    if metric in entry.chance:
        yield Baseline(phrases("chance"), entry.chance[metric])
    if metric == cards()[task].primary:
        for name, scores in entry.references.lines.items():
            if (value := scores[metric].value) is not None:
                yield Baseline(phrases.word("lines", name), value)
        for figure in entry.published:
            if figure.metric == metric:
                yield Baseline(phrases.word("lines", figure.name), figure.value)


def _drawn_strips(report: Report) -> Iterator[Figure]:
    """The score plot of each task. All plots have a scale from 0 to 1."""
    axis = plots.Axis("", form=".2~f", ticks=plots.SHARES)
    for task, groups in strips(report).items():
        yield _drawn(
            f"{_criterion(task, report)}: {task}", groups, plots.intervals(groups, axis, (0, 1))
        )


def _drawn(title: str, groups: Sequence[plots.Group], spec: plots.Spec) -> Figure:
    """A plot of groups of rows, with the numbers of the rows as its text."""
    rows = [
        (" ".join(filter(None, (group.title, row.label))), row.figures)
        for group in groups
        for row in group.rows
    ]
    return Figure(
        title, plots.svg(spec, "; ".join(f"{label}: {figures}" for label, figures in rows))
    )


def curves(report: Report, axis: LossAxis) -> list[plots.Series]:
    """The training and validation loss curves of all runs over `tokens` or `seconds`. Empty if
    every run logged fewer than two training losses."""
    if not any(sum(loss.kind == "loss" for loss in losses) > 1 for losses in report.losses):
        return []
    names = _legend(report)
    every = [
        plots.Series(names[i], _points(losses, axis, kind), plots.colour(i), dashed=kind != "loss")
        for i, losses in enumerate(report.losses)
        for kind in LOSSES
    ]
    return [series for series in every if series.points]


def _points(losses: Sequence[Loss], axis: LossAxis, kind: Kind) -> list[plots.PlotPoint]:
    """The points of the curve of one kind of loss."""
    return [
        plots.PlotPoint(getattr(loss, axis), max(loss.value, LEAST))
        for loss in losses
        if loss.kind == kind
    ]


def _legend(report: Report) -> list[str]:
    """The name of each run in the legend of the loss curves. It is empty for a single run."""
    runs = report.result.runs
    if len(runs) > NAMED:
        return [f"{report.numbers[run.folder]}" for run in runs]
    return [_label(run, report) for run in runs]


def _drawn_curves(report: Report) -> Iterator[Figure]:
    """A plot of the loss curves over tokens, and one over seconds."""
    text = " ".join(f"{report.prefix(run)}{report.loss_summary(run)}" for run in report.result.runs)
    for axis in LOSS_AXES:
        if series := curves(report, axis):
            title = report.phrases("loss_against", axis=report.phrases(f"{axis}_axis"))
            yield Figure(
                title,
                plots.svg(
                    plots.lines(series, plots.Axis(""), plots.Axis("", log=True, form="~g")),
                    f"{title}. {text}",
                ),
            )


def _drawn_confusion(report: Report, confusion: Confusion) -> Figure:
    """The plot of a confusion matrix."""
    table, phrases = report.confusion(confusion), report.phrases
    text = "; ".join(f"{name}: {', '.join(counts)}" for name, *counts in table.rows)
    spec = plots.confusion(
        confusion.choices, confusion.counts, (phrases("given_answer"), phrases("right_answer"))
    )
    return Figure(
        table.title, plots.svg(spec, f"{table.title}. {', '.join(table.head[1:])}. {text}")
    )


def _drawn_calibration(report: Report, calibration: Calibration) -> Figure:
    """The plot of accuracy by confidence, before and after tuning."""
    title, phrases = report.calibrated(calibration), report.phrases
    sides = {"base": calibration.base, "tuned": calibration.tuned}
    spec = plots.reliability(
        {kind: dots(side) for kind, side in sides.items()},
        (phrases("sure_axis"), phrases("right_axis")),
    )
    text = "; ".join(
        f"{phrases.word('variants', kind)} {', '.join(map(_bin_text, side))}"
        for kind, side in sides.items()
    )
    return Figure(title, plots.svg(spec, f"{title}. {text}"))


def dots(bins: Sequence[Bin]) -> list[plots.Dot]:
    """The dots of a calibration plot, one for each bin. The size of a dot is the bin's share of all
    items."""
    whole = sum(bin.n for bin in bins)
    return [plots.Dot(bin.confidence, bin.right, bin.n / whole) for bin in bins]


def _bin_text(bin: Bin) -> str:
    """The mean confidence, the accuracy and the number of items of a bin, as text."""
    return f"{bin.confidence:.2f} → {bin.right:.2f} (n = {bin.n:,})"
