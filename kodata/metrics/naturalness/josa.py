"""Finds broken josa. A josa is a particle at the end of a word. Its form depends on whether the
word before it ends with a consonant. A broken josa has the wrong form: 두부을, 술를, 서울으로.

Five particles are checked: 은/는, 이/가, 을/를, 과/와, 으로/로. Whether another particle would be
better is not checked. Some of these forms are also nouns or suffixes (전문가, 피부과, 종로), which
only Kiwi, a morphological analyser, can tell apart. So the check misses many faults, but nearly
every word that it reports has one. For its precision and recall, see
tasks/ko_naturalness/README.md."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from kodata.metrics.morphemes import kiwi

AFTER_CONSONANT = ("은", "을", "이", "과", "으로")
AFTER_VOWEL = ("는", "를", "가", "와", "로")
_RIEUL = 8  # the index of ㄹ among the final consonants; 로 follows ㄹ as well as vowels
_PARTICLE = "J"  # the tags of particles begin with this letter
# Kiwi may read a broken josa as another part of speech: for each form, the tags that it then gives.
# Forms that are frequent nouns or suffixes (이, 과, 가, 와) are not listed.
_MISREAD = {"은": ("NNG",), "을": ("NNG",), "는": ("ETM",), "를": ("NNG",), "로": ("XSM",)}
# The tags of morphemes that a particle may follow: nouns, pronouns, suffixes, nominal endings and
# other particles.
_WORDS = ("NNG", "NNP", "NNB", "NP", "XSN", "ETN", "J")


def broken_josa(text: str) -> list[str]:
    """The words of a text that end with a broken josa."""
    return list(find_broken(text, kiwi().tokenize(text)))


def find_broken(text: str, tokens: Sequence[Any]) -> Iterator[str]:
    """Like broken_josa(). `tokens` are Kiwi's morphemes of the text."""
    for before, token in pairwise(tokens):
        end = token.start + token.len
        ends_word = end == len(text) or not text[end].isalnum()
        follows = before.start + before.len == token.start and before.tag.startswith(_WORDS)
        if ends_word and follows and _is_broken(before, token, text[token.start - 1]):
            yield text[before.start : end]


def _is_broken(before: Any, token: Any, last: str) -> bool:
    """Whether the morpheme `token` is a broken josa. `before` is the morpheme before it, and `last`
    the last character of that morpheme."""
    if not "가" <= last <= "힣" or token.form not in AFTER_CONSONANT + AFTER_VOWEL:
        return False
    if _fits(token.form, (ord(last) - 0xAC00) % 28):
        return False
    if token.tag.startswith(_PARTICLE):
        return True
    # Kiwi tags an unknown word as a name. The form after it may be a part of the word: 재밋는 is a
    # misspelled adjective, and 연수구을 an electoral district.
    is_known_word = before.tag != "NNP" and before.len > 1
    return is_known_word and token.tag in _MISREAD.get(token.form, ())


def _fits(form: str, final: int) -> bool:
    """Whether a form of a particle may follow a syllable. `final` is the index of the syllable's
    final consonant; 0 if it has none."""
    if form in ("로", "으로"):
        return (form == "로") == (final in (0, _RIEUL))
    return (form in AFTER_VOWEL) == (final == 0)
