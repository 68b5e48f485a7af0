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
LEAST = 1e-6  # lower limit of a plotted loss, because 0 has no logarithm
MARGIN = 0.04  # share of the scale that stays empty beside the outermost interval
NAMED = 6  # with more runs than this, a plot's legend shows numbers instead of names

LossAxis = Literal["tokens", "seconds"]
LOSS_AXES: tuple[LossAxis, ...] = ("tokens", "seconds")
Groups = dict[str, list[plots.Group]]  # keys are titles of plots


class Figure(NamedTuple):
    """A plot with its title."""

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
    """The differences of the primary metrics with their confidence intervals, in percentage points,
    grouped by criterion. Only metrics that are shares are included. Differences that are not
    significant are included, too."""
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
    """The kind of mark of a difference. Only a difference that is claimed of a model has a
    colour."""
    claimed = claim(comparison)
    return claimed if claimed in ("better", "worse") else "same"


def _drawn_spans(report: Report) -> Iterator[Figure]:
    """A plot for each criterion, all with the same scale."""
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
    """For each task, the values of its primary metric and of metrics that have a chance value. Only
    values between 0 and 1 are plotted."""
    runs, groups_of = report.result.runs, dict[str, list[plots.Group]]()
    for task, name in dict.fromkeys(
        (of, name) for run in runs for of in run.scores for name in _shown(run, of)
    ):
        scored = [
            (run, sides)
            for run in runs
            if task in run.scores and len(sides := _sides(run.scores[task], name)) == 2
        ]
        title = f"{name}{' ↓' if name in cards()[task].lower_is_better else ''}"
        rows = [plots.PlotRow(_label(run, report), _figures(sides), sides) for run, sides in scored]
        baselines = _references([run for run, _ in scored], task, name, report)
        groups_of.setdefault(task, []).extend([plots.Group(title, rows, baselines)] if rows else [])
    return {task: groups for task, groups in groups_of.items() if groups}


def _shown(run: Finished, task: str) -> list[str]:
    entry, primary = run.scores[task], cards()[task].primary
    return [name for name in entry.base if name == primary or name in entry.chance]


def _sides(entry: TaskScores, name: str) -> list[plots.Interval]:
    """The metric's values for base and tuned. Values that are undefined or not between 0 and 1 are
    omitted."""
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
    return f"{report.prefix(run)}{report.name(run)}" if report.has_several else ""


def _figures(sides: Sequence[plots.Interval]) -> str:
    return " → ".join(f"{side.value:.3f}" for side in sides)


def _references(
    runs: Sequence[Finished], task: str, metric: str, report: Report
) -> dict[str, float]:
    """A metric's baselines: name -> value. If a baseline has different values in different runs,
    each value has its own entry, whose name ends with the numbers of the runs."""
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
    """The baselines of a metric: the value of chance and, for the primary metric, also the run's
    own baselines and published figures."""
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
    axis = plots.Axis("", form=".2~f", ticks=plots.SHARES)
    for task, groups in strips(report).items():
        yield _drawn(
            f"{_criterion(task, report)}: {task}", groups, plots.intervals(groups, axis, (0, 1))
        )


def _drawn(title: str, groups: Sequence[plots.Group], spec: plots.Spec) -> Figure:
    rows = [
        (" ".join(filter(None, (group.title, row.label))), row.figures)
        for group in groups
        for row in group.rows
    ]
    return Figure(
        title, plots.svg(spec, "; ".join(f"{label}: {figures}" for label, figures in rows))
    )


def curves(report: Report, axis: LossAxis) -> list[plots.Series]:
    """The loss curves of all runs over `tokens` or `seconds`. Empty if no run logged at least two
    losses."""
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
    return [
        plots.PlotPoint(getattr(loss, axis), max(loss.value, LEAST))
        for loss in losses
        if loss.kind == kind
    ]


def _legend(report: Report) -> list[str]:
    """The name of each run's lines in the legend; empty for a single run."""
    runs = report.result.runs
    if len(runs) > NAMED:
        return [f"{report.numbers[run.folder]}" for run in runs]
    return [_label(run, report) for run in runs]


def _drawn_curves(report: Report) -> Iterator[Figure]:
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
    table, phrases = report.confusion(confusion), report.phrases
    text = "; ".join(f"{name}: {', '.join(counts)}" for name, *counts in table.rows)
    spec = plots.confusion(
        confusion.choices, confusion.counts, (phrases("given_answer"), phrases("right_answer"))
    )
    return Figure(
        table.title, plots.svg(spec, f"{table.title}. {', '.join(table.head[1:])}. {text}")
    )


def _drawn_calibration(report: Report, calibration: Calibration) -> Figure:
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
    """The bins of a calibration plot, each with its share of all items."""
    whole = sum(bin.n for bin in bins)
    return [plots.Dot(bin.confidence, bin.right, bin.n / whole) for bin in bins]


def _bin_text(bin: Bin) -> str:
    return f"{bin.confidence:.2f} → {bin.right:.2f} (n = {bin.n:,})"
