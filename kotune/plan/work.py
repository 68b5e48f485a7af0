"""Estimates the work of scoring for each task: prompts to read and tokens to generate. The work is
the same for the base and the tuned model."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from kodata.control_text import records_of
from kodata.errors import DataError, Translatable
from kodata.prepare.entries import DataLocation, source_at
from kodata.reading.hub import is_commit
from kotune.plan import counting
from kotune.plan.counting import Counted
from kotune.recipe.schema import Limit, Recipe
from kotune.runs.folder import Run
from kotune.runs.job import Job
from kotune.shipped import RECIPES_PAGE
from kotune_tasks.card import cards, settings

# ko_consistency_nli has 19 prompts for each premise: six prompts for each of three items, and one
# prompt for a reversed item.
PROMPTS_OF_PREMISE = 19


@dataclass(frozen=True)
class Work:
    """The work of one task.

    - `items`: number of prompts; None if it is not known before the data are downloaded
    - `choices`: number of choices of a prompt; 0 for a generation task
    - `written`: maximum number of tokens of a generated answer; 0 for a choice task
    - `prompt`, `longest`: mean and maximum number of tokens of a prompt. They are taken from whole
      examples, so they include the answer."""

    task: str
    items: int | None
    choices: int
    written: int
    prompt: float
    longest: int


def of_recipe(recipe: Recipe, counted: Counted) -> list[Work]:
    """The work of every task of the recipe that has test data. `counted`: the counts of the
    recipe's training data."""
    locations = Job(recipe, Run(Path()), "cpu", None).scored().tasks
    return [_of_task(task, recipe, counted, location) for task, location in locations.items()]


def not_scored(recipe: Recipe) -> list[str]:
    """A note for each task of the recipe that has no test data."""
    tasks = Job(recipe, Run(Path()), "cpu", None).not_scored
    return [
        Translatable(
            "{task} is not scored: the data have no test part, and none is held out ({page})",
            task=task,
            page=RECIPES_PAGE,
        )
        for task in tasks
    ]


def limited(work: Work, limit: Limit) -> Work:
    """A task's work with at most `limit` items. With the limit `quick`, the task's card has the
    number. None means no limit."""
    most = cards()[work.task].quick if limit == "quick" else limit
    if most is None or work.items is None:
        return work
    return replace(work, items=min(work.items, most))


def _of_task(name: str, recipe: Recipe, counted: Counted, location: DataLocation) -> Work:
    card, options = cards()[name], settings(name)
    lengths = _lengths(card.source, card.form, recipe, counted)
    is_generated = options["output_type"] == "generate_until"
    return Work(
        name,
        _items(name, location),
        0 if is_generated else round(1 / card.chance["acc"]),  # chance: 1 / number of choices
        options["generation_kwargs"]["max_gen_toks"] if is_generated else 0,
        sum(lengths) / len(lengths),
        max(lengths),
    )


def _lengths(source: str, form: str | None, recipe: Recipe, counted: Counted) -> Sequence[int]:
    """Lengths in tokens that stand for those of a task's prompts. `source`, `form`: those of the
    task. The lengths are estimated from characters.yml. If the recipe trains only on this source,
    or if the file does not list it, they are the lengths of the training examples instead."""
    trained = {entry.source for entry in recipe.data}
    percentiles = counting.characters(source, form)
    if trained == {source} or percentiles is None:
        return counted.lengths
    return [counting.in_tokens(number) for number in percentiles]


def _items(name: str, location: DataLocation) -> int | None:
    """A task's number of prompts. It is counted in local data. For data from the hub, it is the
    number on the source's card, or None if the card has none."""
    source = source_at(location)
    options = settings(name).get("dataset_kwargs", {})
    if "premises" in options:
        return int(options["premises"]) * PROMPTS_OF_PREMISE
    if not location.path or is_commit(location.path):
        return source.CARD.rows.get("test")
    try:
        return sum(1 for _ in records_of(source.read("test", location.path)))
    except DataError:  # a run reports the error when it reads the data
        return source.CARD.rows.get("test")
