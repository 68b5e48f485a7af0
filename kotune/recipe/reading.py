"""Reads recipes and their defaults from files. All problems of a file are listed in one error, each
as `file: key.path: problem; what to do`."""

import hashlib
import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

import kodata
from kodata.errors import Translatable, did_you_mean, joined
from kotune.errors import RecipeError
from kotune.recipe import axolotl_block, secrets, strict_yaml
from kotune.recipe.overrides import apply
from kotune.recipe.schema import MAX_LISTED, Data, Defaults, Limit, Recipe
from kotune.recipe.strict_yaml import shown
from kotune.shipped import PROGRAM, RECIPES, RECIPES_PAGE
from kotune_tasks.card import cards

DEFAULTS_FILE = RECIPES / "defaults.yml"


def load(path: Path, overrides: tuple[str, ...] = ()) -> Recipe:
    """The checked recipe in the file `path`. `overrides`: the values `key=value` of `--set`, which
    are applied in order. Raises a RecipeError that lists every problem."""
    number_problems: list[str] = []
    content = strict_yaml.load(path, number_problems=number_problems)
    if "recipes" in content and "model" not in content:
        raise RecipeError(
            Translatable(
                "{path}: a study, not a recipe; use {program} study {path}",
                path=path,
                program=PROGRAM,
            )
        )
    # A key without a value, such as a line `axolotl:`, counts as missing.
    raw = {key: value for key, value in content.items() if value is not None}
    for override in overrides:
        apply(raw, override)
    if secret := list(secrets.problems(raw)):
        raise RecipeError(problem_list(path, secret))  # the other messages would quote the secret
    base = defaults()
    problems = axolotl_block.problems(raw.get("axolotl"), defaults=base.axolotl)
    if {"seed", "seeds"} <= raw.keys():
        problems.append("seeds: given together with `seed`; keep one of the two")
    raw = {"adapter": base.adapter, "seed": _first_seed(raw.get("seeds"), base.seed), **raw}
    raw.setdefault("tasks", _own_tasks(raw.get("data")))
    try:
        recipe = Recipe.model_validate(raw)
    except ValidationError as error:
        problems = validation_problems(error, Recipe) + problems
    except OSError as error:
        problems = [f"`{shown(error.filename)}`: {error.strerror}; give another path", *problems]
    if problems or number_problems:
        raise RecipeError(problem_list(path, problems, number_problems))
    return recipe


def problem_list(path: Path, problems: list[str], number_problems: Sequence[str] = ()) -> str:
    """A message with one problem per line. After MAX_LISTED problems, the last line has the number
    of the others.

    Each of `problems` is prefixed with `path`. Those in `number_problems` already have this prefix,
    and they are listed first."""
    lines = [*number_problems, *(joined("", (f"{path}: ", problem)) for problem in problems)]
    hidden = len(lines) - MAX_LISTED
    more = (
        [
            Translatable(
                "{path}: and {hidden} more problems; correct these first", path=path, hidden=hidden
            )
        ]
        if hidden > 0
        else []
    )
    return joined("\n", [*lines[:MAX_LISTED], *more])


@cache
def defaults() -> Defaults:
    """The content of recipes/defaults.yml, checked as strictly as a recipe. Raises a RecipeError
    that lists every problem."""
    raw = strict_yaml.load(DEFAULTS_FILE)
    problems = [
        p for key in ("axolotl", "cpu", "cuda") for p in axolotl_block.problems(raw.get(key), key)
    ]
    try:
        checked = Defaults.model_validate(raw)
    except ValidationError as error:
        problems += validation_problems(error, Defaults)
    if problems:
        raise RecipeError(problem_list(DEFAULTS_FILE, problems))
    return checked


def digest(recipe: Recipe, limit: Limit) -> str:
    """The first eight hex digits of a SHA-256 digest of the recipe, the defaults and the limit.
    `seeds` is not hashed, so an additional seed does not change the folders of the other seeds."""
    content = recipe.model_dump(mode="json")
    if not recipe.template_kwargs:  # recipes without this key keep the hash that they always had
        del content["template_kwargs"]
    hashed = [content, defaults().model_dump(mode="json"), limit]
    return hashlib.sha256(json.dumps(hashed, sort_keys=True).encode()).hexdigest()[:8]


def run_name(path: Path, recipe: Recipe, limit: Limit) -> str:
    """The name of a run's folder: the recipe's file name without its suffix, `-` and digest()."""
    return f"{path.stem}-{digest(recipe, limit)}"


def _own_tasks(data: Any) -> list[str]:
    """The default of `tasks`: for each source in `data`, the task on the source's card.

    Invalid entries of `data` are skipped, because the validation reports them. If no entry is
    valid, the result is the first of all tasks, so that `tasks` is not reported as well."""
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


def _first_seed(seeds: Any, default: int) -> int:
    """The value of `seed` for a recipe without this key: the first of `seeds`. `default` if there
    is none, or if it is invalid. The validation of `seeds` reports an invalid one."""
    first = seeds[0] if isinstance(seeds, list) and seeds else None
    return first if type(first) is int and 0 <= first < 2**32 else default


def validation_problems(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """A message for every problem in a pydantic error. `model`: the class that was validated. After
    the first MAX_LISTED, the messages are empty strings, because problem_list() only counts them.

    If items of a list are invalid, pydantic also reports that the list is too short. This second
    error is dropped."""
    details = error.errors(include_url=False)
    parents = {detail["loc"][:end] for detail in details for end in range(len(detail["loc"]))}
    reported = [
        detail
        for detail in details
        if detail["type"] != "too_short" or detail["loc"] not in parents
    ]
    messages = [_message(detail, model) for detail in reported[:MAX_LISTED]]
    return messages + [""] * (len(reported) - len(messages))


def _message(detail: ErrorDetails, model: type[BaseModel]) -> str:
    """The message of one problem that pydantic reports, as `key.path: problem; what to do`."""
    key = ".".join(shown(part) for part in detail["loc"])
    kind, value = detail["type"], shown(detail["input"])
    fields = (Data if detail["loc"][0] == "data" and model is Recipe else model).model_fields
    if kind == "extra_forbidden":
        return Translatable(
            "{key}: unknown key{hint}", key=key, hint=did_you_mean(str(detail["loc"][-1]), fields)
        )
    if kind == "missing":
        page = RECIPES_PAGE if model is Recipe else "docs/study.md"
        return Translatable(
            "{key}: missing or empty; add `{name}:` ({page} describes every key)",
            key=key,
            name=detail["loc"][-1],
            page=page,
        )
    if kind in OWN_ERRORS:
        return joined("", (f"{key}: ", _own_message(detail)))
    if kind == "literal_error":
        choices = get_args(fields[str(detail["loc"][-1])].annotation)
        return Translatable(
            "{key}: unknown value `{value}`{hint}",
            key=key,
            value=value,
            hint=did_you_mean(detail["input"], choices),
        )
    if kind in YAML_TERMS:
        return Translatable(
            "{key}: must be {expected}, found `{value}`",
            key=key,
            expected=YAML_TERMS[kind],
            value=value,
        )
    return f"{key}: {detail['msg'][0].lower()}{detail['msg'][1:]}, found `{value}`"


def _own_message(detail: ErrorDetails) -> str:
    """The message of an error that schema.py raises itself. It can be translated if the error has
    it as a value, because pydantic makes a plain text of the message."""
    message = detail.get("ctx", {}).get("message")
    return message if isinstance(message, Translatable) else detail["msg"]


# The types of the errors that schema.py raises itself. Their messages are used unchanged.
OWN_ERRORS = (
    "source",
    "form",
    "path",
    "revision",
    "test_share",
    "model",
    "template",
    "task",
    "limit",
    "seeds",
    "validation_rows",
)
# Some messages of pydantic use Python terms. For the type of each such error: what the value must
# be, in YAML terms.
YAML_TERMS = {
    "model_type": Translatable("a mapping of `key: value` lines"),
    "path_type": Translatable("a path"),
    "tuple_type": Translatable("a list, as in [a, b]"),
    "dict_type": Translatable("a mapping of `key: value` lines"),
    "too_short": Translatable("one entry or more"),
}
