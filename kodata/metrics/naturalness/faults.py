"""Faults of an answer by anyone's measure, as opposed to signals of style: each is there or not.

An answer ends in the middle of a sentence, goes round in circles, has a word in a foreign script,
or a josa in a form that does not fit. How often each check is right:
tasks/ko_naturalness/README.md."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from kodata.metrics.morphemes import TAIL, kiwi

# A 4-gram of words that occurs so often is a loop. Twice may be a refrain or a heading.
LOOP = 3
# Characters of a last line that may be a signature, a heading or an item, and so need no sentence.
SHORT_LINE = 25

_ITEM = re.compile(r"\s*([-•·▪]|\d+[.)]|[^:]{1,20}:)\s")
_LETTER_LAST = re.compile(r"[\w,:;(\[{<·-]\Z")
_LAUGHTER = re.compile(r"[ㅋㅎㅠㅜ]\Z")


def is_looping(words: Sequence[str]) -> bool:
    """Whether some four words in a row occur LOOP times."""
    fours = Counter(zip(words, words[1:], words[2:], words[3:], strict=False))
    return max(fours.values(), default=0) >= LOOP


def is_unended(text: str) -> bool:
    """Whether a text stops in the middle of a sentence: after a letter or a comma in a long line,
    and not after the ending of a sentence.

    A text that a limit of tokens cuts between two sentences is not seen."""
    lines = text.rstrip().splitlines()
    if not lines or len(lines[-1].strip()) <= SHORT_LINE:
        return False
    last = lines[-1].rstrip()[-TAIL:]
    if not _LETTER_LAST.search(last) or _LAUGHTER.search(last):
        return False
    return not _may_end(kiwi().tokenize(last)[-1], is_item=bool(_ITEM.match(lines[-1])))


def _may_end(token: Any, is_item: bool) -> bool:
    """Whether a line may end in a morpheme: in the ending of a sentence (했음 too), or, for an item
    of a list, in anything but a particle or an ending that goes on."""
    if is_item:
        return not token.tag.startswith(("J", "EC", "EP", "ETM"))
    return token.tag in ("EF", "ETN") or (token.form, token.tag) == ("요", "JX")
