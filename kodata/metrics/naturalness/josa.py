"""Broken josa: a particle in the form that does not fit the word before it, such as 두부을, 술를,
서울으로.

Only the choice of the form is checked (은/는, 이/가, 을/를, 과/와, 으로/로), not the choice of the
particle. Some of these forms are also nouns or suffixes (전문가, 피부과, 종로). Such a form counts
only if Kiwi, a morphological analyser, reads it as a particle. So the check misses many faults, but
nearly every word that it reports is a fault. For its precision and recall, see
tasks/ko_naturalness/README.md."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from kodata.metrics.morphemes import kiwi

AFTER_CONSONANT = ("은", "을", "이", "과", "으로")
AFTER_VOWEL = ("는", "를", "가", "와", "로")
_RIEUL = 8  # index of ㄹ among final consonants; 로 follows ㄹ and vowels
_PARTICLE = "J"
# The tags that Kiwi gives to a form if the form does not fit the word before it. Forms that are
# frequent nouns or suffixes (이, 과, 가, 와) are not listed.
_MISREAD = {"은": ("NNG",), "을": ("NNG",), "는": ("ETM",), "를": ("NNG",), "로": ("XSM",)}
_WORDS = ("NNG", "NNP", "NNB", "NP", "XSN", "ETN", "J")


def broken_josa(text: str) -> list[str]:
    """The words of a text that end in a josa whose form does not fit."""
    return list(find_broken(text, kiwi().tokenize(text)))


def find_broken(text: str, tokens: Sequence[Any]) -> Iterator[str]:
    """Like broken_josa(), for a text that Kiwi has already split into `tokens`."""
    for before, token in pairwise(tokens):
        end = token.start + token.len
        ends_word = end == len(text) or not text[end].isalnum()
        follows = before.start + before.len == token.start and before.tag.startswith(_WORDS)
        if ends_word and follows and _is_broken(before, token, text[token.start - 1]):
            yield text[before.start : end]


def _is_broken(before: Any, token: Any, last: str) -> bool:
    if not "가" <= last <= "힣" or token.form not in AFTER_CONSONANT + AFTER_VOWEL:
        return False
    if _fits(token.form, (ord(last) - 0xAC00) % 28):
        return False
    if token.tag.startswith(_PARTICLE):
        return True
    # Kiwi tags unknown words as names. Some are misspelled (재밋는), some are correct names, such
    # as 연수구을, an electoral district.
    is_known_word = before.tag != "NNP" and before.len > 1
    return is_known_word and token.tag in _MISREAD.get(token.form, ())


def _fits(form: str, final: int) -> bool:
    """Whether a form may follow a syllable with this final consonant. `final` is 0 for a syllable
    without one."""
    if form in ("로", "으로"):
        return (form == "로") == (final in (0, _RIEUL))
    return (form in AFTER_VOWEL) == (final == 0)
