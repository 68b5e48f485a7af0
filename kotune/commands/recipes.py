"""List the recipes and studies that come with kotune."""

import click

from kotune.display.language import TranslatedCommand
from kotune.display.terminal import echo


@click.command(cls=TranslatedCommand)
def recipes() -> None:
    """List the recipes and studies that come with kotune."""
    from kotune.shipped import RECIPES

    for path in sorted(
        [*RECIPES.glob("*.yml"), *RECIPES.glob("studies/*.yml")],
        key=lambda path: (path.parent, path),
    ):
        if path.name != "defaults.yml":
            # The comment in the first line describes the recipe, up to two spaces.
            about = (
                path.read_text(encoding="utf-8")
                .partition("\n")[0]
                .removeprefix("#")
                .partition("  ")[0]
            )
            echo(f"{path.stem:26} {about.strip()}")
