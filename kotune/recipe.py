"""A recipe is the whole experiment: read strictly, merged with nothing hidden, every problem told at once.

Messages have the form `file: key.path: what; what to do`. Nothing heavy is imported.
"""

import hashlib
import json
import re
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator
from pydantic_core import ErrorDetails, PydanticCustomError

import kodata
from kodata.card import Source
from kodata.errors import DataError, did_you_mean
from kodata.hub import is_commit
from kotune import axolotl_block, strict_yaml
from kotune.errors import RecipeError
from kotune.models import PRESETS, TEMPLATES
from kotune.overrides import apply
from tasks.card import cards, groups

ROOT = Path(__file__).parent.parent
DEFAULTS_FILE = ROOT / "recipes" / "defaults.yml"
Limit = (
    int | Literal["quick"] | None
)  # items to score of each task: so many, as many as the task calls a quick look, or all
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


class Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Data(Strict):
    """One data source: `source` names a module of kodata, `form` one of its forms (the first where it is not given),
    `path` a local copy that is read instead of the hub, `revision` a commit of the hub other than the source's own."""

    source: str
    form: str | None = Field(default=None, validate_default=True)
    path: Path | None = Field(default=None, validate_default=True)
    revision: str | None = None
    samples: int | None = Field(default=None, gt=0, strict=True)
    weight: float = Field(default=1.0, gt=0, le=100)

    @field_validator("source")
    @classmethod
    def _known_source(cls, name: str) -> str:
        if "train" not in kodata.SOURCES[_known(name, kodata.SOURCES, "source")].SPLITS:
            task = kodata.SOURCES[name].CARD.task
            raise PydanticCustomError("source", f"`{name}` is for scoring only; name {task} in `tasks` instead")
        return name

    @field_validator("form")
    @classmethod
    def _form_of_source(cls, form: str | None, info: ValidationInfo) -> str | None:
        if "source" not in info.data:  # refused already
            return form
        forms = kodata.SOURCES[info.data["source"]].FORMS
        return forms[0] if form is None else _known(form, forms, "form")

    @field_validator("path")
    @classmethod
    def _existing_path(cls, path: Path | None, info: ValidationInfo) -> Path | None:
        if path is None and "source" in info.data:
            _need_no_path(kodata.SOURCES[info.data["source"]])
        if path is not None:
            _need_folder(path)
        return path

    @field_validator("revision")
    @classmethod
    def _commit_of_hub(cls, revision: str | None, info: ValidationInfo) -> str | None:
        if revision is None or "source" not in info.data:
            return revision
        if not is_commit(revision):
            raise PydanticCustomError("revision", f"`{revision}` is no commit of the hub; give its 40 hex digits")
        if kodata.SOURCES[info.data["source"]].CARD.hub_id is None:
            raise PydanticCustomError("revision", f"{info.data['source']} is not on the hub; leave it out")
        if info.data.get("path"):
            raise PydanticCustomError("revision", "a local copy has no commit; leave out `path` or `revision`")
        return revision

    @property
    def place(self) -> Path | None:
        """Where kodata and the tasks read the data: a folder, or a commit, which stands where a folder may; None: the card's."""
        return Path(self.revision) if self.revision else self.path


class Recipe(Strict):
    """The resolved recipe. `axolotl` holds only what the recipe itself says; defaults are laid under it when rendering."""

    model: str
    adapter: Literal["lora", "qlora"]
    template: str | None = None
    data: tuple[Data, ...] = Field(min_length=1)
    tasks: tuple[str, ...] = Field(min_length=1)
    data_path: dict[str, Path] = {}  # source: where its test data lies, for tasks whose source is not trained on
    leaks: Literal["drop", "refuse", "keep"] = "drop"
    seed: int = Field(ge=0, lt=2**32, strict=True)
    axolotl: dict[str, Any] = {}

    @field_validator("model")
    @classmethod
    def _known_model(cls, name: str) -> str:
        if name in PRESETS or _is_hub_id(name) or (Path(name) / "config.json").is_file():
            return name
        hint = did_you_mean(name, PRESETS)
        raise PydanticCustomError("model", f"`{name}` is no preset, no hub id (owner/name) and no model folder{hint}")

    @field_validator("template")
    @classmethod
    def _known_template(cls, name: str | None) -> str | None:
        if name in (None, "own") or name in TEMPLATES or Path(str(name)).is_file():
            return name
        hint = did_you_mean(str(name), [*TEMPLATES, "own"])
        raise PydanticCustomError("template", f"`{name}` is no template of ours and no file{hint}")

    @field_validator("tasks")
    @classmethod
    def _known_tasks(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        """The names of tasks; a group stands for its own."""
        known = {name: (name,) for name in cards()} | groups()
        tasks = tuple(task for name in names for task in known[_known(name, known, "task")])
        if twice := next((task for task in tasks if tasks.count(task) > 1), None):
            raise PydanticCustomError("task", f"a task is named twice: {twice} (a group names its tasks); keep one")
        return tasks

    @field_validator("data_path")
    @classmethod
    def _places_of_other_sources(cls, places: dict[str, Path], info: ValidationInfo) -> dict[str, Path]:
        trained = {entry.source for entry in info.data.get("data", ())}
        for source, path in places.items():
            if _known(source, kodata.SOURCES, "source") in trained:
                raise PydanticCustomError("path", f"{source} is trained on; give `path` in its entry of `data` instead")
            _need_folder(path)
        return places

    @field_validator("data")
    @classmethod
    def _no_entry_twice(cls, entries: tuple[Data, ...]) -> tuple[Data, ...]:
        if len({(entry.source, entry.form) for entry in entries}) < len(entries):
            raise PydanticCustomError("source", "two entries have the same source and form; keep one")
        return entries


class Defaults(Strict):
    """recipes/defaults.yml: `axolotl` for all, then `cpu` or `cuda` over it; a recipe's own `axolotl` comes last."""

    adapter: Literal["lora", "qlora"]
    seed: int
    axolotl: dict[str, Any]
    cpu: dict[str, Any]
    cuda: dict[str, Any]


def load(path: Path, overrides: tuple[str, ...] = ()) -> Recipe:
    """The recipe in `path` with `--set key=value` overrides. RecipeError lists every problem found."""
    raw = {
        key: value for key, value in strict_yaml.load(path).items() if value is not None
    }  # `axolotl:` alone says nothing
    for override in overrides:
        apply(raw, override)
    raw = {"adapter": defaults().adapter, "seed": defaults().seed, **raw}
    raw.setdefault("tasks", _own_tasks(raw.get("data")))
    problems = axolotl_block.problems(raw.get("axolotl"), under=defaults().axolotl)
    try:
        recipe = Recipe.model_validate(raw)
    except ValidationError as error:
        problems = _all_told(error) + problems
    except OSError as error:
        problems = [f"`{str(error.filename)[:60]}...`: {error.strerror}; give a shorter path", *problems]
    if problems:
        raise RecipeError("\n".join(f"{path}: {problem}" for problem in problems))
    return recipe


def defaults() -> Defaults:
    """recipes/defaults.yml, checked as strictly as a recipe."""
    raw = strict_yaml.load(DEFAULTS_FILE)
    problems = [p for key in ("axolotl", "cpu", "cuda") for p in axolotl_block.problems(raw.get(key), key)]
    try:
        checked = Defaults.model_validate(raw)
    except ValidationError as error:
        problems += _all_told(error)
    if problems:
        raise RecipeError("\n".join(f"{DEFAULTS_FILE}: {problem}" for problem in problems))
    return checked


def digest(recipe: Recipe, limit: Limit) -> str:
    """Eight hex digits that change with anything that can change a result: recipe, defaults, limit."""
    whole = [recipe.model_dump(mode="json"), defaults().model_dump(mode="json"), limit]
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()[:8]


def _own_tasks(data: Any) -> list[str]:
    """Without `tasks`, each source is scored by its own task. Entries that are wrong are told by validation."""
    names = [entry.get("source") for entry in data if isinstance(entry, dict)] if isinstance(data, list) else []
    tasks = [kodata.source(name).CARD.task for name in names if isinstance(name, str) and name in kodata.SOURCES]
    return list(dict.fromkeys(tasks)) or list(cards())[:1]


def _need_no_path(source: Source) -> None:
    """A source that is neither on the hub nor shipped says what must lie at `path`."""
    if source.CARD.hub_id is None:
        try:
            source.files("train")
        except DataError as error:
            raise PydanticCustomError("path", "{told}", {"told": str(error)}) from None


def _need_folder(path: Path) -> None:
    if not path.is_dir():
        found = "is not a folder" if path.exists() else "does not exist"
        raise PydanticCustomError("path", f"`{path}` {found}; give the folder that holds the data")


def _known(name: str, known: Any, kind: str) -> str:
    if name not in known:
        raise PydanticCustomError(kind, f"unknown {kind} `{name}`{did_you_mean(name, known)}")
    return name


def _is_hub_id(name: str) -> bool:
    """owner/name under the hub's own rules (huggingface_hub's validate_repo_id)."""
    return bool(HUB_ID.fullmatch(name)) and len(name) <= 96 and not re.search(r"--|\.\.|\.git$|[-.]$|[-.]/", name)


def _all_told(error: ValidationError) -> list[str]:
    """Every pydantic error once; that a list is too short after its items were refused is no news."""
    details = error.errors()
    deep = {detail["loc"][0] for detail in details if len(detail["loc"]) > 1}
    return [_told(detail) for detail in details if detail["type"] != "too_short" or detail["loc"][0] not in deep]


def _told(detail: ErrorDetails) -> str:
    """One pydantic error as `key.path: what; what to do`."""
    key = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "extra_forbidden":
        model = Data if detail["loc"][0] == "data" else Recipe
        return f"{key}: unknown key{did_you_mean(str(detail['loc'][-1]), model.model_fields)}"
    if detail["type"] == "missing":
        return f"{key}: missing; add `{detail['loc'][-1]}:` (recipes/README.md describes every key)"
    if detail["type"] in ("source", "form", "path", "revision", "model", "template", "task"):
        return f"{key}: {detail['msg']}"
    return f"{key}: {detail['msg'][0].lower()}{detail['msg'][1:]}, found `{str(detail['input'])[:80]}`"
