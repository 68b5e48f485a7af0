"""A preview as a page to keep."""

from kotune.page import render
from kotune.phrases import Phrases
from kotune.preview import Data, examples
from kotune.preview_screen import NEWLINE, headline, visible
from kotune.preview_tables import tables


def page(sets: list[Data], say: Phrases) -> str:
    """The whole page."""
    return render(
        "preview", say=say, tables=list(tables(sets, say)), examples=list(examples(sets)),
        recipes=[seen for data in sets for seen in data.seen], headline=headline, visible=visible, newline=NEWLINE,
    )  # fmt: skip
