"""Checks the script of a text's words: the share of Hangul, and words in a foreign script that do
not belong in a Korean text.

Many foreign letters do belong in a Korean text: KBS는, 5km, e스포츠, 한자(漢字), python으로, "thank
you"라고. The check detects words of a model that slips into another language: lĩnh vực,
얼마나必要한, とても, 합니дa, important한, feedback을, very 중요합니다, 습ni다.

An English word counts only if all its letters are small, because names have capitals. Names in
small letters do not count; they are listed in names.py. For the precision of the check, see
tasks/ko_naturalness/README.md."""

import re
from functools import cache
from unicodedata import name

from kodata.metrics.naturalness.names import NAMES
from kodata.text import composed

# A gloss or a title: 한자(漢字), 초밥[すし].
_BRACKETED = re.compile(r"\([^()]*\)|\[[^][]*\]|《[^《》]*》|『[^『』]*』")
_CODE = re.compile(r"```.*?(```|\Z)|`[^`\n]*`", re.DOTALL)
# A quote without Hangul only mentions a foreign word. A quote with Hangul is somebody's speech,
# which is checked.
_QUOTED = re.compile(r"(\"|“|'|‘|「)[^가-힣\n\"“”'‘’「」]*(\"|”|'|’|」)")
# The number of words in a match is limited, so that the time grows linearly with a text's length.
_MENTIONED = re.compile(
    r"(?<![A-Za-z'])[A-Za-z']+( [A-Za-z']+){0,8}(?=이?(라고|라는|라며|란(?![가-힣])))"
)
# A name of several words begins and ends with a capital: Lord of the Rings.
_TITLE = re.compile(r"(?<![A-Za-z])[A-Z][A-Za-z'’]*( [A-Za-z'’]+){0,8} [A-Z][A-Za-z'’]*")
_ADDRESS = re.compile(r"[@/\\#_=<>]|www\.|[A-Za-z0-9]\.[A-Za-z]", re.IGNORECASE)
_HAN_INSIDE = re.compile(r"[가-힣][一-鿿]|[一-鿿]{2}")  # does not match 前장관, 美정부
_LATIN_AFTER = re.compile(r"[가-힣]([a-z]{2,})(?![a-zA-Z0-9])")
_ENGLISH = re.compile(r"(?<![a-zA-Z0-9'’-])[a-z]{3,}(?![a-zA-Z0-9'’-])")
_VOWEL = re.compile("[aeiouy]")  # kbs and dvd are acronyms in small letters


def words(text: str) -> list[str]:
    """The parts of a text between white space that contain a letter."""
    return [word for word in text.split() if any(map(str.isalpha, word))]


def is_korean(word: str) -> bool:
    """Whether a word is an eojeol: it has at least one Hangul syllable."""
    return any("가" <= letter <= "힣" for letter in word)


def hangul(text: str) -> tuple[int, int]:
    """The number of letters that are Hangul, and of all letters."""
    letters = [script(letter) for letter in text if letter.isalpha()]
    return letters.count("HANGUL"), len(letters)


def foreign_words(text: str) -> list[str]:
    """The words in a foreign script that do not belong in a Korean text. Not counted: a single
    capital or Greek letter, acronyms, units, addresses and file names, code between backticks, a
    gloss in brackets, a quote without Hangul, a word that 라고 or 라는 mentions."""
    plain = composed(text, "NFKC")
    for pattern in (_CODE, _BRACKETED, _QUOTED, _MENTIONED, _TITLE):
        plain = pattern.sub(" ", plain)
    return [word for word in words(plain) if not _ADDRESS.search(word) and _is_foreign(word)]


def _is_foreign(word: str) -> bool:
    scripts = [script(letter) for letter in word if letter.isalpha()]
    if not {*scripts} <= {"HANGUL", "LATIN", "CJK", "GREEK"}:
        return True
    if scripts.count("GREEK") > 1 or _HAN_INSIDE.search(word):
        return True
    if any(letter > "\x7f" and script(letter) == "LATIN" for letter in word):
        return True
    after = _LATIN_AFTER.search(word)
    return any(map(_is_english, [*([after[1]] if after else []), *_ENGLISH.findall(word)]))


def _is_english(letters: str) -> bool:
    return bool(_VOWEL.search(letters)) and letters not in NAMES


@cache
def script(letter: str) -> str:
    """The first word of a character's Unicode name: HANGUL, LATIN, CJK, HIRAGANA, CYRILLIC ...; ""
    if the character has no name."""
    return name(letter, "").split(" ")[0].split("-")[0]
