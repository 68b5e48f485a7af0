"""Rejects characters that a terminal does not show, and characters that reverse the displayed text.

People read a recipe before they run it, so its displayed text must match its effect. For example,
YAML ends a comment at U+0085, U+2028 and U+2029. On a screen, a key after one of these characters
would look like a part of the comment."""

import re

from kotune.errors import RecipeError

# Matches ASCII control characters except tab, line feed, and a carriage return before a line feed.
# Also matches C1 controls (U+0080 to U+009F), U+2028 and U+2029, bidirectional marks, the byte
# order mark, and surrogates.
UNSEEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c"
    "\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]|\r(?!\n)"
)
# Characters that strict_yaml.py rejects even if they are written as an escape, such as `\u0085`.
NOT_ESCAPABLE = re.compile("[\x00-\x9f\ud800-\udfff]")


def refuse_unseen(text: str, where: str) -> None:
    """Raises RecipeError if the text has a character that UNSEEN matches. `where`: the file or
    option that contains the text, for the message."""
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
