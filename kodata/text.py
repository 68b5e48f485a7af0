"""Normalizes text for storing (clean, content) and for comparing (unspaced, spaced, folded)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache, lru_cache
from typing import Literal
from unicodedata import normalize

# The maximum length of a run of combining marks that is normalized as a whole. According to UAX
# #15, no language needs more than 30.
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
_DOUBLE = "\u0f73\u0f75\u0f81\uff9e\uff9f"  # not marks, but their decomposition begins with one


def composed(text: str, form: Literal["NFC", "NFKC"] = "NFC") -> str:
    """unicodedata.normalize() in linear time. No other function calls it.

    Sorting a run of combining marks takes quadratic time, in C code that Ctrl-C does not interrupt.
    So a run longer than RUN is split, and each piece is normalized by itself. No character is added
    or lost; the stream-safe format of UAX #15 would add a mark at each split."""
    # A run of RUN marks has a mark at one of these indices.
    if len(text) <= RUN or not any(map(_is_mark, text[RUN - 1 :: RUN])):
        return normalize(form, text)
    return "".join(normalize(form, piece) for piece in _pieces(text))


def _pieces(text: str) -> Iterator[str]:
    start = run = 0
    for end, letter in enumerate(text, 1):
        run = run + 1 if _is_mark(letter) else 0
        if run == RUN:
            yield text[start:end]
            start, run = end, 0
    yield text[start:]


def _is_mark(letter: str) -> bool:
    return unicodedata.combining(letter) > 0 or letter in _DOUBLE


def clean(text: str) -> str:
    """The text of a field: NFC, with Unix line ends, without control characters and outer white
    space. Empty if nothing in it is visible."""
    stripped = _readable(text).strip()
    # For most texts, this check avoids a call that would take a third more time.
    return visible_or_empty(stripped) if stripped[:1] in _HIDDEN else stripped


def visible_or_empty(text: str) -> str:
    """The text, or an empty text if nothing in it is visible, such as a lone zero-width space."""
    return "" if text[:1] in _HIDDEN and all(map(_HIDDEN.__contains__, text)) else text


def content(text: str) -> str:
    """The text of a chat turn: like clean(), but it keeps the text's own white space, including the
    indent of the first line. Empty if nothing in it is visible.

    Leading blank lines and trailing line ends are removed. A tokenizer would merge them with the
    line ends of the template, into tokens that no prompt ends with."""
    visible = visible_or_empty(_readable(text).rstrip("\n"))
    start = len(visible) - len(visible.lstrip())
    return visible[visible.rfind("\n", 0, start) + 1 :] if start < len(visible) else ""


def _readable(text: str) -> str:
    """The text in NFC, with Unix line ends, without control characters."""
    # A printable text contains nothing to remove. This check takes a third of the time of a search.
    if not str.isprintable(text):
        text = _UNWANTED.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    # Most texts are short; avoiding the call of composed() saves 2%.
    return normalize("NFC", text) if len(text) <= RUN else composed(text)


def has_unwanted(value: object) -> bool:
    """Whether a text, or a text inside a list or dict, has control characters that clean() and
    content() remove."""
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
    """Whether all values are printable texts, as in most rows."""
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
    """The text case-folded and without white space. Groups with the same unspaced name count as one
    group."""
    folded = text.casefold()
    # The space is the only printable white space.
    return folded.replace(" ", "") if folded.isprintable() else "".join(folded.split())


def spaced(text: str) -> str:
    """The text in NFC, with every run of white space replaced by one space."""
    return " ".join(composed(text).split())


@lru_cache(maxsize=16)  # the leak check folds each text of a row several times
def folded(text: str) -> str:
    """Only the letters and digits of a text, in compatibility form (NFKC, which also unifies full
    and half width) and case-folded."""
    return "".join(map(_letter, composed(text, "NFKC").casefold()))


@cache
def _letter(character: str) -> str:
    """The character, or an empty text for white space, punctuation, symbols and controls."""
    return "" if unicodedata.category(character)[0] in "ZPSC" else character
