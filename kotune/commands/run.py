"""Take a recipe through its stages."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from kotune.commands.boundary import unwind_when_terminated
from kotune.commands.options import (
    PassThrough,
    device_option,
    lang_option,
    limit_option,
    recipe_argument,
    runs_dir_option,
    set_option,
)
from kotune.runs.folder import STAGES
from kotune.worker.device import Device

if TYPE_CHECKING:
    from kotune.recipe.schema import Limit


@click.command(cls=PassThrough)
@recipe_argument
@set_option
@click.option(
    "--until",
    default="report",
    metavar="STAGE",
    help=f"Stop after this stage: {', '.join(STAGES)}.",
)
@limit_option
@runs_dir_option
@click.option("--dry-run", is_flag=True, help="Say what would be done and write nothing.")
@lang_option
@device_option
@click.option(
    "--launcher",
    metavar="NAME",
    help="Axolotl's own launcher for several GPUs, torchrun or accelerate; ARGS are its.",
)
def run(
    recipe: Path,
    overrides: tuple[str, ...],
    until: str,
    limit: "Limit",
    runs_dir: Path,
    dry_run: bool,
    lang: str,
    device: Device | None,
    launcher: str | None,
    passed: tuple[str, ...],
) -> None:
    """Take RECIPE from Korean data to a scored adapter; done stages are not done again. --lang is
    the report's language."""
    from kotune.display.progress import Screen
    from kotune.pipeline import RunOptions
    from kotune.pipeline import run as run_recipe

    unwind_when_terminated()
    started = (launcher or "python", *passed) if launcher or passed else ()
    options = RunOptions(
        overrides=overrides,
        until=until,
        limit=limit,
        runs_dir=runs_dir,
        dry_run=dry_run,
        lang=lang,
        launcher=started,
        device=device,
    )
    run_recipe(recipe, options, Screen())
