"""Print the Axolotl configuration of a recipe."""

from pathlib import Path

import click

from kotune.commands.options import recipe_argument, set_option
from kotune.display.language import TranslatedCommand
from kotune.display.terminal import echo


@click.command(cls=TranslatedCommand)
@recipe_argument
@set_option
@click.option(
    "--device",
    type=click.Choice(["cpu", "cuda"]),
    help="Render for this device instead of this machine's.",
)
def render(recipe: Path, overrides: tuple[str, ...], device: str | None) -> None:
    """Print the Axolotl configuration made from RECIPE."""
    from kotune.recipe.reading import load
    from kotune.train import config
    from kotune.worker import driver
    from kotune.worker.device import Device, detect_device

    chosen: Device = device or detect_device()  # type: ignore[assignment]
    # With --device, the model of the GPU is not known. Without it, the GPU of this machine is used,
    # which may be too old for bf16.
    is_old = device is None and chosen == "cuda" and driver.is_old()
    echo(config.render(load(recipe, overrides), chosen, is_old=is_old), nl=False)
