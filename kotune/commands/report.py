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
from kotune.display.language import TranslatedCommand
from kotune.display.terminal import echo


@click.command(cls=TranslatedCommand)
@click.argument("run", type=RecipeFile())
@lang_option
@price_option
@rate_option
@runs_dir_option
def report(
    run: Path, lang: str, runs_dir: Path, price: float | None, won_per_dollar: float | None
) -> None:
    """Write report.html and report.md of RUN again.

    Only files of run folders are read. RUN is a run folder or a recipe. For a recipe, the report
    covers all its scored seeds in --runs-dir, and is written to the folder of the first. Runs with
    --limit are used only if no run was scored over all items."""
    from kotune.compare.efficiency import Price
    from kotune.compare.siblings import find_all
    from kotune.display.phrases import Phrases
    from kotune.report.writing import write

    unwind_when_terminated()
    hourly = Price.of(price, won_per_dollar)
    folder, *others = find_all(run, runs_dir)
    for path in write(folder, Phrases(lang), hourly, others):
        echo(path)
