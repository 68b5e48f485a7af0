"""Rejects characters that a terminal does not show, or that reverse the displayed text.

People read a recipe before they run it, so it must do what it appears to do. For example, YAML ends
a comment at U+0085, U+2028 and U+2029. A key after such a character would look like a part of the
comment."""

import re

from kotune.errors import RecipeError

# Control characters except tab and line end, C1 controls, other line ends, bidirectional marks, the
# byte order mark, surrogates.
UNSEEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c"
    "\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]|\r(?!\n)"
)
NOT_ESCAPABLE = re.compile("[\x00-\x9f\ud800-\udfff]")  # also an error as an escape (`\u0085`)


def refuse_unseen(text: str, where: str) -> None:
    """Raises RecipeError, with the line, if the text has such a character."""
    if match := UNSEEN.search(text):
        line, code = text.count("\n", 0, match.start()) + 1, f"{ord(match[0]):04x}"
        escape = (
            f', or write "\\u{code}" if the text needs it'
            if NOT_ESCAPABLE.fullmatch(match[0]) is None
            else ""
        )
        raise RecipeError(
            f"{where}:{line}: a character that is not shown, or that reverses the displayed text"
            f" (U+{code.upper()}); remove it{escape}"
        )
