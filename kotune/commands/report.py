"""Write a run's report again, or open it in the browser."""

import os
import sys
import webbrowser
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

    Only files of run folders are read. RUN is a run folder or a recipe. The report covers all
    scored seeds of its recipe: for a run folder those beside it, for a recipe those in --runs-dir.
    It is written to the run folder, or to that of the recipe's first seed. For a recipe, runs with
    --limit are used only if no run was scored over all items."""
    from kotune.compare.efficiency import Price
    from kotune.compare.siblings import find_model
    from kotune.display.phrases import Phrases
    from kotune.report.writing import write

    unwind_when_terminated()
    hourly = Price.of(price, won_per_dollar)
    folder, *others = find_model(run, runs_dir)
    for path in write(folder, Phrases(lang), hourly, others):
        echo(path)


@click.command("open", cls=TranslatedCommand)
@click.argument("target", metavar="RUN", type=RecipeFile())
@runs_dir_option
def open_page(target: Path, runs_dir: Path) -> None:
    """Open the report of RUN in the browser, and print its path.

    RUN is a run folder, a recipe, a study, or an HTML page. Without a browser, only the path is
    printed."""
    page = _page(target, runs_dir)
    if _has_browser():
        webbrowser.open(page.resolve().as_uri())
    echo(page)


def _page(target: Path, runs_dir: Path) -> Path:
    """The page of a run, a recipe or a study. Raises RecipeError if there is none. The message has
    the command that writes it."""
    from kotune.compare.siblings import find_all
    from kotune.errors import RecipeError
    from kotune.layout import REPORT_PAGE
    from kotune.runs import guard
    from kotune.runs.folder import command

    if target.suffix == ".html":
        page, remedy = target, f"{command(Path('RUN'), '--html', str(target), verb='compare')}"
    else:
        of_study = runs_dir / target.stem
        is_study = target.suffix in (".yml", ".yaml") and (of_study / REPORT_PAGE).is_file()
        folder = of_study if is_study else find_all(target, runs_dir)[0]
        guard.check(folder)
        page, remedy = folder / REPORT_PAGE, command(folder, verb="report")
    if not page.is_file():
        raise RecipeError(f"{page}: there is no page; write it with `{remedy}`")
    return page


def _has_browser() -> bool:
    """Whether a browser with a window can be opened. On Linux without a display, the standard
    library would start a text browser, which takes over the terminal."""
    windows = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
    if sys.platform == "linux" and not any(map(os.environ.get, windows)):
        return False
    try:
        return bool(webbrowser.get())
    except webbrowser.Error:
        return False
