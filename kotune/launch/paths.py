"""The paths that a launch hands to another program: none can be read there as anything but a path,
and none leads out of what is handed over."""

from collections.abc import Iterable
from pathlib import Path

from kotune.errors import RecipeError
from kotune.launch.engine import Submissions, local_places
from kotune.recipe.strict_yaml import BREAKS, shown
from kotune.runs.folder import RUNS


def check(submissions: Submissions) -> None:
    """RecipeError for a recipe, a file or folder that it names, or this folder, whose whole path no
    engine should be given: a line that breaks would begin another one in a script, and docker ends
    a path at a colon."""
    named = [
        place
        for sent, recipe in submissions.items()
        for place in (sent.recipe, *local_places(recipe))
    ]
    for place in (path.absolute() for path in (*named, RUNS)):
        if ":" in str(place) or BREAKS.search(str(place)):
            told = (
                "a colon or a control character in a path, which an engine reads as more than a"
                " path; rename it"
            )
            raise RecipeError(f"{shown(place)}: {told}")


def outside(places: Iterable[Path]) -> Path | None:
    """The first of these that does not lie below the current folder by its name; None where all do.
    Where a link leads is its owner's choice, who put it there."""
    return next((place for place in places if place.is_absolute() or ".." in place.parts), None)
