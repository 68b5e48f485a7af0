"""The paths of the files that ship with kotune, and the commands to show to a user. Both differ
between a checkout and an installation.

In an installation, the folders `tasks` and `recipes` have other names, so that they do not clash
with other packages."""

from pathlib import Path

from kodata.errors import Translatable

PACKAGE = Path(__file__).resolve().parent
ROOT = PACKAGE.parent  # the checkout, or the folder in which kotune is installed
IS_CHECKOUT = (ROOT / "pyproject.toml").is_file() and (ROOT / "tasks" / "card.py").is_file()
TASKS = ROOT / "tasks" if IS_CHECKOUT else ROOT / "kotune_tasks"
RECIPES = ROOT / "recipes" if IS_CHECKOUT else ROOT / "kotune_recipes"
PROGRAM = "./cli.py" if IS_CHECKOUT else "kotune"  # as a user types it
# The command that installs kotune with Axolotl and torch, for messages.
INSTALL = (
    "`make setup`"
    if IS_CHECKOUT
    else Translatable(
        "{command} in a checkout", command="`bash install.sh ENVIRONMENT/bin package`"
    )
)
INSTALL_OLDER_CUDA = (
    "`make setup CUDA=12.6`"
    if IS_CHECKOUT
    else Translatable(
        "{command} in a checkout", command="`CUDA=12.6 bash install.sh ENVIRONMENT/bin package`"
    )
)
# The command that lists the shipped recipes, and the page that describes all keys of a recipe.
RECIPES_LIST = "`ls recipes/ recipes/studies/`" if IS_CHECKOUT else "`kotune recipes`"
RECIPES_PAGE = "recipes/README.md" if IS_CHECKOUT else str(RECIPES / "README.md")


def typed(recipe: Path) -> str:
    """A recipe or study as a user types it on the command line: its path, or its name if it is a
    file that ships with an installation."""
    is_named = not IS_CHECKOUT and recipe.parent in (RECIPES, RECIPES / "studies")
    return recipe.stem if is_named else str(recipe)
