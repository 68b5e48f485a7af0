"""Check a recipe."""

from pathlib import Path

import click

from kotune.commands.options import recipe_argument, set_option
from kotune.display.terminal import echo


@click.command()
@recipe_argument
@set_option
def check(recipe: Path, overrides: tuple[str, ...]) -> None:
    """Check RECIPE and list every problem."""
    from kotune.recipe.reading import load

    loaded = load(recipe, overrides)
    sources = ", ".join(f"{entry.source} ({entry.form})" for entry in loaded.data)
    echo(
        f"{recipe}: no problems. {loaded.model}, {loaded.adapter}, {sources}; scored by"
        f" {', '.join(loaded.tasks)}"
    )
