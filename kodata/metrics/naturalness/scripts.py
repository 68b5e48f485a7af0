"""Which script the words of a text are written in: share of Hangul, and words in which a foreign
script leaked.

A Korean text holds foreign letters of right: KBS는, 5km, e스포츠, 한자(漢字). What the check looks
for is what a model does that slips into another language: lĩnh vực, 얼마나必要한, とても, 합니дa,
important한, 습ni다."""

import re
from functools import cache
from unicodedata import name

from kodata.text import composed

# A gloss or a title: 한자(漢字), 초밥[すし].
_BRACKETED = re.compile(r"\([^()]*\)|\[[^][]*\]|《[^《》]*》|『[^『』]*』")
_ADDRESS = re.compile(r"[@/\\]|www\.|\.\w+\.|\.(com|net|org|kr)\b", re.IGNORECASE)
_HAN_INSIDE = re.compile(r"[가-힣][一-鿿]|[一-鿿]{2}")  # but 前장관, 美정부
_LATIN_AFTER = re.compile(r"[가-힣]([a-z]{2,})(?![a-zA-Z0-9])")
_LATIN_BEFORE = re.compile(r"(?<![a-zA-Z0-9])[a-z]{4,}([가-힣]+)")
_VOWEL = re.compile("[aeiouy]")  # cg, tv and kbs, written small, are no words
# What a foreign name may take.
_PARTICLE = re.compile("[은는이가을를의에와과도로만랑나서까부보처마조라들님]|입니|인")


def words(text: str) -> list[str]:
    """What stands between white space and holds a letter."""
    return [word for word in text.split() if any(map(str.isalpha, word))]


def is_korean(word: str) -> bool:
    """Whether an eojeol: a word with at least one Hangul syllable."""
    return any("가" <= letter <= "힣" for letter in word)


def hangul(text: str) -> tuple[int, int]:
    """Letters that are Hangul, and all letters."""
    letters = [script(letter) for letter in text if letter.isalpha()]
    return letters.count("HANGUL"), len(letters)


def leaky(text: str) -> list[str]:
    """The words in which a foreign script leaked. A single capital or Greek letter, an acronym, a
    unit, an address and what stands in brackets after a word are none."""
    plain = _BRACKETED.sub(" ", composed(text, "NFKC"))
    return [word for word in words(plain) if not _ADDRESS.search(word) and _is_leaky(word)]


def _is_leaky(word: str) -> bool:
    scripts = [script(letter) for letter in word if letter.isalpha()]
    if (
        any(found not in ("HANGUL", "LATIN", "CJK", "GREEK") for found in scripts)
        or scripts.count("GREEK") > 1
    ):
        return True
    if _HAN_INSIDE.search(word) or any(
        letter > "\x7f" and script(letter) == "LATIN" for letter in word
    ):
        return True
    after, before = _LATIN_AFTER.search(word), _LATIN_BEFORE.search(word)
    if after and _VOWEL.search(after[1]):
        return True
    return bool(before and _VOWEL.search(before[0]) and not _PARTICLE.match(before[1]))


@cache
def script(letter: str) -> str:
    """The first word of a character's Unicode name: HANGUL, LATIN, CJK, HIRAGANA, CYRILLIC ...; ""
    without a name."""
    return name(letter, "").split(" ")[0].split("-")[0]
