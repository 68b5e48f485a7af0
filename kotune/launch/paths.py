"""Checks the paths that a launch passes to another program. The program must not misread a path. No
path may lead outside the folder that the program can read."""

from collections.abc import Iterable
from pathlib import Path

from kotune.errors import RecipeError
from kotune.launch.engine import Submissions, local_paths
from kotune.recipe.strict_yaml import BREAKS, shown
from kotune.runs.folder import RUNS


def check(submissions: Submissions) -> None:
    """Raises RecipeError if a path has a colon or a control character, such as a line break.

    The checked paths are the recipes, the files and folders that they name, and runs/ in the
    current folder. A line break would start a new line in a script, and docker ends a path at a
    colon."""
    for path in (path.absolute() for path in (*all_paths(submissions), RUNS)):
        if ":" in str(path) or BREAKS.search(str(path)):
            raise RecipeError(
                f"{shown(path)}: the path has a colon or a control character, which an engine would"
                " misread; rename it"
            )


def all_paths(submissions: Submissions) -> list[Path]:
    """The paths of all recipes, and of the files and folders that the recipes name."""
    return [
        path
        for submission, recipe in submissions.items()
        for path in (submission.recipe, *local_paths(recipe))
    ]


def outside(paths: Iterable[Path]) -> Path | None:
    """The first path that is absolute or contains `..`, because it can lead outside the current
    folder. None if there is no such path. Symbolic links are not followed, because a link below the
    current folder is the user's own choice."""
    return next((path for path in paths if path.is_absolute() or ".." in path.parts), None)
