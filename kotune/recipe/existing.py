"""Defines what `kotune score` scores: a model or an adapter that is not trained here. It is
recorded in a run folder like a recipe, but it has no training data."""

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

import kodata
from kodata.errors import DataError, shown
from kodata.reading.regular import content
from kotune.errors import RecipeError
from kotune.layout import RECORD, WEIGHTS
from kotune.models.presets import PICKLES, PRESETS
from kotune.models.refusals import ADAPTER as CONFIG
from kotune.recipe.reading import validation_problems
from kotune.recipe.schema import Data, Recipe
from kotune_tasks.card import cards

NO_ADAPTER = "none"  # the value of `adapter` for a model without an adapter
MAX_CONFIG = 10_000_000  # bytes of an adapter_config.json
SEED = 0  # of every run folder; scoring does not depend on it


class Existing(Recipe):
    """A model, or an adapter with its base model. `adapter_path`: the adapter's folder; None for a
    model alone."""

    adapter: Literal["lora", "none"] = "none"  # type: ignore[assignment]  # no recipe has `none`
    data: tuple[Data, ...] = Field(default=(), max_length=0)
    adapter_path: Path | None = None


def existing(subject: Path, base: str | None, keys: dict[str, Any]) -> Existing:
    """What a command names as `subject`: a preset, a hub id, a model folder or an adapter's folder.

    `base`: the base model of an adapter, if adapter_config.json does not name one that is at hand.
    `keys`: other keys of the recipe, such as `tasks`. Raises RecipeError with all problems if the
    subject cannot be scored."""
    folder = subject.resolve() if (subject / CONFIG).is_file() else None
    if folder is None and (subject / RECORD).is_file():
        raise RecipeError(
            f"{subject}: a run folder, which is scored already; give its adapter, {subject}/model"
        )
    if folder is None and base is not None:
        raise RecipeError(f"--base {base}: {subject} is not an adapter's folder; leave it out")
    model = _base_of(subject, base) if folder else str(subject)
    adapter = "lora" if folder else NO_ADAPTER
    raw = {"model": model, "adapter": adapter, "adapter_path": folder, "seed": SEED, **keys}
    try:
        recipe = Existing.model_validate(raw)
    except ValidationError as error:
        problems = [line for line in validation_problems(error, Existing) if line]
        raise RecipeError("\n".join(f"{subject}: {problem}" for problem in problems)) from None
    for task in recipe.tasks:
        _require_data(task, recipe.data_path)
    return recipe


def _require_data(task: str, folders: dict[str, Path]) -> None:
    """Raise RecipeError if a task's data are neither on the hub nor shipped, and no folder is
    given."""
    source = kodata.SOURCES[cards()[task].source]
    if source.CARD.hub_id is None and source.CARD.name not in folders:
        try:
            source.files("test")
        except DataError as error:
            raise RecipeError(
                f"{task}: {error}; give the folder with --data {source.CARD.name}=FOLDER"
            ) from None


def _base_of(folder: Path, chosen: str | None) -> str:
    """The base model of the adapter in `folder`, as the name of a preset where there is one.
    `chosen`: the value of --base. Raises RecipeError if the base is unknown, or if `chosen` is
    another model than the adapter's."""
    if not (folder / WEIGHTS).is_file():
        pickled = any(file.suffix in PICKLES for file in folder.iterdir())
        reason = "has its weights only as a pickle, which can run code" * pickled
        raise RecipeError(f"{folder}: {reason or 'has no weights'}; give an adapter with {WEIGHTS}")
    trained_on = _preset(_named_base(folder))
    if chosen is None and not trained_on:
        raise RecipeError(f"{folder}: its {CONFIG} names no base model; give it with --base MODEL")
    if chosen is None and _is_missing(trained_on):
        raise RecipeError(
            f"{folder}: its base model {shown(trained_on)} is not here; give the model with --base"
            " MODEL"
        )
    if chosen is not None and trained_on and _is_other(trained_on, chosen):
        raise RecipeError(
            f"--base {chosen}: the adapter in {folder} was trained on {shown(trained_on)}; give"
            " that model, or leave --base out"
        )
    return chosen or trained_on


def _named_base(folder: Path) -> str:
    """The base model that an adapter_config.json names. Empty if it names none."""
    try:
        config = json.loads(content(folder / CONFIG, MAX_CONFIG))
    except (OSError, ValueError, RecursionError) as error:
        raise RecipeError(
            f"{folder / CONFIG}: cannot be read as JSON; give a whole adapter"
        ) from error
    name = config.get("base_model_name_or_path") if isinstance(config, dict) else None
    return name if isinstance(name, str) else ""


def _preset(base: str) -> str:
    """The name of the preset with this base. Without one, `base` itself."""
    names = (name for name, model in PRESETS.items() if base in (name, model.base))
    return next(names, base)


def _is_missing(name: str) -> bool:
    """Whether a base model is the path of a folder that does not exist."""
    return name not in PRESETS and Path(name).is_absolute() and not Path(name).is_dir()


def _is_other(trained_on: str, chosen: str) -> bool:
    """Whether two names of models can only be different models. A folder may be a copy of any
    model, so only presets and hub ids are compared."""
    is_folder = any(
        Path(name).is_absolute() or Path(name).is_dir()
        for name in (trained_on, chosen)
        if name not in PRESETS
    )
    return not is_folder and trained_on != _preset(chosen)
