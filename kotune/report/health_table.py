"""The table of the health of generated answers, in English or Korean."""

from collections.abc import Iterator

from kotune.compare.health import Health, TaskHealth
from kotune.compare.result import Result
from kotune.display.phrases import Phrases
from kotune.display.table import Row, Table


def health(result: Result, phrases: Phrases) -> Iterator[Table]:
    """A table with a row for each task with generated answers and each model, before and after
    tuning. Yields nothing if there is no such task. It is an alert if answers after tuning are
    poor."""
    words = ("task", "runs", "variant") if len(result.runs) > 1 else ("task", "variant")
    head = (*words, "answers", "unended", "foreign_script", "says_nothing", "mean_length")
    rows = [
        (*_named(each, result, phrases), f"{each.n:,}", *_figures(each.health, phrases))
        for each in result.healths
    ]
    if rows:
        yield Table(
            phrases("health_title"),
            tuple(map(phrases, head)),
            rows,
            len(words),
            [phrases("health_note")],
            alert=any(each.is_poor for each in result.healths),
        )


def _named(each: TaskHealth, result: Result, phrases: Phrases) -> Row:
    """The task, the numbers of the runs if there are several, and the variant."""
    numbers = {run.folder: f"{number}" for number, run in enumerate(result.runs, 1)}
    runs = ("+".join(numbers[run.folder] for run in each.side.runs),) if len(numbers) > 1 else ()
    return each.task, *runs, phrases.word("variants", each.side.variant)


def _figures(health: Health, phrases: Phrases) -> Row:
    shares = (health.unended, health.foreign, health.empty)
    texts = (phrases("not_recorded") if share is None else f"{share:.1%}" for share in shares)
    return *texts, f"{health.length:,.1f}"
