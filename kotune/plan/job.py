"""The job of a plan's child process. It counts a recipe's examples with the model's tokenizer and
downloads nothing."""

from contextlib import chdir
from dataclasses import asdict
from pathlib import Path

from kotune.models.loading import offline
from kotune.plan import counting
from kotune.recipe.schema import Recipe
from kotune.runs.folder import write_json


def run(root: Path, recipe: dict[str, object], here: str) -> None:
    """Write the counts of a recipe to counted.json in `root`. If the data are not on this machine,
    the file has only `absent`, the reason. `recipe`: the recipe as JSON; `here`: the folder to
    which its paths are relative."""
    with chdir(here), offline():
        counted = counting.in_folder(Recipe.model_validate(recipe), root)
    content = {"absent": counted} if isinstance(counted, str) else asdict(counted)
    write_json(root / "counted.json", content)
