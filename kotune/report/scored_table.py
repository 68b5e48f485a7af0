"""The table of models that were scored without an adapter, in English or Korean."""

from collections.abc import Iterator

from kotune.compare.result import Result
from kotune.compare.shares import is_share
from kotune.display.figures import level
from kotune.display.phrases import Phrases
from kotune.display.table import Table
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
