"""A preview as one HTML file that needs nothing else: no network, no script; all that comes from data is escaped."""

from pathlib import Path

from kotune.phrases import Phrases
from kotune.preview import Data, examples
from kotune.preview_screen import NEWLINE, headline, visible
from kotune.preview_tables import tables

PAGES = Path(__file__).parent / "pages"


def page(sets: list[Data], say: Phrases) -> str:
    """The whole page."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(PAGES), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("preview.html.jinja").render(
        say=say, tables=list(tables(sets, say)), examples=list(examples(sets)),
        recipes=[seen for data in sets for seen in data.seen], headline=headline, visible=visible, newline=NEWLINE,
    )  # fmt: skip
