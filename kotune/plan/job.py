"""The job of a plan's child process: counts a recipe's examples with its model's tokenizer. Nothing
is downloaded."""

from contextlib import chdir
from dataclasses import asdict
from pathlib import Path

from kotune.models.loading import offline
from kotune.plan import counting
from kotune.recipe.schema import Recipe
from kotune.runs.folder import write_json


def run(root: Path, recipe: dict[str, object], here: str) -> None:
    """Write counted.json into `root`. `here`: the folder to which the recipe's paths are
    relative."""
    with chdir(here), offline():
        counted = counting.in_folder(Recipe.model_validate(recipe), root)
    made = {"absent": counted} if isinstance(counted, str) else asdict(counted)
    write_json(root / "counted.json", made)
