"""Run the stages of a recipe."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from kotune.commands.boundary import unwind_when_terminated
from kotune.commands.options import (
    PassThrough,
    device_option,
    fresh_base_option,
    lang_option,
    limit_option,
    recipe_argument,
    runs_dir_option,
    seeds_option,
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
@seeds_option
@runs_dir_option
@click.option("--dry-run", is_flag=True, help="List the stages to do; write nothing.")
@lang_option
@device_option
@fresh_base_option
@click.option(
    "--launcher",
    metavar="NAME",
    help="Train on several GPUs with this launcher: torchrun or accelerate. ARGS are passed to it.",
)
def run(
    recipe: Path,
    overrides: tuple[str, ...],
    until: str,
    limit: "Limit",
    seeds: int | None,
    runs_dir: Path,
    dry_run: bool,
    lang: str,
    device: Device | None,
    fresh_base: bool,
    launcher: str | None,
    passed: tuple[str, ...],
) -> None:
    """Run RECIPE: prepare data, train an adapter, score it, report.

    Each seed of RECIPE is a run of its own; together they are reported as one model. Finished
    stages are not repeated."""
    from kotune.display.progress import Screen
    from kotune.pipeline import RunOptions
    from kotune.study import seeds as of_seeds

    unwind_when_terminated()
    command = (launcher or "python", *passed) if launcher or passed else ()
    options = RunOptions(
        overrides=overrides,
        until=until,
        limit=limit,
        seeds=seeds,
        runs_dir=runs_dir,
        dry_run=dry_run,
        lang=lang,
        launcher=command,
        device=device,
        fresh_base=fresh_base,
    )
    of_seeds.run(recipe, options, Screen(language=lang))
