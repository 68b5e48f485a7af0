"""Checks the paths that a launch passes to another program. No path may be misread there as
something else, or lead outside the files that are handed over."""

from collections.abc import Iterable
from pathlib import Path

from kotune.errors import RecipeError
from kotune.launch.engine import Submissions, local_paths
from kotune.recipe.strict_yaml import BREAKS, shown
from kotune.runs.folder import RUNS


def check(submissions: Submissions) -> None:
    """Raises RecipeError if a path has a colon or a line break: a recipe, a file or folder that it
    names, or this folder. A line break would start another line in a script, and docker ends a path
    at a colon."""
    for path in (path.absolute() for path in (*all_paths(submissions), RUNS)):
        if ":" in str(path) or BREAKS.search(str(path)):
            raise RecipeError(
                f"{shown(path)}: the path has a colon or a control character, which an engine would"
                " misread; rename it"
            )


def all_paths(submissions: Submissions) -> list[Path]:
    """The recipes, and the files and folders that they name."""
    return [
        path
        for submission, recipe in submissions.items()
        for path in (submission.recipe, *local_paths(recipe))
    ]


def outside(paths: Iterable[Path]) -> Path | None:
    """The first path that is not below the current folder, by its name alone; None if all are.
    Links are not followed: their owner chose the target."""
    return next((path for path in paths if path.is_absolute() or ".." in path.parts), None)
