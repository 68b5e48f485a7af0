"""Korean morphemes by Kiwi (kiwipiepy, https://github.com/bab2min/kiwipiepy). Tags are the Sejong
tag set with Kiwi's additions.

Kiwi's own language model is loaded at the first use in a process, which takes seconds. Results are
reproducible only with the same version of kiwipiepy."""

from functools import cache
from typing import Any

TAIL = 100  # characters at the end of a text that are analysed for particles


@cache
def kiwi() -> Any:
    """The Kiwi analyser. It is created once, and all callers in the process share it."""
    from kiwipiepy import Kiwi

    return Kiwi(num_workers=1)  # no threads, since texts arrive one at a time


def surfaces(text: str) -> list[str]:
    """The morphemes of a text as they are written in it, in order: 왔다 gives 왔 and 다, although
    Kiwi's forms are 오, 었 and 다.

    Morphemes that share a syllable, such as 오 and 었 in 왔, become one. Time grows with the text:
    a tenth of a second for thousands of characters, more if spaces are missing."""
    spans: list[tuple[int, int]] = []
    for token in kiwi().tokenize(text):
        start, end = token.start, token.start + token.len
        if spans and start < spans[-1][1]:
            spans[-1] = (spans[-1][0], max(spans[-1][1], end))
        elif end > start:
            spans.append((start, end))
    return [text[start:end] for start, end in spans]


def without_josa(text: str) -> str:
    """The text without the particles (tags J*) at its end: 서울에서부터 becomes 서울.

    Only the last TAIL characters of the text are analysed. Three kinds of particles stay: one that
    Kiwi reads as part of a word (회의, 제주도), one that shares a syllable with the morpheme before
    it (그건), and one that is the first morpheme of the analysed characters."""
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
