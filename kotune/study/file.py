"""A study file names recipes and what varies over them. Every combination is a cell: an ordinary
run of one of the recipes.

Read as strictly as a recipe, with messages of the same form. Nothing is written or started: what
makes cells no study (too many, the same run twice, runs that cannot be compared) is told here,
before the first of them."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from os.path import normpath
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import Field, ValidationError, field_validator
from pydantic_core import PydanticCustomError

from kodata.errors import did_you_mean
from kotune.errors import RecipeError
from kotune.recipe import reading as recipes
from kotune.recipe import strict_yaml
from kotune.recipe.reading import all_told, listed
from kotune.recipe.schema import Limit, Recipe, Strict
from kotune.recipe.schema import limit as parsed_limit
from kotune.recipe.strict_yaml import shown
from kotune.shipped import PROGRAM

MOST_CELLS = 500
ALL = "all"  # samples: the whole data set
ARMS = ("model", "adapter", "template")  # what a study compares; recipes are arms too
SIZE = re.compile(r"data\.\d+\.samples")
CHOICE = re.compile(r"axolotl\..+|data\.\d+\.weight")
# A choice is made on validation loss, so a key that changes something else is none:
# of which tokens of which rows that loss is the mean, and in what batches,
NOT_COMPARED = re.compile(
    r"axolotl\.(sequence_len|excess_length_strategy|train_on_inputs|sample_packing|datasets|eval).*"
)
# And what is written down of the very same training.
NOT_TRAINED = re.compile(r"axolotl\.(logging|save).*")
MAY_VARY = "vary model, adapter, template, seed, data.N.samples, data.N.weight or an axolotl key"
Value = str | int | float | bool | None


class Asked(Strict):
    """A study file as it is written. `vary`: a key as --set writes it, and its values; `limit`: as
    run's --limit."""

    recipes: tuple[Path, ...] = Field(min_length=1)
    vary: dict[str, Annotated[tuple[Any, ...], Field(min_length=1)]] = Field(min_length=1)
    limit: Any = None
    target_task: str | None = None

    @field_validator("recipes")
    @classmethod
    def _on_one_line(cls, files: tuple[Path, ...]) -> tuple[Path, ...]:
        for file in files:
            if strict_yaml.BREAKS.search(str(file)):
                raise PydanticCustomError(
                    "path",
                    f"`{shown(file)}` has a control character in its name; rename the recipe",
                )
        return files

    @field_validator("limit")
    @classmethod
    def _as_of_run(cls, limit: Any) -> Limit:
        try:
            return parsed_limit(limit)
        except ValueError as error:
            raise PydanticCustomError("limit", "{told}", {"told": str(error)}) from None


@dataclass(frozen=True)
class Cell:
    """One run of a study. `overrides`: KEY=VALUE as --set takes them.

    `arm`: what is compared, for a person to read. `entry`: the data entry whose size varies, else
    the first; `samples`: its training rows, None for all. `choice`: keys and values that are
    neither arm, size nor seed; they are chosen on validation."""

    recipe: Path
    overrides: tuple[str, ...]
    name: str
    arm: str
    entry: int
    samples: int | None
    seed: int
    choice: tuple[tuple[str, Value], ...]
    resolved: Recipe = field(repr=False, compare=False)


@dataclass(frozen=True)
class Study:
    """The cells of a study file, in the order in which they run: the first seed and small sizes
    first, so that one that was stopped is of use. `target_task`: whose primary metric the targets
    are about."""

    file: Path
    cells: tuple[Cell, ...]
    limit: Limit
    target_task: str

    @property
    def name(self) -> str:
        return self.file.stem

    def folder(self, cell: Cell, runs_dir: Path) -> Path:
        """Where a cell's run lies."""
        return runs_dir / recipes.run_name(cell.recipe, cell.resolved, self.limit)


def load(path: Path) -> Study:
    """The study in `path`. RecipeError lists every problem found."""
    asked = _asked(path)
    files = [Path(normpath(path.parent / file)) for file in asked.recipes]
    cells = _cells(path, files, asked.vary)
    refuse(path, list(_not_comparable(cells, asked.vary)) or list(the_same(cells)))
    tasks = cells[0].resolved.tasks
    if asked.target_task not in (None, *tasks):
        told = (
            f"`{shown(asked.target_task)}` scores none of the"
            f" recipes{did_you_mean(asked.target_task, tasks)}"
        )
        refuse(path, [f"target_task: {told}"])
    ordered = sorted(cells, key=lambda cell: _turn(cell, asked.vary))
    return Study(path, tuple(ordered), asked.limit, asked.target_task or tasks[0])


def _asked(path: Path) -> Asked:
    misread: list[str] = []
    raw = strict_yaml.load(path, misread=misread)
    if "model" in raw and "recipes" not in raw:
        raise RecipeError(
            f"{path}: a recipe, not a study; use {PROGRAM} run {path}, or name it under `recipes:`"
            " of a study"
        )
    try:
        asked = Asked.model_validate(raw)
    except ValidationError as error:
        raise RecipeError(listed(path, all_told(error, Asked), misread)) from None
    refuse(path, [*_too_many(asked), *_bad_values(asked.vary)], misread)
    return asked


def refuse(path: Path, problems: list[str], misread: Sequence[str] = ()) -> None:
    if problems or misread:
        raise RecipeError(listed(path, problems, misread))


def _too_many(asked: Asked) -> Iterator[str]:
    sizes = {
        "recipes": len(asked.recipes),
        **{f"vary.{key}": len(values) for key, values in asked.vary.items()},
    }
    cells = math.prod(sizes.values())
    if cells > MOST_CELLS:
        told = " x ".join(f"{shown(key)} {size}" for key, size in sizes.items())
        yield (
            f"vary: {cells:,} cells ({told}), and at most {MOST_CELLS} are taken; name fewer values"
            " or keys"
        )


def _bad_values(vary: Mapping[str, Sequence[Any]]) -> Iterator[str]:
    """What is wrong with keys and values before a recipe is looked at."""
    sized = [key for key in vary if SIZE.fullmatch(key)]
    if len(sized) > 1:
        yield f"vary: {' and '.join(sized)} both vary, and a study has one size; keep one of them"
    for key, values in vary.items():
        if NOT_COMPARED.fullmatch(key):
            yield (
                f"vary.{shown(key)}: validation losses with different values of it cannot be"
                " compared; set it in the recipes"
            )
        if NOT_TRAINED.fullmatch(key):
            yield (
                f"vary.{shown(key)}: changes nothing that is trained, so there is nothing to"
                " choose; set it in the recipes"
            )
        for at, value in enumerate(values):
            if isinstance(value, (list, dict)):
                yield f"vary.{shown(key)}.{at}: must be a plain value, found `{shown(value)}`"


def _cells(path: Path, files: Sequence[Path], vary: Mapping[str, Sequence[Value]]) -> list[Cell]:
    """Every combination; RecipeError tells each thing that is wrong with the first cell that has
    it."""
    names, cells, found = _names(files), [], dict[str, str]()
    for file, values in product(files, _combined(vary)):
        name = " ".join(
            (names[file], *(f"{key}={_word(key, value)}" for key, value in values.items()))
        )
        try:
            cells.append(_cell(file, values, name, names[file]))
        except RecipeError as error:
            for told in str(error).splitlines():
                found.setdefault(told.replace(f"{file}: ", ""), f"{shown(name)}: {told}")
    refuse(path, list(found.values()))
    return cells


def _word(key: str, value: Value) -> Value:
    return ALL if value is None and SIZE.fullmatch(key) else value


def _combined(vary: Mapping[str, Sequence[Value]]) -> Iterator[dict[str, Value]]:
    for values in product(*vary.values()):
        yield dict(zip(vary, values, strict=True))


def _override(key: str, value: Value) -> str:
    """KEY=VALUE, which --set reads as the value that stands in the study file."""
    meant = None if value == ALL and SIZE.fullmatch(key) else value
    text = yaml.safe_dump([meant], default_flow_style=True, allow_unicode=True, width=math.inf)
    return f"{key}={text.strip()[1:-1]}"


def _names(files: Sequence[Path]) -> dict[Path, str]:
    """A recipe's name in a study: its file's, with the folder where two files have the same."""
    stems = [file.stem for file in files]
    return {file: str(file) if stems.count(file.stem) > 1 else file.stem for file in files}


def _cell(file: Path, values: Mapping[str, Value], name: str, arm: str) -> Cell:
    overrides = tuple(_override(key, value) for key, value in values.items())
    resolved = recipes.load(file, overrides)
    size = next((key for key in values if SIZE.fullmatch(key)), "data.0.samples")
    return Cell(
        file,
        overrides,
        name,
        arm=", ".join((arm, *(str(values[key]) for key in ARMS if key in values))),
        entry=(entry := int(size.split(".")[1])),
        samples=resolved.data[entry].samples,
        seed=resolved.seed,
        choice=tuple((key, value) for key, value in values.items() if CHOICE.fullmatch(key)),
        resolved=resolved,
    )


def _turn(cell: Cell, vary: Mapping[str, Sequence[Value]]) -> tuple[float, float]:
    """When a cell's turn comes; those with the same stay as they are written."""
    seeds = [*vary.get("seed", ())]
    return seeds.index(cell.seed) if seeds else 0, cell.samples or math.inf


def _not_comparable(cells: Sequence[Cell], vary: Mapping[str, Sequence[Value]]) -> Iterator[str]:
    """What more than models, adapters, templates, and the size, seed and choices that vary, is not
    the same in all cells."""
    free = {
        *ARMS,
        *(key for key in vary if key == "seed" or SIZE.fullmatch(key) or CHOICE.fullmatch(key)),
    }
    first, found = dict(_flat(cells[0].resolved.model_dump(mode="json"))), dict[str, Path]()
    for cell in cells[1:]:
        keys = dict(_flat(cell.resolved.model_dump(mode="json")))
        for key in keys.keys() | first.keys():
            if keys.get(key) != first.get(key) and key not in free:
                found.setdefault(key, cell.recipe)
    for key in sorted(found.keys() & vary.keys()):
        yield f"vary.{key}: runs that differ in it cannot be compared; {MAY_VARY}"
    for file in dict.fromkeys(found.values()):
        differ = ", ".join(sorted(key for key in found.keys() - vary.keys() if found[key] == file))
        if differ:
            yield (
                f"recipes: {cells[0].recipe} and {file} cannot be compared: they differ in"
                f" {differ}; make them equal"
            )


def _flat(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Plain values and lists of them by their keys as --set writes them."""
    if isinstance(value, list) and any(isinstance(one, dict) for one in value):
        value = dict(enumerate(value))
    if not isinstance(value, dict):
        yield key, value
        return
    for name, one in value.items():
        yield from _flat(one, f"{key}.{name}".lstrip("."))


def the_same(cells: Sequence[Cell]) -> Iterator[str]:
    """What is said of cells that are the same run."""
    first: dict[str, Cell] = {}
    for cell in cells:
        other = first.setdefault(recipes.digest(cell.resolved, None), cell)
        if other is not cell:
            yield f"vary: `{other.name}` and `{cell.name}` are the same run; keep one of them"
