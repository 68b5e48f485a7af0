"""Show training examples as models see them."""

from pathlib import Path

import click

from kotune.commands.boundary import unwind_when_terminated
from kotune.commands.options import RecipeFile, html_option, lang_option, set_option
from kotune.display.language import TranslatedCommand
from kotune.display.terminal import echo


@click.command(cls=TranslatedCommand)
@click.argument("recipes", metavar="RECIPE...", nargs=-1, required=True, type=RecipeFile())
@set_option
@click.option(
    "--items",
    type=click.IntRange(min=1),
    default=3,
    show_default=True,
    help="Show this many examples of each data entry.",
)
@html_option
@lang_option
def preview(
    recipes: tuple[Path, ...], overrides: tuple[str, ...], items: int, html: Path | None, lang: str
) -> None:
    """Show training examples as the model of each RECIPE sees them.

    The preview marks which tokens are trained. It also shows lengths, labels and dropped rows."""
    from kotune.display.page import check_writable
    from kotune.display.phrases import Phrases
    from kotune.preview import page
    from kotune.preview import screen as preview_screen
    from kotune.preview.gather import gather
    from kotune.runs.folder import publish

    unwind_when_terminated()
    check_writable(html, "--html")
    phrases = Phrases(lang)
    with preview_screen.waiting(phrases):
        data = gather(recipes, overrides, items)
    preview_screen.show(data, phrases)
    if html:
        publish(html, page.page(data, phrases))
        echo(f"\n{phrases('written', path=html)}")
