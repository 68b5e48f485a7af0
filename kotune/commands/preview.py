"""Show training examples as models see them."""

from pathlib import Path

import click

from kotune.commands.boundary import unwind_when_terminated
from kotune.commands.options import RecipeFile, html_option, lang_option, set_option
from kotune.display.terminal import echo


@click.command()
@click.argument("recipes", metavar="RECIPE...", nargs=-1, required=True, type=RecipeFile())
@set_option
@click.option(
    "--items",
    type=click.IntRange(min=1),
    default=3,
    show_default=True,
    help="Examples of each data entry.",
)
@html_option
@lang_option
def preview(
    recipes: tuple[Path, ...], overrides: tuple[str, ...], items: int, html: Path | None, lang: str
) -> None:
    """Show examples as each RECIPE's model sees them: tokens, what is trained, lengths, labels,
    what is left out."""
    from kotune.display.page import check_place
    from kotune.display.phrases import Phrases
    from kotune.preview import page
    from kotune.preview import screen as preview_screen
    from kotune.preview.gather import gather
    from kotune.runs.folder import publish

    unwind_when_terminated()
    check_place(html, "--html")
    say = Phrases(lang)
    with preview_screen.waiting(say):
        found = gather(recipes, overrides, items)
    preview_screen.show(found, say)
    if html:
        publish(html, page.page(found, say))
        echo(f"\n{say('written', path=html)}")
