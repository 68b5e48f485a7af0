"""Applies the option `--set key=value`, which changes one key of a recipe. The value must follow
the same rules as a value in a recipe file."""

from collections.abc import Sequence
from typing import Any

from kodata.errors import Translatable
from kotune.errors import RecipeError
from kotune.recipe import strict_yaml
from kotune.recipe.unseen import refuse_unseen

# A recipe may have only one of `seed` and `seeds`. So setting one of them removes the other.
REPLACED = {"seed": "seeds", "seeds": "seed"}


def apply(raw: strict_yaml.Written, override: str) -> None:
    """Set one key of `raw`, the content of a recipe, in place.

    `override` has the form `a.b.0.c=value`, where 0 is the index of a list item. The value is YAML
    under the rules of strict_yaml.py. An empty value means null. Raises RecipeError if the key or
    the value is invalid."""
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise RecipeError(
            Translatable(
                "--set {override}: expected key=value, for example --set axolotl.max_steps=60",
                override=strict_yaml.shown(override),
            )
        )
    refuse_unseen(key, f"--set {strict_yaml.shown(key)}")
    value = strict_yaml.parse(text, f"--set {strict_yaml.shown(key)}") if text else None
    *parents, last = key.split(".")
    if len(parents) > strict_yaml.MAX_DEPTH:
        raise RecipeError(
            f"--set {strict_yaml.shown(key)}: nested too deeply; a recipe needs three levels"
        )
    parent: Any = raw
    for depth, name in enumerate(parents, start=1):
        if isinstance(parent, dict):
            parent = parent.setdefault(name, {})
        else:
            parent = _item(parent, name, f"--set {strict_yaml.shown('.'.join(parents[:depth]))}")
    if isinstance(parent, dict):
        parent[last] = value
    else:
        _item(parent, last, f"--set {strict_yaml.shown(key)}")
        parent[int(last)] = value
    if (replaced := REPLACED.get(key.partition(".")[0])) is not None:
        raw.pop(replaced, None)


def with_seed(overrides: Sequence[str], seed: int) -> tuple[str, ...]:
    """The overrides for a run with one seed: those given, without `seed` and `seeds`, and then
    `seed=N`."""
    kept = (each for each in overrides if each.partition("=")[0].split(".")[0] not in REPLACED)
    return (*kept, f"seed={seed}")


def _item(parent: Any, name: str, where: str) -> Any:
    """The item of a list at the index `name`. Raises RecipeError if `parent` is not a list or has
    no such item. `where`: the option and key, for the message."""
    if not isinstance(parent, list):
        raise RecipeError(f"{where}: a plain value has no keys inside it; check the key")
    if name not in map(str, range(len(parent))):
        raise RecipeError(
            f"{where}: the list has items 0 to {len(parent) - 1}; give one of those numbers"
        )
    return parent[int(name)]
