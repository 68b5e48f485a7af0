"""Korean morphemes by Kiwi (kiwipiepy, https://github.com/bab2min/kiwipiepy; its tags: the Sejong
tag set with Kiwi's own).

Its model is loaded once a process, when it is first asked, which takes seconds. One version gives
the same text the same morphemes; another version of kiwipiepy may not."""

from functools import cache
from typing import Any

TAIL = 100  # characters that the end of a text is judged by


@cache
def kiwi() -> Any:
    """The analyser. One process shares it."""
    from kiwipiepy import Kiwi

    return Kiwi(num_workers=1)  # no threads: texts come one at a time


def surfaces(text: str) -> list[str]:
    """The morphemes of a text as they stand in it, in order: 왔다 is 왔 and 다 where Kiwi's own
    forms are 오, 었 and 다.

    Morphemes that share their letters, as 오 and 었 do in 왔, are one. Time grows with the text:
    some thousands of characters in a tenth of a second, and more where nobody put spaces."""
    found: list[tuple[int, int]] = []
    for token in kiwi().tokenize(text):
        start, end = token.start, token.start + token.len
        if found and start < found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        elif end > start:
            found.append((start, end))
    return [text[start:end] for start, end in found]


def without_josa(text: str) -> str:
    """The text without the particles (tags J*) that it ends with: 서울에서부터 is 서울. What Kiwi
    reads as part of a word stays (회의, 제주도), and so does the first morpheme. Judged by the last
    TAIL characters."""
    text = text.rstrip()
    start = max(0, len(text) - TAIL)
    kept = len(text) - start
    tokens = kiwi().tokenize(text[start:])
    for before, token in zip(reversed(tokens[:-1]), reversed(tokens), strict=False):
        # Not in 그건, where 것 and 은 share a syllable.
        apart = before.start + before.len <= token.start
        if not (token.tag.startswith("J") and token.start + token.len == kept and apart):
            break
        kept = token.start
    return text[: start + kept].rstrip()
