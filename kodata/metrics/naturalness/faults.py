"""Checks an answer for two faults: it repeats itself, or it ends in the middle of a sentence.

A fault is an error by any standard. Two other faults are in scripts.py (a word in a foreign script)
and josa.py (a particle in a form that does not fit). For the precision of each check, see
tasks/ko_naturalness/README.md."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from kodata.metrics.morphemes import TAIL, kiwi

# If four words in a row occur at least this many times, the text repeats itself. Four words that
# occur twice may be a refrain or a heading.
LOOP = 3
# The maximum length, in characters, of a last line that is not checked. Such a short line may be a
# signature, a heading or an item of a list.
SHORT_LINE = 25

_ITEM = re.compile(r"\s*([-•·▪]|\d+[.)]|[^:]{1,20}:)\s")
_LETTER_LAST = re.compile(r"[\w,:;(\[{<·-]\Z")
_LAUGHTER = re.compile(r"[ㅋㅎㅠㅜ]\Z")


def is_looping(words: Sequence[str]) -> bool:
    """Whether any four consecutive words occur at least LOOP times."""
    fours = Counter(zip(words, words[1:], words[2:], words[3:], strict=False))
    return max(fours.values(), default=0) >= LOOP


def is_unended(text: str) -> bool:
    """Whether a text stops in the middle of a sentence. This is so if its last line is longer than
    SHORT_LINE, ends with a letter, a comma or a similar sign, and has no sentence ending (see
    _may_end).

    A text that is cut between two sentences is not detected."""
    lines = text.rstrip().splitlines()
    if not lines or len(lines[-1].strip()) <= SHORT_LINE:
        return False
    last = lines[-1].rstrip()[-TAIL:]
    if not _LETTER_LAST.search(last) or _LAUGHTER.search(last):
        return False
    return not _may_end(kiwi().tokenize(last)[-1], is_item=bool(_ITEM.match(lines[-1])))


def _may_end(token: Any, is_item: bool) -> bool:
    """Whether a line whose last morpheme is `token` can be complete. `is_item`: the line is an item
    of a list. An item is complete after any morpheme except a particle or a non-final ending. Any
    other line is complete after a sentence ending, the particle 요, or a nominal ending as in
    했음."""
    if is_item:
        return not token.tag.startswith(("J", "EC", "EP", "ETM"))
    return token.tag in ("EF", "ETN") or (token.form, token.tag) == ("요", "JX")
