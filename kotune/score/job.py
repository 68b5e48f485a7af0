"""The entry point of the score stage's process."""

from pathlib import Path
from typing import Any

from kotune.recipe.schema import Limit
from kotune.runs.task_data import TaskData
from kotune.score import scoring


def run(root: Path, tasks: dict[str, list[Any]], base: dict[str, str | None], limit: Limit) -> None:
    """Score the base and the tuned model in the run folder `root`. `tasks`: each task's TaskData as
    JSON. `base`: as in scoring.score(). `limit`: as in a recipe."""
    scoring.score(
        root, {task: TaskData.from_json(data) for task, data in tasks.items()}, base, limit
    )
