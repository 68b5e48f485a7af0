"""Checks an answer for faults. A fault is an error by any standard; a signal describes style. An
answer either has a fault or does not.

The faults are: the answer ends in the middle of a sentence, repeats itself, has a word in a foreign
script, or has a josa in a form that does not fit. For the precision of each check, see
tasks/ko_naturalness/README.md."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from kodata.metrics.morphemes import TAIL, kiwi

# A 4-gram of words that occurs this many times is a loop. One that occurs twice may be a refrain or
# a heading.
LOOP = 3
# The maximum length, in characters, of a last line that need not be a sentence. Such a short line
# may be a signature, a heading or an item.
SHORT_LINE = 25

_ITEM = re.compile(r"\s*([-•·▪]|\d+[.)]|[^:]{1,20}:)\s")
_LETTER_LAST = re.compile(r"[\w,:;(\[{<·-]\Z")
_LAUGHTER = re.compile(r"[ㅋㅎㅠㅜ]\Z")


def is_looping(words: Sequence[str]) -> bool:
    """Whether any four consecutive words occur at least LOOP times."""
    fours = Counter(zip(words, words[1:], words[2:], words[3:], strict=False))
    return max(fours.values(), default=0) >= LOOP


def is_unended(text: str) -> bool:
    """Whether a text stops in the middle of a sentence: its last line is longer than SHORT_LINE,
    and ends with a letter, a comma or a similar sign, but not with a sentence ending (see
    _may_end).

    A text that a token limit cuts between two sentences is not detected."""
    lines = text.rstrip().splitlines()
    if not lines or len(lines[-1].strip()) <= SHORT_LINE:
        return False
    last = lines[-1].rstrip()[-TAIL:]
    if not _LETTER_LAST.search(last) or _LAUGHTER.search(last):
        return False
    return not _may_end(kiwi().tokenize(last)[-1], is_item=bool(_ITEM.match(lines[-1])))


def _may_end(token: Any, is_item: bool) -> bool:
    """Whether a line whose last morpheme is `token` can be complete. A sentence is complete after a
    sentence ending, the particle 요, or a nominal ending as in 했음. An item of a list is complete
    after any morpheme except a particle or a non-final ending."""
    if is_item:
        return not token.tag.startswith(("J", "EC", "EP", "ETM"))
    return token.tag in ("EF", "ETN") or (token.form, token.tag) == ("요", "JX")
