"""Chooses a few items of which a report shows every model's answers, before and after tuning."""

from collections.abc import Sequence
from itertools import zip_longest
from typing import NamedTuple

from kotune.compare.answers import Changes, Example, as_example
from kotune.runs.finished import Finished

SHOWN = 4  # the maximum number of items


class ModelAnswers(NamedTuple):
    """The answers of one run to an item. `example`: its base model is a, its tuned model is b.
    Without an adapter, both are the base model."""

    run: Finished
    example: Example


class SideBySide(NamedTuple):
    """An item with the answers of each model. `is_written`: whether models write the answer, so it
    is not one of several choices."""

    task: str
    is_written: bool
    answers: list[ModelAnswers]

    @property
    def item(self) -> Example:
        """The question and the right answer, with the answers of the first model."""
        return self.answers[0].example


def side_by_side(changes: Sequence[Changes]) -> list[SideBySide]:
    """At most SHOWN items, those with written answers first.

    The items are examples of the changes between models, or of the changes by tuning if there is a
    single model. They alternate between tasks, and between won and lost items. Of several seeds,
    only the first seed's run is used."""
    chosen = [each for each in changes if not each.is_tuning] or changes
    runs = [side.run for each in chosen for side in (each.comparison.a, each.comparison.b)]
    by_task: dict[str, list[Example]] = {}
    for each in chosen:
        by_task.setdefault(each.comparison.task, []).extend(_alternating(each.examples))
    found = [
        _answers(task, example, list(dict.fromkeys(runs)))
        for row in zip_longest(*([(task, each) for each in of] for task, of in by_task.items()))
        for task, example in filter(None, row)
    ]
    distinct = {(each.task, each.item.doc_hash): each for each in found}.values()
    return sorted(distinct, key=lambda each: not each.is_written)[:SHOWN]


def _alternating(examples: Sequence[Example]) -> list[Example]:
    """The examples in turn: a won one, a lost one, and so on."""
    of = [[each for each in examples if each.outcome == kind] for kind in ("won", "lost", "other")]
    return [example for row in zip_longest(*of) for example in row if example]


def _answers(task: str, example: Example, runs: Sequence[Finished]) -> SideBySide:
    """The answers of the runs to the item of an example. Runs without the item are left out."""
    key, answers = example.doc_hash, []
    for run in (run for run in runs if task in run.scores):
        base, tuned = (run.samples(task, variant).get(key) for variant in ("base", run.variant))
        if base and tuned:
            item = run.items(task)[key]
            answers.append(ModelAnswers(run, as_example(example.outcome, base, tuned, item)))
    return SideBySide(task, item.choices is None, answers)
