"""The score stage's job."""

from pathlib import Path

from kotune.recipe.schema import Limit
from kotune.score import scoring


def run(root: Path, tasks: dict[str, str | None], base: dict[str, str | None], limit: Limit, merge: list[str]) -> None:
    """Scores base and tuned in the run folder `root`. `tasks`: each with the local path of its source, None: the hub."""
    paths = {task: Path(path) if path else None for task, path in tasks.items()}
    scoring.score(root, paths, base, limit, merge)
