"""Compare runs."""

from pathlib import Path

import click

from kotune.commands.boundary import unwind_when_terminated
from kotune.commands.options import (
    RecipeFile,
    html_option,
    json_option,
    lang_option,
    md_option,
    price_option,
    rate_option,
    runs_dir_option,
)
from kotune.display.language import TranslatedCommand
from kotune.display.terminal import echo


@click.command(cls=TranslatedCommand)
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=RecipeFile())
@lang_option
@html_option
@md_option
@json_option
@price_option
@rate_option
@runs_dir_option
def compare(
    runs: tuple[Path, ...],
    lang: str,
    as_json: bool,
    runs_dir: Path,
    html: Path | None,
    md: Path | None,
    price: float | None,
    won_per_dollar: float | None,
) -> None:
    """Compare finished runs item by item.

    Compare the base model with the tuned model of each RUN, and each RUN with the first. The result
    shows which is better, by how much, and how certain that is.

    RUN is a run folder or a recipe. For a recipe, its scored runs in --runs-dir are used, all seeds
    as one model. Runs with --limit are used only if there are none over all items."""
    import json

    from kotune.compare.efficiency import Price
    from kotune.compare.result import Result
    from kotune.compare.siblings import find_all, known
    from kotune.display.page import check_writable
    from kotune.display.phrases import Phrases
    from kotune.report import screen as compare_screen
    from kotune.report.report import Report
    from kotune.report.writing import write_as
    from kotune.runs.finished import explain_malformed, load

    unwind_when_terminated()
    check_writable(html, "--html")
    check_writable(md, "--md")
    hourly, phrases = Price.of(price, won_per_dollar), Phrases(lang)
    folders = [folder for run in runs for folder in find_all(run, runs_dir)]
    with explain_malformed(*folders):
        loaded = load(folders)
        result = Result.of(loaded, hourly, known(loaded))
        if as_json:
            echo(json.dumps(result.as_json(), ensure_ascii=False, indent=2, allow_nan=False))
        else:
            compare_screen.show(result, phrases)
        for path in write_as(Report(result, phrases), html, md) if html or md else ():
            echo(phrases("written", path=path), err=as_json)
