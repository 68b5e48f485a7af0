"""Run recipes with an engine on another machine."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from kotune.commands.options import (
    PassThrough,
    RecipeFile,
    lang_option,
    limit_option,
    seeds_option,
    set_option,
)
from kotune.display.terminal import echo

if TYPE_CHECKING:
    from kotune.recipe.schema import Limit


@click.command(cls=PassThrough)
@click.argument("recipes", metavar="RECIPE...", nargs=-1, required=True, type=RecipeFile())
@click.option(
    "--on",
    "engine",
    required=True,
    metavar="ENGINE",
    help="Run with this engine: docker, slurm or sky.",
)
@set_option
@limit_option
@seeds_option
@lang_option
@click.option(
    "--bucket", metavar="URI", help="Keep SkyPilot's runs in this existing bucket: s3://NAME."
)
@click.option(
    "--dry-run", is_flag=True, help="Write the job file and print the command; start nothing."
)
def launch(
    recipes: tuple[Path, ...],
    engine: str,
    overrides: tuple[str, ...],
    limit: "Limit",
    seeds: int | None,
    lang: str,
    bucket: str | None,
    dry_run: bool,
    passed: tuple[str, ...],
) -> None:
    """Run each RECIPE elsewhere: in Docker, on Slurm or in a cloud.

    ARGS are passed to the engine's own command line."""
    from kotune.launch import engines
    from kotune.launch.engine import LaunchOptions, Submission

    submissions = [Submission(recipe, overrides) for recipe in recipes]
    options = LaunchOptions(limit, lang, bucket, passed, seeds=seeds)
    launched = engines.prepare(submissions, engine, options)
    engines.start(launched, engine, dry_run, echo, lang)
