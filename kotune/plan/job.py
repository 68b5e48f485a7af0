"""A plan's job: the examples of a recipe counted with its model's tokenizer. Nothing is fetched."""

from contextlib import chdir
from pathlib import Path
from typing import Any

from kotune.models.loading import offline
from kotune.plan import counting
from kotune.recipe.schema import Recipe
from kotune.runs.folder import write_json


def run(root: Path, recipe: dict[str, Any], here: str) -> None:
    """Writes counted.json into `root`. `here`: the folder that a recipe's paths start from."""
    with chdir(here), offline():
        found = counting.in_folder(Recipe.model_validate(recipe), root)
    write_json(root / "counted.json", found)
