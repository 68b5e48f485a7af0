"""Splits Korean text into morphemes with Kiwi, a morphological analyser (kiwipiepy,
https://github.com/bab2min/kiwipiepy). The tags of morphemes are the Sejong tag set with Kiwi's
additions.

Kiwi's language model is loaded at the first use in a process, which takes seconds. Another version
of kiwipiepy may give other results."""

from functools import cache
from typing import Any

TAIL = 100  # the number of characters that are analysed if only the end of a text matters


@cache
def kiwi() -> Any:
    """The Kiwi analyser. It is created once, and all callers in the process share it."""
    from kiwipiepy import Kiwi

    return Kiwi(num_workers=1)  # more threads would not help, since texts arrive one at a time


def surfaces(text: str) -> list[str]:
    """The morphemes of a text in order, each as it is written in the text. Morphemes that share a
    syllable become one: 왔다 gives 왔 and 다, although Kiwi's forms are 오, 었 and 다.

    A text of thousands of characters takes a tenth of a second, or more if spaces are missing."""
    spans: list[tuple[int, int]] = []
    for token in kiwi().tokenize(text):
        start, end = token.start, token.start + token.len
        if spans and start < spans[-1][1]:
            spans[-1] = (spans[-1][0], max(spans[-1][1], end))
        elif end > start:
            spans.append((start, end))
    return [text[start:end] for start, end in spans]


def without_josa(text: str) -> str:
    """The text without the particles (josa) at its end: 서울에서부터 becomes 서울. Only the last
    TAIL characters of the text are analysed.

    Particles stay in three cases: Kiwi reads the particle as part of a word (회의, 제주도), the
    particle shares a syllable with the morpheme before it (그건), or nothing comes before it."""
    text = text.rstrip()
    start = max(0, len(text) - TAIL)
    end = len(text) - start
    tokens = kiwi().tokenize(text[start:])
    for before, token in zip(reversed(tokens[:-1]), reversed(tokens), strict=False):
        # False for the particle 은 in 그건, since it shares a syllable with 것.
        is_separate = before.start + before.len <= token.start
        if not (token.tag.startswith("J") and token.start + token.len == end and is_separate):
            break
        end = token.start
    return text[: start + end].rstrip()
