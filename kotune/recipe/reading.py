"""Recipes read from files: overrides applied, defaults checked, every problem listed at once.

A problem reads `file: key.path: what; what to do`.
"""

import hashlib
import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

import kodata
from kodata.errors import did_you_mean
from kotune.errors import RecipeError
from kotune.recipe import axolotl_block, secrets, strict_yaml
from kotune.recipe.overrides import apply
from kotune.recipe.schema import MOST, Data, Defaults, Limit, Recipe
from kotune.recipe.strict_yaml import shown
from kotune.shipped import PROGRAM, RECIPES, RECIPES_PAGE
from kotune_tasks.card import cards

DEFAULTS_FILE = RECIPES / "defaults.yml"


def load(path: Path, overrides: tuple[str, ...] = ()) -> Recipe:
    """The recipe in `path` with `--set key=value` overrides. RecipeError lists every problem
    found."""
    misread: list[str] = []
    read = strict_yaml.load(path, misread=misread)
    if "recipes" in read and "model" not in read:
        raise RecipeError(f"{path}: a study, not a recipe; use {PROGRAM} study {path}")
    # `axolotl:` alone says nothing.
    raw = {key: value for key, value in read.items() if value is not None}
    for override in overrides:
        apply(raw, override)
    if found := list(secrets.problems(raw)):
        raise RecipeError(listed(path, found))  # other messages would quote it
    base = defaults()
    raw = {"adapter": base.adapter, "seed": base.seed, **raw}
    raw.setdefault("tasks", _own_tasks(raw.get("data")))
    problems = axolotl_block.problems(raw.get("axolotl"), under=base.axolotl)
    try:
        recipe = Recipe.model_validate(raw)
    except ValidationError as error:
        problems = all_told(error, Recipe) + problems
    except OSError as error:
        problems = [f"`{shown(error.filename)}`: {error.strerror}; give another path", *problems]
    if problems or misread:
        raise RecipeError(listed(path, problems, misread))
    return recipe


def listed(path: Path, problems: list[str], misread: Sequence[str] = ()) -> str:
    """One problem a line, with the file, and no more of them than a person reads. Those `misread`
    name it themselves."""
    told = [*misread, *(f"{path}: {problem}" for problem in problems)]
    more = (
        [f"{path}: and {len(told) - MOST} more problems; mend these first"]
        if len(told) > MOST
        else []
    )
    return "\n".join([*told[:MOST], *more])


@cache
def defaults() -> Defaults:
    """recipes/defaults.yml, checked as strictly as a recipe."""
    raw = strict_yaml.load(DEFAULTS_FILE)
    problems = [
        p for key in ("axolotl", "cpu", "cuda") for p in axolotl_block.problems(raw.get(key), key)
    ]
    try:
        checked = Defaults.model_validate(raw)
    except ValidationError as error:
        problems += all_told(error, Defaults)
    if problems:
        raise RecipeError(listed(DEFAULTS_FILE, problems))
    return checked


def digest(recipe: Recipe, limit: Limit) -> str:
    """Eight hex digits that change with anything that can change a result: recipe, defaults,
    limit."""
    whole = [recipe.model_dump(mode="json"), defaults().model_dump(mode="json"), limit]
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()[:8]


def run_name(path: Path, recipe: Recipe, limit: Limit) -> str:
    """The name of a run's folder."""
    return f"{path.stem}-{digest(recipe, limit)}"


def _own_tasks(data: Any) -> list[str]:
    """Without `tasks`, each source is scored by its own task. Entries that are wrong are told by
    validation."""
    names = (
        [entry.get("source") for entry in data if isinstance(entry, dict)]
        if isinstance(data, list)
        else []
    )
    tasks = [
        kodata.source(name).CARD.task
        for name in names
        if isinstance(name, str) and name in kodata.SOURCES
    ]
    return list(dict.fromkeys(tasks)) or list(cards())[:1]


def all_told(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """Every pydantic error of `model` once; that a list is too short after its items were refused
    is no news. What stands beyond MOST, which nobody is told, is there to be counted."""
    details = error.errors(include_url=False)
    deep = {detail["loc"][:end] for detail in details for end in range(len(detail["loc"]))}
    news = [
        detail for detail in details if detail["type"] != "too_short" or detail["loc"] not in deep
    ]
    return [*(_told(detail, model) for detail in news[:MOST]), *("" for _ in news[MOST:])]


def _told(detail: ErrorDetails, model: type[BaseModel]) -> str:
    """One pydantic error as `key.path: what; what to do`."""
    key = ".".join(shown(part) for part in detail["loc"])
    kind, given = detail["type"], shown(detail["input"])
    if kind == "extra_forbidden":
        fields = (Data if detail["loc"][0] == "data" and model is Recipe else model).model_fields
        return f"{key}: unknown key{did_you_mean(str(detail['loc'][-1]), fields)}"
    if kind == "missing":
        page = RECIPES_PAGE if model is Recipe else "docs/study.md"
        return f"{key}: missing or empty; add `{detail['loc'][-1]}:` ({page} describes every key)"
    if kind in (
        "source",
        "form",
        "path",
        "revision",
        "test_share",
        "model",
        "template",
        "task",
        "limit",
    ):
        return f"{key}: {detail['msg']}"
    if kind == "literal_error":
        return f"{key}: unknown value `{given}`{did_you_mean(detail['input'], _choices(key))}"
    if kind in KINDS:
        return f"{key}: must be {KINDS[kind]}, found `{given}`"
    return f"{key}: {detail['msg'][0].lower()}{detail['msg'][1:]}, found `{given}`"


def _choices(key: str) -> tuple[str, ...]:
    """The words that a key of the recipe's own accepts."""
    return get_args(Recipe.model_fields[key].annotation)


# pydantic's kinds of error whose own words are of Python, not of YAML.
KINDS = {
    "model_type": "a mapping of `key: value` lines",
    "path_type": "a path",
    "tuple_type": "a list, as in [a, b]",
    "dict_type": "a mapping of `key: value` lines",
    "too_short": "one entry or more",
}
