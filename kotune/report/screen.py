"""Prints a comparison on the terminal: a short answer, or all verdicts, notes and tables."""

import os
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.text import Text

from kotune.compare.result import Result, title_of
from kotune.compare.siblings import siblings
from kotune.display import short, table
from kotune.display.phrases import Phrases
from kotune.display.short import BLANK, Paragraph
from kotune.layout import REPORT_PAGE
from kotune.report import comparison_tables as tables
from kotune.report import cost_tables
from kotune.report.scored_tables import health, scored
from kotune.report.sentences import notes, verdicts
from kotune.report.summary import Summary, summary
from kotune.runs.finished import Finished, explain_malformed, load

# The colour of a verdict, by its outcome. A verdict that is only about adapters has no colour.
STYLES = {"better": "green", "worse": "red", "same": "", "adapters_differ": "", "adapters_same": ""}
UNDECIDED = "yellow"  # all other outcomes


def show(
    result: Result,
    phrases: Phrases,
    console: Console | None = None,
    page: Path | None = None,
    show_all: bool = False,
) -> None:
    """Print the comparison on `console`, or on the terminal if it is None. `page`: the HTML page of
    the comparison, if there is one. `show_all`: print all tables instead of the short answer."""
    if show_all:
        _show_all(result, phrases, table.unbroken(console))
    else:
        short.show(_paragraphs(summary(result, phrases), page, phrases), phrases, console)


def show_run(folder: Path, phrases: Phrases, show_all: bool) -> None:
    """Print the result of a finished run and of its other seeds. `folder` has the report on all of
    them."""
    with explain_malformed(folder):
        folders = [folder, *(other.folder for other in siblings(Finished(folder)))]
        result = Result.of(load([Path(os.path.relpath(each)) for each in folders]))
        show(result, phrases, page=result.runs[0].folder / REPORT_PAGE, show_all=show_all)


def _paragraphs(made: Summary, page: Path | None, phrases: Phrases) -> Iterator[Paragraph]:
    """The paragraphs of the short answer. The first verdict, the page and the next step are never
    left out. Then follow cautions, costs, the other verdicts, models and gains."""
    for number, verdict in enumerate(made.headlines):
        style = STYLES.get(verdict.outcome, UNDECIDED)
        yield Paragraph(verdict.text, 3 if number else 0, style)
    yield BLANK
    yield from (Paragraph(text, 4) for text in made.models if len(made.models) > 1)
    for verdict in made.gains:
        yield Paragraph(verdict.text, 5, STYLES.get(verdict.outcome, UNDECIDED))
    yield from (Paragraph(text, 2) for text in made.costs)
    yield from (Paragraph(caution.text, 1) for caution in made.cautions)
    yield BLANK
    yield Paragraph(phrases("summary_page", path=page) if page else phrases("summary_no_page"))
    yield Paragraph(made.step.text)
    yield from (Paragraph(command, is_command=True) for command in made.step.commands)


def _show_all(result: Result, phrases: Phrases, console: Console) -> None:
    """Print all verdicts, notes and tables."""
    for verdict in verdicts(result, phrases):
        console.print(Text(verdict.text, STYLES.get(verdict.outcome, UNDECIDED)))
    console.print()
    for note in notes(result, phrases):
        console.print(Text(note))
    console.print()
    for number, run in enumerate(result.runs, 1):
        name, full = result.names[run.folder], title_of(run)
        console.print(Text(f"{number}  {name}  {full}  {run.folder}"))
    console.print()
    results = (
        *scored(result, phrases),
        *tables.criteria(result, phrases),
        *tables.gains(result, phrases),
        *tables.label_parts(result, phrases),
        *tables.seeds(result, phrases),
        tables.references(result, phrases),
        *health(result, phrases),
    )
    for shown in (
        *results,
        *tables.breakdowns(result, phrases),
        cost_tables.costs(result, phrases),
        *tables.not_the_same(result, phrases),
    ):
        table.show(shown, console)
    console.print(Text(phrases("columns_note")))
