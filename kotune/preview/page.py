"""A preview as a page to keep."""

from kotune.display.page import render
from kotune.display.phrases import Phrases
from kotune.preview.gather import PreparedData, examples
from kotune.preview.screen import NEWLINE, headline, visible
from kotune.preview.tables import tables


def page(sets: list[PreparedData], say: Phrases) -> str:
    """The whole page."""
    return render(
        "preview",
        say=say,
        tables=list(tables(sets, say)),
        examples=list(examples(sets)),
        recipes=[seen for data in sets for seen in data.seen],
        headline=headline,
        visible=visible,
        newline=NEWLINE,
    )
