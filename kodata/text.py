"""Normalizes text: clean() and content() for storing, unspaced(), spaced() and folded() for
comparing."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache, lru_cache
from typing import Literal
from unicodedata import normalize

# The maximum number of consecutive combining marks that are normalized together. According to
# Unicode's UAX #15, no language needs more than 30.
RUN = 100

# Control characters except tab and newline, and lone surrogates, which UTF-8 cannot encode.
_UNWANTED = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
# Characters that are invisible by themselves: white space, format characters, Hangul fillers, the
# Braille blank, variation selectors and tags. Inside a text they are kept, since emoji sequences
# and Persian words need some of them.
_HIDDEN = frozenset(
    chr(code)
    for first, last in (
        (0x09, 0x0D),
        (0x1C, 0x20),
        (0x85, 0x85),
        (0xA0, 0xA0),
        (0xAD, 0xAD),
        (0x34F, 0x34F),
        (0x61C, 0x61C),
        (0x115F, 0x1160),
        (0x1680, 0x1680),
        (0x17B4, 0x17B5),
        (0x180B, 0x180F),
        (0x2000, 0x200F),
        (0x2028, 0x202F),
        (0x205F, 0x206F),
        (0x2800, 0x2800),
        (0x3000, 0x3000),
        (0x3164, 0x3164),
        (0xFE00, 0xFE0F),
        (0xFEFF, 0xFEFF),
        (0xFFA0, 0xFFA0),
        (0xFFF0, 0xFFFB),
        (0x1BCA0, 0x1BCA3),
        (0x1D173, 0x1D17A),
        (0xE0000, 0xE0FFF),
    )
    for code in range(first, last + 1)
)
# Characters that are not combining marks, but whose decomposition begins with one.
_LIKE_MARKS = "\u0f73\u0f75\u0f81\uff9e\uff9f"


def composed(text: str, form: Literal["NFC", "NFKC"] = "NFC") -> str:
    """The text in a normal form of Unicode, like unicodedata.normalize(), but in linear time.

    unicodedata.normalize() takes quadratic time to sort consecutive combining marks, in C code that
    Ctrl-C does not interrupt. So more than RUN consecutive marks are split into pieces, and each
    piece is normalized by itself. No character is added or lost."""
    # RUN consecutive marks include one of the characters that are checked here.
    if len(text) <= RUN or not any(map(_is_mark, text[RUN - 1 :: RUN])):
        return normalize(form, text)
    return "".join(normalize(form, piece) for piece in _pieces(text))


def _pieces(text: str) -> Iterator[str]:
    """The pieces of a text, each cut after RUN consecutive marks."""
    start = run = 0
    for end, letter in enumerate(text, 1):
        run = run + 1 if _is_mark(letter) else 0
        if run == RUN:
            yield text[start:end]
            start, run = end, 0
    yield text[start:]


def _is_mark(letter: str) -> bool:
    return unicodedata.combining(letter) > 0 or letter in _LIKE_MARKS


def clean(text: str) -> str:
    """The text of a field in NFC and with Unix line ends. Control characters and outer white space
    are removed. Empty if no character is visible."""
    stripped = _readable(text).strip()
    # For most texts, this check avoids a call that would take a third more time.
    return visible_or_empty(stripped) if stripped[:1] in _HIDDEN else stripped


def visible_or_empty(text: str) -> str:
    """The text unchanged, or an empty text if no character is visible, as in a lone zero-width
    space."""
    return "" if text[:1] in _HIDDEN and all(map(_HIDDEN.__contains__, text)) else text


def content(text: str) -> str:
    """The text of a chat turn. It is normalized like clean(), but only leading blank lines and
    trailing line ends are removed, so that the first line keeps its indent. Empty if no character
    is visible.

    A tokenizer would merge outer line ends with those of the chat template. A model would then be
    trained on tokens that do not occur in the prompts at scoring."""
    visible = visible_or_empty(_readable(text).rstrip("\n"))
    start = len(visible) - len(visible.lstrip())
    return visible[visible.rfind("\n", 0, start) + 1 :] if start < len(visible) else ""


def _readable(text: str) -> str:
    """The text in NFC, with Unix line ends and without control characters."""
    # A printable text contains nothing to remove. This check takes a third of the time of
    # _UNWANTED.
    if not str.isprintable(text):
        text = _UNWANTED.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    # Most texts are short; avoiding the call of composed() saves 2%.
    return normalize("NFC", text) if len(text) <= RUN else composed(text)


def has_unwanted(value: object) -> bool:
    """Whether a value has control characters that clean() and content() remove. A list or dict is
    searched for texts at any depth."""
    stack = [value]  # no recursion: a value may be nested deeper than Python's recursion limit
    while stack:
        value = stack.pop()
        if isinstance(value, (list, dict)):
            inner = value.values() if isinstance(value, dict) else value
            if not _are_printable(inner):
                stack.extend(inner)
        elif (
            isinstance(value, str)
            and not value.isprintable()
            and _UNWANTED.search(value.replace("\r", ""))
        ):
            return True
    return False


def _are_printable(values: Iterable[object]) -> bool:
    """Whether all values are texts, and all their characters are printable."""
    try:
        return all(map(str.isprintable, values))  # type: ignore[arg-type]
    except TypeError:
        return False


def with_thought(thought: str, answer: str) -> str:
    """A thought and an answer in DeepSeek-R1's format."""
    return f"<think>\n{thought}\n</think>\n\n{answer}"


def after_thought(text: str) -> str:
    """The text after the thought, or the whole text if there is no thought."""
    return text.rpartition("</think>")[2].strip()


def unspaced(text: str) -> str:
    """The text case-folded and without white space. Groups whose names become the same are one
    group."""
    folded = text.casefold()
    # The space is the only white space that counts as printable.
    return folded.replace(" ", "") if folded.isprintable() else "".join(folded.split())


def spaced(text: str) -> str:
    """The text in NFC, with every run of white space replaced by one space."""
    return " ".join(composed(text).split())


@lru_cache(maxsize=16)  # the leak check folds each text of a row several times
def folded(text: str) -> str:
    """The letters and digits of a text, case-folded. NFKC unifies variants of a character, such as
    full and half width."""
    return "".join(map(_letter, composed(text, "NFKC").casefold()))


@cache
def _letter(character: str) -> str:
    """The character, or an empty text for white space, punctuation, symbols and controls."""
    return "" if unicodedata.category(character)[0] in "ZPSC" else character
