"""Write a run's report again."""

from pathlib import Path

import click

from kotune.commands.boundary import unwind_when_terminated
from kotune.commands.options import (
    RecipeFile,
    lang_option,
    price_option,
    rate_option,
    runs_dir_option,
)
from kotune.display.terminal import echo


@click.command()
@click.argument("run", type=RecipeFile())
@lang_option
@price_option
@rate_option
@runs_dir_option
def report(
    run: Path, lang: str, runs_dir: Path, price: float | None, won_per_dollar: float | None
) -> None:
    """Write report.html and report.md of RUN again.

    Only files of the run folder are read. RUN is a run folder or a recipe. For a recipe, its newest
    scored run in --runs-dir is used. A run with --limit is used only if there is none over all
    items."""
    from kotune.compare.efficiency import Price
    from kotune.display.phrases import Phrases
    from kotune.report.writing import write
    from kotune.runs.finished import find

    unwind_when_terminated()
    hourly = Price.of(price, won_per_dollar)
    for path in write(find(run, runs_dir), Phrases(lang), hourly):
        echo(path)
