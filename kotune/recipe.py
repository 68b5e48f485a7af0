"""A recipe is the whole experiment: read strictly, merged with nothing hidden, every problem told at once.

Messages have the form `file: key.path: what; what to do`. Nothing heavy is imported.
"""

import hashlib
import json
import re
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_core import ErrorDetails, PydanticCustomError

import kodata
from kotune import axolotl_schema, strict_yaml
from kotune.errors import RecipeError, did_you_mean
from kotune.models import PRESETS, TEMPLATES

ROOT = Path(__file__).parent.parent
DEFAULTS_FILE = ROOT / "recipes" / "defaults.yml"
TASKS = {path.stem: path for path in sorted((ROOT / "tasks").glob("*/*.yaml"))}
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
# Keys of Axolotl's that follow from the recipe's own keys, with the key to change instead.
OWNED = {
    "base_model": "model", "adapter": "adapter", "load_in_4bit": "adapter: qlora", "load_in_8bit": "adapter",
    "chat_template": "template", "chat_template_jinja": "template", "eot_tokens": "template", "seed": "seed",
    "test_datasets": "data", "val_set_size": "data", "trust_remote_code": "trust_remote_code",
    "output_dir": "--runs-dir", "dataset_prepared_path": "--runs-dir",
}  # fmt: skip


class Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Data(Strict):
    """One data source: `source` names a module of kodata, `path` a local copy that is read instead of the hub."""

    source: str
    form: Literal["label", "write"] = "label"
    path: Path | None = None
    samples: int | None = Field(default=None, gt=0)

    @field_validator("source")
    @classmethod
    def _known_source(cls, name: str) -> str:
        return _known(name, kodata.SOURCES, "source")

    @field_validator("path")
    @classmethod
    def _existing_path(cls, path: Path | None) -> Path | None:
        if path is not None and not path.exists():
            raise PydanticCustomError(
                "path", f"`{path}` does not exist; give the folder that holds the data, or leave path out"
            )
        return path


class Recipe(Strict):
    """The resolved recipe. `axolotl` holds only what the recipe itself says; defaults are laid under it when rendering."""

    model: str
    adapter: Literal["lora", "qlora"]
    template: str | None = None
    data: tuple[Data, ...] = Field(min_length=1)
    tasks: tuple[str, ...] = Field(min_length=1)
    seed: int = Field(ge=0, lt=2**32)
    trust_remote_code: bool = False
    axolotl: dict[str, Any] = {}

    @field_validator("model")
    @classmethod
    def _known_model(cls, name: str) -> str:
        if name in PRESETS or HUB_ID.fullmatch(name) or Path(name).is_dir():
            return name
        hint = did_you_mean(name, PRESETS)
        raise PydanticCustomError("model", f"`{name}` is no preset, no hub id (owner/name) and no folder{hint}")

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
        return tuple(_known(name, TASKS, "task") for name in names)


class Defaults(Strict):
    """recipes/defaults.yml: `axolotl` for all, then `cpu` or `cuda` over it; a recipe's own `axolotl` comes last."""

    adapter: Literal["lora", "qlora"]
    seed: int
    axolotl: dict[str, Any]
    cpu: dict[str, Any]
    cuda: dict[str, Any]


def load(path: Path, overrides: tuple[str, ...] = ()) -> Recipe:
    """The recipe in `path` with `--set key=value` overrides. RecipeError lists every problem found."""
    raw = strict_yaml.load(path)
    for override in overrides:
        _set(raw, override)
    raw = {"adapter": defaults().adapter, "seed": defaults().seed, **raw}
    raw.setdefault("tasks", _own_tasks(raw.get("data")))
    problems = _axolotl_problems(raw.get("axolotl"))
    try:
        recipe = Recipe.model_validate(raw)
    except ValidationError as error:
        problems = [_told(detail) for detail in error.errors()] + problems
    if problems:
        raise RecipeError("\n".join(f"{path}: {problem}" for problem in problems))
    return recipe


def defaults() -> Defaults:
    """recipes/defaults.yml, checked as strictly as a recipe."""
    raw = strict_yaml.load(DEFAULTS_FILE)
    problems = [p for key in ("axolotl", "cpu", "cuda") for p in _axolotl_problems(raw.get(key), key)]
    try:
        checked = Defaults.model_validate(raw)
    except ValidationError as error:
        problems += [_told(detail) for detail in error.errors()]
    if problems:
        raise RecipeError("\n".join(f"{DEFAULTS_FILE}: {problem}" for problem in problems))
    return checked


def digest(recipe: Recipe, limit: int | None) -> str:
    """Eight hex digits that change with anything that can change a result: recipe, defaults, limit."""
    whole = [recipe.model_dump(mode="json"), defaults().model_dump(mode="json"), limit]
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()[:8]


def _own_tasks(data: Any) -> list[str]:
    """Without `tasks`, each source is scored by its own task. Entries that are wrong are told by validation."""
    names = [entry.get("source") for entry in data if isinstance(entry, dict)] if isinstance(data, list) else []
    tasks = [kodata.source(name).CARD.task for name in names if isinstance(name, str) and name in kodata.SOURCES]
    return list(dict.fromkeys(tasks)) or list(TASKS)[:1]


def _known(name: str, known: Any, kind: str) -> str:
    if name not in known:
        raise PydanticCustomError(kind, f"unknown {kind} `{name}`{did_you_mean(name, known)}")
    return name


def _set(raw: dict[str, Any], override: str) -> None:
    """Apply one `a.b.0.c=value`; the value is YAML under the same strict rules."""
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise RecipeError(f"--set {override}: expected key=value, for example --set axolotl.max_steps=60")
    value = strict_yaml.parse(text, f"--set {key}") if text else None
    *parents, last = key.split(".")
    place: Any = raw
    for step, name in enumerate(parents):
        if isinstance(place, dict):
            place = place.setdefault(name, {})
        else:
            place = _item(place, name, f"--set {'.'.join(parents[: step + 1])}")
    if isinstance(place, dict):
        place[last] = value
    else:
        _item(place, last, f"--set {key}")
        place[int(last)] = value


def _item(place: Any, name: str, where: str) -> Any:
    if not isinstance(place, list):
        raise RecipeError(f"{where}: there is nothing inside a plain value; check the key")
    if not name.isdecimal() or int(name) >= len(place):
        raise RecipeError(f"{where}: the list has items 0 to {len(place) - 1}; give one of those numbers")
    return place[int(name)]


def _told(detail: ErrorDetails) -> str:
    """One pydantic error as `key.path: what; what to do`."""
    key = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "extra_forbidden":
        model = Data if detail["loc"][0] == "data" else Recipe
        return f"{key}: unknown key{did_you_mean(str(detail['loc'][-1]), model.model_fields)}"
    if detail["type"] == "missing":
        return f"{key}: missing; add `{detail['loc'][-1]}:` (recipes/README.md describes every key)"
    if detail["type"] in ("source", "path", "model", "template", "task"):
        return f"{key}: {detail['msg']}"
    return f"{key}: {detail['msg'][0].lower()}{detail['msg'][1:]}, found `{str(detail['input'])[:80]}`"


def _axolotl_problems(block: Any, key: str = "axolotl") -> list[str]:
    """What Axolotl would drop without a word or fail on late, and keys that the recipe sets elsewhere."""
    if block is None or not isinstance(block, dict):
        return []
    problems = []
    for name in block:
        if name in OWNED:
            problems.append(f"{key}.{name}: kotune sets this from the recipe; use `{OWNED[name]}` instead")
        elif name == "plugins":
            problems.append(f"{key}.plugins: a plugin runs foreign code and is not accepted in a recipe; remove it")
    return problems + [f"{key}.{path}: {what}" for path, what in axolotl_schema.problems(block)]
