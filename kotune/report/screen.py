"""A comparison on the terminal: verdicts first, then a table a criterion, what it cost, and what is
not the same."""

from rich.console import Console
from rich.text import Text

from kotune.compare.result import Result
from kotune.display import table
from kotune.display.phrases import Phrases
from kotune.report import comparison_tables as tables
from kotune.report import cost_tables
from kotune.report.sentences import notes, verdicts

STYLES = {"better": "green", "worse": "red", "same": "", "undefined": "yellow", "void": "yellow"}


def show(result: Result, say: Phrases, console: Console | None = None) -> None:
    """Print all of it."""
    console = table.unbroken(console)
    for verdict in verdicts(result, say):
        console.print(Text(verdict.text, STYLES[verdict.outcome]))
    console.print()
    for note in notes(result, say):
        console.print(Text(note))
    console.print()
    for place, run in enumerate(result.runs, 1):
        console.print(Text(f"{place}  {result.names[run.folder]}  {run.folder}"))
    console.print()
    judged = (
        *tables.criteria(result, say),
        *tables.seeds(result, say),
        tables.references(result, say),
    )
    for found in (
        *judged,
        *tables.breakdowns(result, say),
        cost_tables.costs(result, say),
        *tables.not_the_same(result, say),
    ):
        table.show(found, console)
    console.print(Text(say("columns_note")))
