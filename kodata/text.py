"""Text in the forms in which it is stored and compared: cleaned, unspaced, spaced, folded."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from unicodedata import normalize

# Control characters but not tab and newline; and half characters (lone surrogates), which no UTF-8 file can hold.
_UNWANTED = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def clean(text: str) -> str:
    """The text composed (NFC), with Unix line ends, without control characters and outer white space."""
    if not str.isprintable(text):  # nothing unwanted is: a look at most texts, which are, costs a third of a search
        text = _UNWANTED.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    return normalize("NFC", text).strip()


def with_thought(thought: str, answer: str) -> str:
    """An answer after a thought, as DeepSeek-R1 writes both."""
    return f"<think>\n{thought}\n</think>\n\n{answer}"


def spoken(text: str) -> str:
    """What is said after the thought, if there is one."""
    return text.rpartition("</think>")[2].strip()


def unspaced(text: str) -> str:
    """The text in one case and without white space: groups that differ in nothing else are one group."""
    folded = text.casefold()
    return folded.replace(" ", "") if folded.isprintable() else "".join(folded.split())  # no other space is printable


def spaced(text: str) -> str:
    """The text in NFC with every run of white space as one space."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def folded(text: str) -> str:
    """The letters and digits of a text in their compatibility form (NFKC: width and such), in lower case."""
    return "".join(map(_letter, unicodedata.normalize("NFKC", text).casefold()))


@cache
def _letter(character: str) -> str:
    """The character, or nothing for white space, punctuation, symbols and controls."""
    return "" if unicodedata.category(character)[0] in "ZPSC" else character
