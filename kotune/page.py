"""A page as one HTML file that needs nothing else: no network, no script, no font of its own; all that comes from data is
escaped. Text, that of plots too, is real text in the reader's own fonts, which have Korean glyphs: a Korean font would be
megabytes in every page."""

from pathlib import Path

PAGES = Path(__file__).parent / "pages"


def render(template: str, **facts: object) -> str:
    """The page that a template of kotune/pages makes of the facts."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(PAGES), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template(f"{template}.html.jinja").render(facts)
