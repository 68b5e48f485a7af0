"""Renders a preview as an HTML page."""

from kotune.display.page import render
from kotune.display.phrases import Phrases
from kotune.preview.gather import PreparedData, examples
from kotune.preview.screen import NEWLINE, headline, visible
from kotune.preview.tables import tables


def page(sets: list[PreparedData], phrases: Phrases) -> str:
    """The HTML of a page with all tables and examples. `sets`: the result of gather()."""
    return render(
        "preview",
        phrases=phrases,
        tables=list(tables(sets, phrases)),
        examples=list(examples(sets)),
        recipes=[seen for data in sets for seen in data.seen],
        headline=headline,
        visible=visible,
        newline=NEWLINE,
    )
