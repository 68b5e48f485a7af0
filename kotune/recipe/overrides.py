"""`--set key=value`: one key of a recipe changed on the command line, under the recipe's own strict
rules."""

from typing import Any

from kotune.errors import RecipeError
from kotune.recipe import strict_yaml
from kotune.recipe.unseen import refuse_unseen


def apply(raw: strict_yaml.Written, override: str) -> None:
    """Apply one `a.b.0.c=value`; the value is YAML under the same strict rules."""
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise RecipeError(
            f"--set {strict_yaml.shown(override)}: expected key=value, for example --set"
            " axolotl.max_steps=60"
        )
    refuse_unseen(key, f"--set {strict_yaml.shown(key)}")
    value = strict_yaml.parse(text, f"--set {strict_yaml.shown(key)}") if text else None
    *parents, last = key.split(".")
    if len(parents) > strict_yaml.MAX_DEPTH:
        raise RecipeError(
            f"--set {strict_yaml.shown(key)}: nested too deeply; a recipe needs three levels"
        )
    place: Any = raw
    for step, name in enumerate(parents):
        if isinstance(place, dict):
            place = place.setdefault(name, {})
        else:
            place = _item(place, name, f"--set {strict_yaml.shown('.'.join(parents[: step + 1]))}")
    if isinstance(place, dict):
        place[last] = value
    else:
        _item(place, last, f"--set {strict_yaml.shown(key)}")
        place[int(last)] = value


def _item(place: Any, name: str, where: str) -> Any:
    if not isinstance(place, list):
        raise RecipeError(f"{where}: there is nothing inside a plain value; check the key")
    if name not in map(str, range(len(place))):
        raise RecipeError(
            f"{where}: the list has items 0 to {len(place) - 1}; give one of those numbers"
        )
    return place[int(name)]
