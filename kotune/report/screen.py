"""Prints a comparison on the terminal: verdicts, notes, tables of comparisons, costs, and the
differences between the runs."""

from rich.console import Console
from rich.text import Text

from kotune.compare.result import Result
from kotune.display import table
from kotune.display.phrases import Phrases
from kotune.report import comparison_tables as tables
from kotune.report import cost_tables
from kotune.report.health_table import health
from kotune.report.scored_table import scored
from kotune.report.sentences import notes, verdicts

# The colour of a verdict, by its outcome. A verdict that is only about adapters has no colour.
STYLES = {"better": "green", "worse": "red", "same": "", "adapters_differ": "", "adapters_same": ""}
UNDECIDED = "yellow"  # all other outcomes


def show(result: Result, phrases: Phrases, console: Console | None = None) -> None:
    """Print the comparison on `console`, or on the terminal if it is None."""
    console = table.unbroken(console)
    for verdict in verdicts(result, phrases):
        console.print(Text(verdict.text, STYLES.get(verdict.outcome, UNDECIDED)))
    console.print()
    for note in notes(result, phrases):
        console.print(Text(note))
    console.print()
    for number, run in enumerate(result.runs, 1):
        console.print(Text(f"{number}  {result.names[run.folder]}  {run.folder}"))
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
