"""Reads a study file. It names recipes, and lists values for some of their keys. A cell is one of
the recipes with one value for each of these keys. The study has a cell for every combination. Each
cell is an ordinary run of its recipe.

A study file is checked as strictly as a recipe, and problems are reported in the same form. Too
many cells, duplicate runs and runs that cannot be compared are reported before any cell starts."""

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
from kotune.recipe import reading, strict_yaml
from kotune.recipe.overrides import with_seed
from kotune.recipe.reading import problem_list, validation_problems
from kotune.recipe.schema import Limit, Recipe, Strict
from kotune.recipe.schema import limit as parsed_limit
from kotune.recipe.strict_yaml import shown
from kotune.shipped import PROGRAM

MOST_CELLS = 500  # maximum number of cells of a study
ALL = "all"  # a value of `samples` that stands for the whole data set
# A study compares arms. An arm is a recipe with one value for each of these keys that the study
# varies.
ARMS = ("model", "adapter", "template")
# The keys for a size, which is the number of training rows of a data entry.
SIZE_KEY = re.compile(r"data\.\d+\.samples")
# Keys whose values the study chooses: it takes the value with the lowest validation loss
# (points.py).
CHOICE_KEY = re.compile(r"axolotl\..+|data\.\d+\.weight")
# Keys that must not vary, because they change the tokens, rows or batches over which the validation
# loss is computed. Losses with different values of such a key could not be compared.
CHANGES_LOSS = re.compile(
    r"axolotl\.(sequence_len|excess_length_strategy|train_on_inputs|sample_packing|datasets|eval).*"
)
# Keys that must not vary, because they change only what is written during training. All values of
# such a key would give the same trained model.
NO_EFFECT = re.compile(r"axolotl\.(logging|save).*")
MAY_VARY = "vary model, adapter, template, seed, data.N.samples, data.N.weight or an axolotl key"
Value = str | int | float | bool | None


class StudyFile(Strict):
    """The content of a study file.

    - `recipes`: the paths of the recipes, relative to the study file
    - `vary`: for each key that varies, its values; keys have the same form as in --set
    - `limit`: the same as the option --limit of `run`
    - `target_task`: as in Study; None for the first task of the recipes
    """

    recipes: tuple[Path, ...] = Field(min_length=1)
    vary: dict[str, Annotated[tuple[Any, ...], Field(min_length=1)]] = Field(min_length=1)
    limit: Any = None
    target_task: str | None = None

    @field_validator("recipes")
    @classmethod
    def _without_control_characters(cls, files: tuple[Path, ...]) -> tuple[Path, ...]:
        for file in files:
            if strict_yaml.BREAKS.search(str(file)):
                raise PydanticCustomError(
                    "path",
                    f"`{shown(file)}` has a control character in its name; rename the recipe",
                )
        return files

    @field_validator("limit")
    @classmethod
    def _checked_limit(cls, limit: Any) -> Limit:
        try:
            return parsed_limit(limit)
        except ValueError as error:
            raise PydanticCustomError("limit", "{message}", {"message": str(error)}) from None


@dataclass(frozen=True)
class Cell:
    """One run of a study.

    - `recipe`: the path of the recipe
    - `overrides`: the cell's values, in the form KEY=VALUE of --set; `seed`, too, if the recipe has
      `seeds`
    - `name`: the recipe's name, then KEY=VALUE for each key that varies
    - `arm`: the name of the arm: the recipe's name, and the values of the ARMS keys that vary
    - `entry`: the index of the data entry whose size varies; 0 if no size varies
    - `samples`: the number of training rows of that entry; None for all rows
    - `choice`: each key that varies and that matches CHOICE_KEY, with the cell's value
    - `resolved`: the recipe with the overrides
    """

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
    """The cells of a study file, in the order in which they run.

    All cells with the first seed run before those with the second. With the same seed, small sizes
    run before large ones. So the results of an interrupted study can already be compared.

    `target_task`: the task on which the report's verdicts and targets are based. A target is a
    value of the task's primary metric, such as a baseline (findings.Target). `limit`: as in
    StudyFile."""

    file: Path
    cells: tuple[Cell, ...]
    limit: Limit
    target_task: str

    @property
    def name(self) -> str:
        return self.file.stem

    def folder(self, cell: Cell, runs_dir: Path) -> Path:
        """The folder of a cell's run."""
        return runs_dir / reading.run_name(cell.recipe, cell.resolved, self.limit)


def load(path: Path) -> Study:
    """Read and check a study file. The checks are, in order: the file's form, its keys and values,
    each cell alone, and all cells together. Raises RecipeError with all problems that the first
    failing check finds."""
    content = _content(path)
    files = [Path(normpath(path.parent / file)) for file in content.recipes]
    cells = _cells(path, files, content.vary)
    refuse(path, list(_not_comparable(cells, content.vary)) or list(duplicates(cells)))
    tasks = cells[0].resolved.tasks
    target = content.target_task
    if target not in (None, *tasks):
        hint = did_you_mean(target, tasks)
        refuse(path, [f"target_task: `{shown(target)}` is not a task of the recipes{hint}"])
    ordered = sorted(cells, key=lambda cell: _order(cell, content.vary))
    return Study(path, tuple(ordered), content.limit, target or tasks[0])


def _content(path: Path) -> StudyFile:
    number_problems: list[str] = []
    raw = strict_yaml.load(path, number_problems=number_problems)
    if "model" in raw and "recipes" not in raw:
        raise RecipeError(
            f"{path}: a recipe, not a study; use {PROGRAM} run {path}, or name it under `recipes:`"
            " of a study"
        )
    try:
        content = StudyFile.model_validate(raw)
    except ValidationError as error:
        problems = validation_problems(error, StudyFile)
        raise RecipeError(problem_list(path, problems, number_problems)) from None
    refuse(path, [*_too_many(content), *_bad_values(content.vary)], number_problems)
    return content


def refuse(path: Path, problems: list[str], number_problems: Sequence[str] = ()) -> None:
    """Raise RecipeError with all problems, if there are any."""
    if problems or number_problems:
        raise RecipeError(problem_list(path, problems, number_problems))


def _too_many(content: StudyFile) -> Iterator[str]:
    sizes = {
        "recipes": len(content.recipes),
        **{f"vary.{key}": len(values) for key, values in content.vary.items()},
    }
    cells = math.prod(sizes.values())
    if cells > MOST_CELLS:
        factors = " x ".join(f"{shown(key)} {size}" for key, size in sizes.items())
        yield (
            f"vary: {cells:,} cells ({factors}), but at most {MOST_CELLS} are allowed; name fewer"
            " values or keys"
        )


def _bad_values(vary: Mapping[str, Sequence[Any]]) -> Iterator[str]:
    """The problems of keys and values that can be found without reading a recipe."""
    sized = [key for key in vary if SIZE_KEY.fullmatch(key)]
    if len(sized) > 1:
        yield f"vary: only one data.N.samples may vary, found {', '.join(sized)}; keep one of them"
    for key, values in vary.items():
        if CHANGES_LOSS.fullmatch(key):
            yield (
                f"vary.{shown(key)}: must not vary, because it changes how the validation loss is"
                " computed; set it in the recipes"
            )
        if NO_EFFECT.fullmatch(key):
            yield (
                f"vary.{shown(key)}: must not vary, because it does not change the trained model;"
                " set it in the recipes"
            )
        for index, value in enumerate(values):
            if isinstance(value, (list, dict)):
                yield f"vary.{shown(key)}.{index}: must be a plain value, found `{shown(value)}`"


def _cells(path: Path, files: Sequence[Path], vary: Mapping[str, Sequence[Value]]) -> list[Cell]:
    """A cell for every combination of a recipe and values. Raises RecipeError with every problem. A
    problem that several cells have is reported only for the first of them."""
    names, cells = _names(files), []
    problems: dict[str, str] = {}  # problem without its file -> message
    for file, values in product(files, _combined(vary)):
        name = " ".join(
            (names[file], *(f"{key}={_value_in_name(key, value)}" for key, value in values.items()))
        )
        try:
            cells.append(_cell(file, values, name, names[file]))
        except RecipeError as error:
            for line in str(error).splitlines():
                problems.setdefault(line.replace(f"{file}: ", ""), f"{shown(name)}: {line}")
    refuse(path, list(problems.values()))
    return cells


def _value_in_name(key: str, value: Value) -> Value:
    """The value as it is shown in a cell's name: `all` if a size is null."""
    return ALL if value is None and SIZE_KEY.fullmatch(key) else value


def _combined(vary: Mapping[str, Sequence[Value]]) -> Iterator[dict[str, Value]]:
    """All combinations, each with one value for every key."""
    for values in product(*vary.values()):
        yield dict(zip(vary, values, strict=True))


def _override(key: str, value: Value) -> str:
    """A key and its value in the form KEY=VALUE of --set, which reads the same value from it. For a
    size, `all` is written as null."""
    plain = None if value == ALL and SIZE_KEY.fullmatch(key) else value
    text = yaml.safe_dump([plain], default_flow_style=True, allow_unicode=True, width=math.inf)
    return f"{key}={text.strip()[1:-1]}"


def _names(files: Sequence[Path]) -> dict[Path, str]:
    """The name of each recipe in a study: the file name without its extension, or the whole path if
    two recipes have the same file name."""
    stems = [file.stem for file in files]
    return {file: str(file) if stems.count(file.stem) > 1 else file.stem for file in files}


def _cell(file: Path, values: Mapping[str, Value], name: str, recipe_name: str) -> Cell:
    """The cell of a recipe with one value for each key that varies. `name`: the cell's name. Raises
    RecipeError if the recipe with these values has problems."""
    overrides = tuple(_override(key, value) for key, value in values.items())
    resolved = reading.load(file, overrides)
    if resolved.seeds:  # otherwise, the command of the cell would train all seeds of the recipe
        overrides = with_seed(overrides, resolved.seed)
    size = next((key for key in values if SIZE_KEY.fullmatch(key)), "data.0.samples")
    return Cell(
        file,
        overrides,
        name,
        arm=", ".join((recipe_name, *(str(values[key]) for key in ARMS if key in values))),
        entry=(entry := int(size.split(".")[1])),
        samples=resolved.data[entry].samples,
        seed=resolved.seed,
        choice=tuple((key, value) for key, value in values.items() if CHOICE_KEY.fullmatch(key)),
        resolved=resolved,
    )


def _order(cell: Cell, vary: Mapping[str, Sequence[Value]]) -> tuple[float, float]:
    """The sort key of a cell: its seed's index in `vary`, then its size. Cells with equal sort keys
    keep the order of the study file."""
    seeds = [*vary.get("seed", ())]
    return seeds.index(cell.seed) if seeds else 0, cell.samples or math.inf


def _not_comparable(cells: Sequence[Cell], vary: Mapping[str, Sequence[Value]]) -> Iterator[str]:
    """Messages about keys that differ between cells although they must not. There is one message
    for each of these keys under `vary`, and one for each recipe that differs from the first in
    other keys.

    These keys may differ: all keys in ARMS, and those under `vary` that are the seed, a size or a
    choice (CHOICE_KEY)."""
    free = {
        *ARMS,
        *(
            key
            for key in vary
            if key == "seed" or SIZE_KEY.fullmatch(key) or CHOICE_KEY.fullmatch(key)
        ),
    }
    first = dict(_flat(cells[0].resolved.model_dump(mode="json")))
    differing: dict[str, Path] = {}  # key -> the first recipe in which it differs
    for cell in cells[1:]:
        keys = dict(_flat(cell.resolved.model_dump(mode="json")))
        for key in keys.keys() | first.keys():
            if keys.get(key) != first.get(key) and key not in free:
                differing.setdefault(key, cell.recipe)
    for key in sorted(differing.keys() & vary.keys()):
        yield f"vary.{key}: runs with different values cannot be compared; {MAY_VARY}"
    not_varied = differing.keys() - vary.keys()
    for file in dict.fromkeys(differing.values()):
        keys_of_file = ", ".join(sorted(key for key in not_varied if differing[key] == file))
        if keys_of_file:
            yield (
                f"recipes: {cells[0].recipe} and {file} cannot be compared: they differ in"
                f" {keys_of_file}; use the same values in both"
            )


def _flat(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """The pair (key, value) for every plain value and every list of plain values inside `value`.
    The keys have the same form as in --set. `key`: the key of `value` itself; empty for a
    recipe."""
    if isinstance(value, list) and any(isinstance(item, dict) for item in value):
        value = dict(enumerate(value))
    if not isinstance(value, dict):
        yield key, value
        return
    for name, inner in value.items():
        yield from _flat(inner, f"{key}.{name}".lstrip("."))


def duplicates(cells: Sequence[Cell]) -> Iterator[str]:
    """A message for every cell that is the same run as an earlier one."""
    first: dict[str, Cell] = {}
    for cell in cells:
        other = first.setdefault(reading.digest(cell.resolved, None), cell)
        if other is not cell:
            yield f"vary: `{other.name}` and `{cell.name}` are the same run; keep one of them"
