"""Checks the paths that a launch passes to an engine. The engine must not misread a path, and a
path must not lead outside the folder that the engine can read."""

from collections.abc import Iterable
from pathlib import Path

from kotune.errors import RecipeError
from kotune.launch.engine import Submissions, local_paths
from kotune.recipe.strict_yaml import BREAKS, shown
from kotune.runs.folder import RUNS


def check(submissions: Submissions) -> None:
    """Raise RecipeError if a path has a colon or a control character, such as a line break. Docker
    ends a path at a colon, and a line break would start a new line in a script.

    The checked paths are the absolute paths of the recipes, of the files and folders that they
    name, and of runs/ in the current folder."""
    for path in (path.absolute() for path in (*all_paths(submissions), RUNS)):
        if ":" in str(path) or BREAKS.search(str(path)):
            raise RecipeError(
                f"{shown(path)}: the path has a colon or a control character, which an engine would"
                " misread; rename it"
            )


def all_paths(submissions: Submissions) -> list[Path]:
    """The paths of all recipes, and of the files and folders that they name, as the user gave
    them."""
    return [
        path
        for submission, recipe in submissions.items()
        for path in (submission.recipe, *local_paths(recipe))
    ]


def outside(paths: Iterable[Path]) -> Path | None:
    """The first path that may lead outside the current folder, because it is absolute or contains
    `..`. None if there is none. Symbolic links are accepted: a user may place a link in the current
    folder on purpose."""
    return next((path for path in paths if path.is_absolute() or ".." in path.parts), None)
