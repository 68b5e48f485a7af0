"""What scoring has to do, task by task: prompts to read and tokens to write, for base and tuned
each."""

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

# Of ko_consistency_nli: three items in six prompts, one of them turned round too.
PROMPTS_OF_PREMISE = 19


@dataclass(frozen=True)
class Work:
    """One task: `items`, None where nobody can tell yet; `choices` that are read for each, 0 where
    the model writes `written` tokens at most; `prompt`: tokens of one, `longest` of the longest."""

    task: str
    items: int | None
    choices: int
    written: int
    prompt: float
    longest: int


def of_recipe(recipe: Recipe, counted: Counted) -> list[Work]:
    """The work of every task that the recipe names and that has something to score."""
    places = Job(recipe, Run(Path()), "cpu", None).scored().tasks
    return [_of_task(task, recipe, counted, place) for task, place in places.items()]


def not_scored(recipe: Recipe) -> list[str]:
    """A note for each task that the recipe names and that has nothing to score."""
    found = Job(recipe, Run(Path()), "cpu", None).not_scored
    return [
        f"{task} is not scored: the data have no test part, and none is kept for it"
        f" ({RECIPES_PAGE})"
        for task in found
    ]


def limited(work: Work, limit: Limit) -> Work:
    """A task's work where no more of its items are asked."""
    most = cards()[work.task].quick if limit == "quick" else limit
    return (
        work if most is None or work.items is None else replace(work, items=min(work.items, most))
    )


def _of_task(name: str, recipe: Recipe, counted: Counted, place: DataLocation) -> Work:
    card, told = cards()[name], settings(name)
    lengths = _lengths(card.source, card.form, recipe, counted)
    is_written = told["output_type"] == "generate_until"
    return Work(
        name,
        _items(name, place),
        0 if is_written else round(1 / card.chance["acc"]),  # chance is an even guess among them
        told["generation_kwargs"]["max_gen_toks"] if is_written else 0,
        sum(lengths) / len(lengths),
        max(lengths),
    )


def _lengths(source: str, form: str | None, recipe: Recipe, counted: Counted) -> Sequence[int]:
    """Tokens of a task's prompts: as its source's examples have them where that is trained on
    alone."""
    trained = {entry.source for entry in recipe.data}
    known = counting.characters(source, form)
    if trained == {source} or known is None:
        return counted.lengths
    return [counting.in_tokens(number) for number in known]


def _items(name: str, place: DataLocation) -> int | None:
    """How many items a task has."""
    source = source_at(place)
    options = settings(name).get("dataset_kwargs", {})
    if "premises" in options:
        return int(options["premises"]) * PROMPTS_OF_PREMISE
    if not place.path or is_commit(place.path):
        return source.CARD.rows.get("test")
    try:
        return sum(1 for _ in records_of(source.read("test", place.path)))
    except DataError:  # a run tells it, with all that is wrong
        return source.CARD.rows.get("test")
