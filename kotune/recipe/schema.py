"""Defines the schema of a recipe as pydantic models. A recipe and recipes/defaults.yml together
define an experiment completely. Unknown keys are errors.

A message has the form `problem; what to do`. kotune.recipe.reading adds the file and the key."""

import re
from collections.abc import Callable
from itertools import chain, count, islice
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

import kodata
from kodata.card import Source
from kodata.errors import DataError, Translatable, did_you_mean, visible
from kodata.prepare.split import VALIDATION_ROWS
from kodata.reading.hub import is_commit
from kodata.stored import as_stored
from kotune.errors import RecipeError
from kotune.models import sizes
from kotune.models.presets import PRESETS, TEMPLATES, pickled_weights, template_file_problem
from kotune.models.refusals import refuse
from kotune.models.template_kwargs import kwargs_problem
from kotune.recipe.axolotl_keys import AxolotlConfig
from kotune.recipe.strict_yaml import shown
from kotune_tasks.card import cards, groups

# The number of items to score per task. `quick` means the small number that each task sets. None
# means all items.
Limit = int | Literal["quick"] | None
Seed = Annotated[int, Field(ge=0, lt=2**32, strict=True)]
MAX_SEEDS = 10
MAX_LISTED = 20  # maximum number of entries in `data`, and of problems listed in one message
GGUF = ".gguf"
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


class Strict(BaseModel):
    """The base class of the models. Instances cannot be changed, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Data(Strict):
    """One entry of `data`.

    - `source`: the name of a data source of kodata
    - `form`: how a record becomes a chat, one of the source's FORMS; the default is the first
    - `path`: the folder of a local copy, which is read instead of the hub
    - `revision`: a commit of the hub; the default is the commit on the source's card
    - `samples`, `weight`, `system`: as in kodata.prepare.entries.Entry
    - `test_share`: the share of groups that is held out for scoring (kodata.test_part). Only for
      data without a test part. The default is the share on the source's card.
    """

    source: str
    form: str | None = Field(default=None, validate_default=True)
    path: Path | None = Field(default=None, validate_default=True)
    revision: str | None = None
    samples: int | None = Field(default=None, gt=0, strict=True)
    weight: float = Field(default=1.0, gt=0, le=100, strict=True)
    system: Literal["refuse", "merge"] = "refuse"
    test_share: float | None = Field(default=None, ge=0, lt=1, strict=True)

    @field_validator("source")
    @classmethod
    def _known_source(cls, name: str) -> str:
        if "train" not in kodata.SOURCES[_known(name, kodata.SOURCES, "source")].SPLITS:
            task = kodata.SOURCES[name].CARD.task
            raise PydanticCustomError(
                "source", f"`{name}` is for scoring only; name {task} in `tasks` instead"
            )
        return name

    @field_validator("form")
    @classmethod
    def _form_of_source(cls, form: str | None, info: ValidationInfo) -> str | None:
        if "source" not in info.data:  # the source was refused
            return form
        forms = kodata.SOURCES[info.data["source"]].FORMS
        return forms[0] if form is None else _known(form, forms, "form")

    @field_validator("path")
    @classmethod
    def _existing_path(cls, path: Path | None, info: ValidationInfo) -> Path | None:
        if path is None and "source" in info.data:
            _check_path_not_needed(kodata.SOURCES[info.data["source"]])
        return None if path is None else _folder(path)

    @field_validator("revision")
    @classmethod
    def _commit_of_hub(cls, revision: str | None, info: ValidationInfo) -> str | None:
        if revision is None or "source" not in info.data:
            return revision
        if not is_commit(revision):
            message = f"`{shown(revision)}` is not a commit of the hub; give its 40 hex digits"
            raise PydanticCustomError("revision", message)
        if kodata.SOURCES[info.data["source"]].CARD.hub_id is None:
            raise PydanticCustomError(
                "revision", f"{info.data['source']} is not on the hub; leave it out"
            )
        if info.data.get("path"):
            raise PydanticCustomError(
                "revision", "a local copy has no commit; give only one of `path` and `revision`"
            )
        return revision

    @field_validator("test_share")
    @classmethod
    def _share_for_held_out_groups(cls, share: float | None, info: ValidationInfo) -> float | None:
        source = kodata.SOURCES.get(info.data.get("source", ""))
        if share is not None and source and source.CARD.test_share is None:
            raise PydanticCustomError(
                "test_share", f"{source.CARD.name} has a test part of its own; leave it out"
            )
        return share

    @property
    def location(self) -> Path | None:
        """Where kodata and the tasks read the data: a folder, or a hub commit as a Path. None means
        the hub commit on the source's card, or the data shipped with kotune."""
        return Path(self.revision) if self.revision else self.path


class Recipe(Strict):
    """A checked recipe. `axolotl` has only the keys that the recipe itself sets. The defaults are
    added in kotune.train.config."""

    model: str
    adapter: Literal["lora", "qlora"]
    template: str | None = None
    # Values of variables that the template reads (kotune.models.template_kwargs).
    template_kwargs: dict[str, Any] = {}
    data: tuple[Data, ...] = Field(min_length=1, max_length=MAX_LISTED)
    tasks: tuple[str, ...] = Field(min_length=1)
    # By source, the folder of its test data. Only for sources that a task scores and that are not
    # in `data`.
    data_path: dict[str, Path] = {}
    leaks: Literal["drop", "refuse", "keep"] = "drop"
    validation_rows: int = Field(default=VALIDATION_ROWS, gt=0, le=100_000, strict=True)
    seed: Seed
    # The seeds that one `kotune run` trains one after another. The first one is also `seed`. Each
    # seed has its own run folder, whose recipe.yml and hash have only `seed` and not this key.
    seeds: tuple[Seed, ...] = Field(default=(), exclude=True)
    axolotl: AxolotlConfig = {}

    @field_validator("model")
    @classmethod
    def _known_model(cls, name: str) -> str:
        return known_model(name)

    @field_validator("template")
    @classmethod
    def _known_template(cls, name: str | None) -> str | None:
        if name is None or name == "own" or name in TEMPLATES:
            return name
        if not _exists(Path(name), Path.is_file):
            hint = did_you_mean(name, [*TEMPLATES, "own"])
            message = f"`{shown(name)}` is not a template of kotune's or a file{hint}"
        elif not (message := template_file_problem(Path(name))):
            return name
        raise PydanticCustomError("template", message)

    @field_validator("template_kwargs")
    @classmethod
    def _known_kwargs(cls, kwargs: dict[str, Any]) -> dict[str, Any]:
        if problem := kwargs_problem(kwargs):
            raise PydanticCustomError("template_kwargs", "{problem}", {"problem": problem})
        return kwargs

    @field_validator("tasks")
    @classmethod
    def _known_tasks(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        """The names of the tasks. `names` may contain groups, which are replaced by their tasks."""
        known = {name: (name,) for name in cards()} | groups()
        tasks = tuple(task for name in names for task in known[_known(name, known, "task")])
        if twice := next((task for task in tasks if tasks.count(task) > 1), None):
            raise PydanticCustomError(
                "task", f"a task is named twice: {twice} (a group includes its tasks); keep one"
            )
        return tasks

    @field_validator("data_path")
    @classmethod
    def _folders_of_other_sources(
        cls, folders: dict[str, Path], info: ValidationInfo
    ) -> dict[str, Path]:
        trained = {entry.source for entry in info.data.get("data", ())}
        scored = {cards()[task].source for task in info.data.get("tasks", cards())}
        for source in folders:
            if _known(source, kodata.SOURCES, "source") in trained:
                raise PydanticCustomError(
                    "path", f"{source} is trained on; give `path` in its entry of `data` instead"
                )
            if source not in scored:
                raise PydanticCustomError(
                    "path", f"no task of the recipe scores {source}; leave it out"
                )
        return {source: _folder(path) for source, path in folders.items()}

    @field_validator("data")
    @classmethod
    def _no_entry_twice(cls, entries: tuple[Data, ...]) -> tuple[Data, ...]:
        if len({(entry.source, entry.form) for entry in entries}) < len(entries):
            raise PydanticCustomError(
                "source", "two entries have the same source and form; keep one"
            )
        for key in ("path", "revision", "test_share"):
            first: dict[str, object] = {}
            for entry in entries:
                value = getattr(entry, key)
                if first.setdefault(entry.source, value) != value:
                    message = (
                        f"two entries of {entry.source} have different values of `{key}`, but one"
                        " task scores both; use the same value"
                    )
                    raise PydanticCustomError("source", message)
        return entries

    @field_validator("validation_rows")
    @classmethod
    def _enough_for_every_entry(cls, rows: int, info: ValidationInfo) -> int:
        if rows < (entries := len(info.data.get("data", ()))):
            message = (
                f"{rows} rows for {entries} data entries, but each entry gives at least one row;"
                f" set {entries} or more"
            )
            raise PydanticCustomError("validation_rows", message)
        return rows

    @field_validator("seeds")
    @classmethod
    def _different_seeds(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if not 1 <= len(seeds) <= MAX_SEEDS:
            message = f"{len(seeds)} seeds; give 1 to {MAX_SEEDS}, or leave the key out"
            raise PydanticCustomError("seeds", message)
        if twice := [seed for seed in dict.fromkeys(seeds) if seeds.count(seed) > 1]:
            message = f"{twice[0]} is named twice, but trains the same adapter again; keep one"
            raise PydanticCustomError("seeds", message)
        return seeds

    def all_seeds(self, number: int | None = None) -> tuple[int, ...]:
        """The seeds to train. If `number` is None, these are the recipe's seeds.

        Otherwise these are the first `number` seeds of the recipe. If the recipe has fewer, 1, 2,
        3, ... are added, except those that it has. Raises RecipeError if `number` is not between 1
        and MAX_SEEDS."""
        if number is not None and not 1 <= number <= MAX_SEEDS:
            raise RecipeError(f"--seeds {number}: give a number of seeds, 1 to {MAX_SEEDS}")
        named = self.seeds or (self.seed,)
        more = (seed for seed in count(1) if seed not in named)
        return tuple(islice(chain(named, more), len(named) if number is None else number))


class Defaults(Strict):
    """The content of recipes/defaults.yml. The keys of `cpu` or `cuda`, depending on the device,
    override those of `axolotl`. The `axolotl` block of a recipe overrides both."""

    adapter: Literal["lora", "qlora"]
    seed: int
    axolotl: AxolotlConfig
    cpu: AxolotlConfig
    cuda: AxolotlConfig


def known_model(name: str) -> str:
    """The name of a model, which is a preset, a hub id or a folder. The path of a folder has the
    Unicode form that the disk has. Raises PydanticCustomError if the model cannot be used."""
    stored = as_stored(Path(name))
    if name not in PRESETS and stored != Path(name):
        name = str(stored)
    if name not in PRESETS and _exists(Path(name) / "config.json", Path.is_file):
        _refuse_folder(name)
        return name
    if _is_gguf(Path(name)):
        message = (
            f"`{shown(name)}` holds GGUF weights, which cannot be trained; give the model's folder"
            " with safetensors, or its hub id"
        )
        raise PydanticCustomError("model", message)
    if name in PRESETS or _is_hub_id(name):
        return name
    message = Translatable(
        "`{name}` is not a preset, a hub id (owner/name) or a model folder{hint}",
        name=shown(name),
        hint=did_you_mean(name, PRESETS),
    )
    raise PydanticCustomError("model", "{message}", {"message": message})


def _is_gguf(path: Path) -> bool:
    """Whether a path is a GGUF file, or a folder that has one."""
    if path.suffix.lower() == GGUF:
        return _exists(path, Path.exists)
    return _exists(path, Path.is_dir) and any(
        file.suffix.lower() == GGUF for file in islice(path.iterdir(), MAX_LISTED)
    )


def limit(value: Any) -> Limit:
    """`value`, if it is a valid Limit. Raises ValueError otherwise."""
    if value in (None, "quick") or (type(value) is int and value > 0):
        return value  # type: ignore[no-any-return]
    raise ValueError(f"`{shown(value)}` is neither a number of items, 1 or more, nor quick")


def _refuse_folder(name: str) -> None:
    """Raises PydanticCustomError if the model folder `name` must not be loaded."""
    try:
        refuse(name, Path(name))
        sizes.refuse(name, Path(name))
    except RecipeError as error:
        raise PydanticCustomError("model", visible(str(error))) from None
    if weights := pickled_weights(Path(name)):
        message = (
            f"`{shown(name)}` has its weights only as {weights}, and a pickle can run code;"
            " convert it to safetensors"
        )
        raise PydanticCustomError("model", message)


def _check_path_not_needed(source: Source) -> None:
    """Raises PydanticCustomError if a source's data are neither on the hub nor shipped with kotune.
    A recipe must then give `path`."""
    if source.CARD.hub_id is None:
        try:
            source.files("train")
        except DataError as error:
            raise PydanticCustomError("path", "{message}", {"message": str(error)}) from None


def _folder(path: Path) -> Path:
    """The path of a folder, in the Unicode form that the disk has. Raises PydanticCustomError if
    `path` is not a folder or cannot be examined."""
    stored = as_stored(path)
    if not _exists(stored, Path.is_dir):
        message = Translatable(
            "`{path}` is not a folder; give the folder that holds the data"
            if stored.exists()
            else "`{path}` does not exist; give the folder that holds the data",
            path=shown(path),
        )
        raise PydanticCustomError("path", "{message}", {"message": message})
    return stored


def _exists(path: Path, is_kind: Callable[[Path], bool]) -> bool:
    """The result of `is_kind(path)`. `is_kind`: Path.is_file or Path.is_dir. Raises
    PydanticCustomError if the path cannot be examined."""
    try:
        return is_kind(path)
    except OSError as error:
        raise PydanticCustomError(
            "path", f"`{shown(path)}`: {error.strerror}; give another path"
        ) from None


def _known(name: str, known: Any, kind: str) -> str:
    """`name`, if `known` contains it. Raises PydanticCustomError otherwise. `kind`: what the name
    stands for, such as `task`. It is used in the message, and as the type of the error."""
    if name not in known:
        message = Translatable(
            "unknown {kind} `{name}`{hint}",
            kind=kind,
            name=shown(name),
            hint=did_you_mean(name, known),
        )
        raise PydanticCustomError(kind, "{message}", {"message": message})
    return name


def _is_hub_id(name: str) -> bool:
    """Whether a text has the form owner/name and follows the hub's rules for names. The rules are
    those of validate_repo_id() in huggingface_hub."""
    return (
        bool(HUB_ID.fullmatch(name))
        and len(name) <= 96
        and not re.search(r"--|\.\.|\.git$|[-.]$|[-.]/", name)
    )
