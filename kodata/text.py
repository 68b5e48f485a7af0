"""Text in the forms in which it is stored and compared: cleaned, unspaced, spaced, folded."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Literal
from unicodedata import normalize

# marks on one letter that are put in order together; UAX #15 knows no language that needs over 30
RUN = 100

# Control characters but not tab and newline; and half characters (lone surrogates), which no UTF-8
# file can hold.
_UNWANTED = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
# What shows nothing where it stands alone: white space, format characters, fillers of Hangul, a
# blank of Braille, selectors and tags. Inside a text they stay: emoji are joined by some of them,
# and Persian words are kept apart.
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
_DOUBLE = (  # no marks themselves, but what they are made of begins with one
    "\u0f73\u0f75\u0f81\uff9e\uff9f"
)


def composed(text: str, form: Literal["NFC", "NFKC"] = "NFC") -> str:
    """unicodedata.normalize() in linear time, the one place where it is called. Putting a run of
    marks in order takes the square of its length, in C code that no Ctrl-C ends, so a longer run
    than RUN is cut there and each piece is put in order by itself. Nothing is added or lost, as it
    would be by the mark that the stream-safe text format of UAX #15 puts in such places."""
    # A run of RUN marks has one at such a place.
    if len(text) <= RUN or not any(map(_is_mark, text[RUN - 1 :: RUN])):
        return normalize(form, text)
    return "".join(normalize(form, piece) for piece in _pieces(text))


def _pieces(text: str) -> Iterator[str]:
    begun = run = 0
    for end, letter in enumerate(text, 1):
        run = run + 1 if _is_mark(letter) else 0
        if run == RUN:
            yield text[begun:end]
            begun, run = end, 0
    yield text[begun:]


def _is_mark(letter: str) -> bool:
    return unicodedata.combining(letter) > 0 or letter in _DOUBLE


def clean(text: str) -> str:
    """The text of a field: composed (NFC), with Unix line ends, without control characters and
    outer white space. Empty where nothing of it is visible."""
    made = _readable(text).strip()
    return or_nothing(made) if made[:1] in _HIDDEN else made  # a call for each text costs a third


def or_nothing(text: str) -> str:
    """The text, empty where nothing of it is visible: a zero-width space alone is neither a
    question nor an answer."""
    return "" if text[:1] in _HIDDEN and all(map(_HIDDEN.__contains__, text)) else text


def content(text: str) -> str:
    """What somebody wrote whole, as a turn of a chat: clean(), but that its own white space stays,
    the indent of its first line too. Blank lines before the first go, and line ends after the last.
    A template stands there, whose own line ends a tokenizer would join with them: to tokens that no
    prompt ends with. Empty where nothing visible is left."""
    made = or_nothing(_readable(text).rstrip("\n"))
    start = len(made) - len(made.lstrip())
    return made[made.rfind("\n", 0, start) + 1 :] if start < len(made) else ""


def _readable(text: str) -> str:
    """The text composed (NFC), with Unix line ends, without control characters."""
    # Nothing unwanted is: a look at most texts, which are, costs a third of a search.
    if not str.isprintable(text):
        text = _UNWANTED.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    # Most are: a call costs 2%.
    return normalize("NFC", text) if len(text) <= RUN else composed(text)


def has_unwanted(value: object) -> bool:
    """Whether a text, or one inside a list or dict, has characters that clean() and content() take
    away: controls."""
    waiting = [value]  # and no recursion: a value may be nested deeper than Python calls
    while waiting:
        value = waiting.pop()
        if isinstance(value, (list, dict)):
            inner = value.values() if isinstance(value, dict) else value
            if not _are_printable(inner):
                waiting.extend(inner)
        elif (
            isinstance(value, str)
            and not value.isprintable()
            and _UNWANTED.search(value.replace("\r", ""))
        ):
            return True
    return False


def _are_printable(values: Iterable[object]) -> bool:
    """Whether values are texts, as those of most rows, and all of them printable."""
    try:
        return all(map(str.isprintable, values))  # type: ignore[arg-type]
    except TypeError:
        return False


def with_thought(thought: str, answer: str) -> str:
    """An answer after a thought, as DeepSeek-R1 writes both."""
    return f"<think>\n{thought}\n</think>\n\n{answer}"


def spoken(text: str) -> str:
    """What is said after the thought, if there is one."""
    return text.rpartition("</think>")[2].strip()


def unspaced(text: str) -> str:
    """The text in one case and without white space: groups that differ in nothing else are one
    group."""
    folded = text.casefold()
    # No other space is printable.
    return folded.replace(" ", "") if folded.isprintable() else "".join(folded.split())


def spaced(text: str) -> str:
    """The text in NFC with every run of white space as one space."""
    return " ".join(composed(text).split())


def folded(text: str) -> str:
    """The letters and digits of a text in their compatibility form (NFKC: width and such), in lower
    case."""
    return "".join(map(_letter, composed(text, "NFKC").casefold()))


@cache
def _letter(character: str) -> str:
    """The character, or nothing for white space, punctuation, symbols and controls."""
    return "" if unicodedata.category(character)[0] in "ZPSC" else character
