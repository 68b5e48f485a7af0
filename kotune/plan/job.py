"""A plan's job: the examples of a recipe counted with its model's tokenizer. Nothing is fetched."""

from contextlib import chdir
from dataclasses import asdict
from pathlib import Path

from kotune.models.loading import offline
from kotune.plan import counting
from kotune.recipe.schema import Recipe
from kotune.runs.folder import write_json


def run(root: Path, recipe: dict[str, object], here: str) -> None:
    """Writes counted.json into `root`. `here`: the folder that a recipe's paths start from."""
    with chdir(here), offline():
        counted = counting.in_folder(Recipe.model_validate(recipe), root)
    made = {"absent": counted} if isinstance(counted, str) else asdict(counted)
    write_json(root / "counted.json", made)
