"""Characters that no terminal shows, or that turn round what it shows: a recipe is read before it
is run, and says what it seems to say. YAML ends a line, and a comment, at U+0085, U+2028 and
U+2029, so that a key could stand in what looks like a comment."""

import re

from kotune.errors import RecipeError

# Controls but for tab and line end, C1, other ends of lines, bidirectional marks, a mark of byte
# order, halves of characters.
UNSEEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c"
    "\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]|\r(?!\n)"
)
UNSAYABLE = re.compile("[\x00-\x9f\ud800-\udfff]")  # not taken where they are spelled out, either


def refuse_unseen(text: str, where: str) -> None:
    """RecipeError with the line of the first of them, wherever it stands."""
    if found := UNSEEN.search(text):
        line, code = text.count("\n", 0, found.start()) + 1, f"{ord(found[0]):04x}"
        spelled = (
            f', or write "\\u{code}" where a text needs it'
            if UNSAYABLE.fullmatch(found[0]) is None
            else ""
        )
        raise RecipeError(
            f"{where}:{line}: a character that is not shown, or turns round what is"
            f" (U+{code.upper()}); take it out{spelled}"
        )
