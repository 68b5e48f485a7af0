"""Computes the work of scoring for each task: prompts to read and tokens to generate. The work is
the same for the base and the tuned model."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from kodata.control_text import records_of
from kodata.errors import DataError
from kodata.prepare.entries import DataLocation, source_at
from kodata.reading.hub import is_commit
from kotune.plan import counting
from kotune.plan.counting import Counted
from kotune.recipe.schema import Limit, Recipe
from kotune.runs.folder import Run
from kotune.runs.job import Job
from kotune.shipped import RECIPES_PAGE
from kotune_tasks.card import cards, settings

# Prompts per premise in ko_consistency_nli: three items with six prompts each, and one more prompt
# for a reversed item.
PROMPTS_OF_PREMISE = 19


@dataclass(frozen=True)
class Work:
    """The work of one task. `items`: number of items, None if not known yet. `choices`: choices per
    item, 0 for a generation task. `written`: maximum number of tokens of a generated answer, 0 for
    a choice task. `prompt`, `longest`: mean and maximum number of tokens of a prompt."""

    task: str
    items: int | None
    choices: int
    written: int
    prompt: float
    longest: int


def of_recipe(recipe: Recipe, counted: Counted) -> list[Work]:
    """The work of every task of the recipe that has items to score."""
    places = Job(recipe, Run(Path()), "cpu", None).scored().tasks
    return [_of_task(task, recipe, counted, place) for task, place in places.items()]


def not_scored(recipe: Recipe) -> list[str]:
    """A note for each task of the recipe that has no items to score."""
    tasks = Job(recipe, Run(Path()), "cpu", None).not_scored
    return [
        f"{task} is not scored: the data have no test part, and none is held out ({RECIPES_PAGE})"
        for task in tasks
    ]


def limited(work: Work, limit: Limit) -> Work:
    """A task's work with at most `limit` items."""
    most = cards()[work.task].quick if limit == "quick" else limit
    if most is None or work.items is None:
        return work
    return replace(work, items=min(work.items, most))


def _of_task(name: str, recipe: Recipe, counted: Counted, place: DataLocation) -> Work:
    card, options = cards()[name], settings(name)
    lengths = _lengths(card.source, card.form, recipe, counted)
    is_generated = options["output_type"] == "generate_until"
    return Work(
        name,
        _items(name, place),
        0 if is_generated else round(1 / card.chance["acc"]),  # chance: 1 / number of choices
        options["generation_kwargs"]["max_gen_toks"] if is_generated else 0,
        sum(lengths) / len(lengths),
        max(lengths),
    )


def _lengths(source: str, form: str | None, recipe: Recipe, counted: Counted) -> Sequence[int]:
    """The lengths of a task's prompts in tokens. If the recipe trains only on the task's source,
    these are the lengths of the training examples. Otherwise they are estimated from
    characters.yml."""
    trained = {entry.source for entry in recipe.data}
    percentiles = counting.characters(source, form)
    if trained == {source} or percentiles is None:
        return counted.lengths
    return [counting.in_tokens(number) for number in percentiles]


def _items(name: str, place: DataLocation) -> int | None:
    """A task's number of items, None if not known yet."""
    source = source_at(place)
    options = settings(name).get("dataset_kwargs", {})
    if "premises" in options:
        return int(options["premises"]) * PROMPTS_OF_PREMISE
    if not place.path or is_commit(place.path):
        return source.CARD.rows.get("test")
    try:
        return sum(1 for _ in records_of(source.read("test", place.path)))
    except DataError:  # a run will report the error
        return source.CARD.rows.get("test")
