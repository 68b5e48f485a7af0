"""The entry point of the score stage's process."""

from pathlib import Path
from typing import Any

from kotune.recipe.schema import Limit
from kotune.runs.task_data import TaskData
from kotune.score import scoring


def run(
    root: Path,
    tasks: dict[str, list[Any]],
    base: dict[str, str | None],
    limit: Limit,
    variants: list[str],
) -> None:
    """Score the base and the tuned model in the run folder `root`. `tasks`: each task's TaskData as
    JSON. `limit`: as in a recipe. `base` and `variants`: as in scoring.score()."""
    data = {task: TaskData.from_json(of_task) for task, of_task in tasks.items()}
    scoring.score(root, data, base, limit, tuple(variants))
