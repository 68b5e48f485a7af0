"""A report as an HTML page of tables and plots. Each plot also has its numbers as text."""

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from kotune.compare.answers import Confusion
from kotune.compare.calibration import Bin, Calibration
from kotune.compare.efficiency import LOSSES, Kind, Loss
from kotune.compare.side_by_side import side_by_side
from kotune.display import plots
from kotune.display.page import render
from kotune.report.intervals import picture, run_label, spans, strips
from kotune.report.report import Report
from kotune.report.sentences import Verdict, more_notes, verdicts
from kotune.report.summary import summary

LEAST = 1e-6  # smaller losses are plotted at this value, because 0 has no logarithm
FIRST = 4  # the maximum number of verdicts on the first screen
NAMED = 6  # if there are more runs, a legend shows their numbers instead of their names

LossAxis = Literal["tokens", "seconds"]
LOSS_AXES: tuple[LossAxis, ...] = ("tokens", "seconds")


class Figure(NamedTuple):
    """A plot as an SVG element, with its title."""

    title: str
    svg: str


def page(report: Report) -> str:
    """The complete HTML page."""
    result, phrases = report.result, report.phrases
    short = summary(result, phrases)
    headlines = short.headlines[:FIRST]
    return render(
        "report",
        report=report,
        phrases=phrases,
        short=short,
        headlines=headlines,
        is_between=len(result.groups) > 1,
        other_claims=_other_claims([*headlines, *short.gains], report),
        unmeasured=", ".join(phrases.word("criteria", key) for key in short.unmeasured),
        claim_notes=more_notes(result, phrases),
        picture=picture(report, [standing.name for standing in short.scoreboard]),
        answers=side_by_side(report.changes),
        spans=spans(report),
        strips=strips(report),
        curves=[*_drawn_curves(report)],
        confusions=lambda changes: [_drawn_confusion(report, each) for each in changes.confusions],
        calibrations=[_drawn_calibration(report, each) for each in report.calibrations],
    )


def _other_claims(shown: Sequence[Verdict], report: Report) -> list[Verdict]:
    """The verdicts other than those that the page shows first."""
    texts = {verdict.text for verdict in shown}
    return [each for each in verdicts(report.result, report.phrases) if each.text not in texts]


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
    return [run_label(run, report) if report.has_several else "" for run in runs]


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
