"""A page as one HTML file that needs nothing else: no network, no script, no font of its own; all that comes from data is
escaped. Text, that of plots too, is real text in the reader's own fonts, which have Korean glyphs: a Korean font would be
megabytes in every page."""

from pathlib import Path

from kotune.errors import RecipeError

PAGES = Path(__file__).parent / "pages"
TICKS = (0, 0.25, 0.5, 0.75, 1)  # of an axis, from its left end to its right one


def check_place(path: Path | None, option: str) -> None:
    """RecipeError, before anything is done, where the file that an option names cannot be written."""
    if path and path.is_dir():
        raise RecipeError(f"{option} {path}: that is a folder; name a file in it")
    if path and not path.parent.is_dir():
        raise RecipeError(f"{option} {path}: there is no folder {path.parent}; make it first, or name another")


def render(template: str, **facts: object) -> str:
    """The page that a template of kotune/pages makes of the facts."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(PAGES), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template(f"{template}.html.jinja").render(facts)
