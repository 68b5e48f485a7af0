"""Run a study's cells and report on them."""

from pathlib import Path

import click

from kotune.commands.boundary import unwind_when_terminated
from kotune.commands.options import (
    PassThrough,
    RecipeFile,
    device_option,
    fresh_base_option,
    lang_option,
    price_option,
    rate_option,
    runs_dir_option,
)
from kotune.display.terminal import echo
from kotune.worker.device import Device


@click.command(cls=PassThrough)
@click.argument("file", metavar="STUDY", type=RecipeFile("studies"))
@click.option(
    "--dry-run",
    is_flag=True,
    help="List the cells with their predicted time and cost; run nothing.",
)
@click.option(
    "--budget",
    type=click.FloatRange(min=0),
    metavar="WON",
    help="Start nothing if the predicted cost is higher.",
)
@click.option("--gpu", metavar="NAME", help="Predict time and cost for this GPU.")
@price_option
@rate_option
@click.option("--report-only", is_flag=True, help="Report on finished cells; run nothing.")
@click.option(
    "--on",
    "engine",
    metavar="ENGINE",
    help="Run missing cells with this engine: docker, slurm or sky. ARGS are passed to it.",
)
@click.option(
    "--bucket", metavar="URI", help="Keep SkyPilot's runs in this existing bucket: s3://NAME."
)
@runs_dir_option
@device_option
@fresh_base_option
@lang_option
def study(
    file: Path,
    dry_run: bool,
    budget: float | None,
    gpu: str | None,
    price: float | None,
    won_per_dollar: float | None,
    report_only: bool,
    engine: str | None,
    bucket: str | None,
    runs_dir: Path,
    device: Device | None,
    fresh_base: bool,
    lang: str,
    passed: tuple[str, ...],
) -> None:
    """Run every cell of STUDY and report on all of them.

    A cell is one recipe with one value for each setting that the study varies. Finished cells are
    not repeated."""
    from kotune.study import command

    unwind_when_terminated()
    options = command.StudyOptions(
        dry_run=dry_run,
        budget=budget,
        gpu=gpu,
        price=price,
        won_per_dollar=won_per_dollar,
        report_only=report_only,
        engine=engine,
        bucket=bucket,
        runs_dir=runs_dir,
        device=device,
        fresh_base=fresh_base,
        lang=lang,
        passed=passed,
    )
    command.start(file, options, echo)
