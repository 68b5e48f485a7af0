"""Tables of what was scored beside the comparisons, in English or Korean. These are the scores of
models without an adapter, and the health of generated answers."""

from collections.abc import Iterator

from kotune.compare.health import Health, TaskHealth
from kotune.compare.result import Result
from kotune.compare.shares import is_share
from kotune.display.figures import level
from kotune.display.phrases import Phrases
from kotune.display.table import Row, Table
from kotune_tasks.card import cards


def scored(result: Result, phrases: Phrases) -> Iterator[Table]:
    """A table with every metric of each task. Such a model is not compared with itself, so no other
    table has its scores. Yields nothing if every run has an adapter."""
    rows = [
        (
            f"{place}",
            task,
            _marked(task, name),
            level(value.value, is_share(task, name)),
            level(value.stderr, is_share(task, name)),
            f"{value.n:,}",
        )
        for place, run in enumerate(result.runs, 1)
        if not run.is_tuned
        for task, entry in run.scores.items()
        for name, value in entry.base.items()
    ]
    if rows:
        head = tuple(map(phrases, ("run", "task", "metric", "value", "stderr", "n")))
        yield Table(phrases("scored_title"), head, rows, 3)


def _marked(task: str, metric: str) -> str:
    """A metric's name with the marks of the other tables: `*` for primary, `↓` for lower is
    better."""
    card = cards()[task]
    lower = " ↓" if metric in card.lower_is_better else ""
    return f"{metric}{'*' * (metric == card.primary)}{lower}"


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
