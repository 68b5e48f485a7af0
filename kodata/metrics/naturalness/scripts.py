"""Counts the Hangul letters of a text, and finds foreign words: words in a foreign script that do
not belong in a Korean text. A language model writes them when it slips into another language.

- Found: lĩnh vực, 얼마나必要한, とても, 합니дa, important한, feedback을, very 중요합니다, 습ni다.
- Not found, since they belong in a Korean text: KBS는, 5km, e스포츠, 한자(漢字), python으로, "thank
  you"라고.

An English word is found only if it is in lower case, because names have capitals. Names that are
written in lower case are listed in names.py and not found. For the precision of the check, see
tasks/ko_naturalness/README.md."""

import re
from functools import cache
from unicodedata import name

from kodata.metrics.naturalness.names import NAMES
from kodata.text import composed

# A gloss in brackets, or a title: 한자(漢字), 초밥[すし].
_BRACKETED = re.compile(r"\([^()]*\)|\[[^][]*\]|《[^《》]*》|『[^『』]*』")
_CODE = re.compile(r"```.*?(```|\Z)|`[^`\n]*`", re.DOTALL)
# A quote without Hangul. It mentions a foreign word, which is not a fault. A quote with Hangul is
# checked like other text.
_QUOTED = re.compile(r"(\"|“|'|‘|「)[^가-힣\n\"“”'‘’「」]*(\"|”|'|’|」)")
# English words that 라고, 라는 or a similar form mentions. A match has at most nine words. Without
# this limit, the time would not grow linearly with the length of the text.
_MENTIONED = re.compile(
    r"(?<![A-Za-z'])[A-Za-z']+( [A-Za-z']+){0,8}(?=이?(라고|라는|라며|란(?![가-힣])))"
)
# A name of two to ten words, of which the first and the last have a capital: Lord of the Rings.
_TITLE = re.compile(r"(?<![A-Za-z])[A-Z][A-Za-z'’]*( [A-Za-z'’]+){0,8} [A-Z][A-Za-z'’]*")
_ADDRESS = re.compile(r"[@/\\#_=<>]|www\.|[A-Za-z0-9]\.[A-Za-z]", re.IGNORECASE)
# Chinese characters that are not at the beginning of a word, or two in a row. A single one at the
# beginning is usual in Korean: 前장관, 美정부.
_HAN_INSIDE = re.compile(r"[가-힣][一-鿿]|[一-鿿]{2}")
_LATIN_AFTER = re.compile(r"[가-힣]([a-z]{2,})(?![a-zA-Z0-9])")
_ENGLISH = re.compile(r"(?<![a-zA-Z0-9'’-])[a-z]{3,}(?![a-zA-Z0-9'’-])")
_VOWEL = re.compile("[aeiouy]")  # a word without a vowel is an acronym: kbs, dvd


def words(text: str) -> list[str]:
    """The parts of a text between white space that contain a letter."""
    return [word for word in text.split() if any(map(str.isalpha, word))]


def is_korean(word: str) -> bool:
    """Whether a word has at least one Hangul syllable. Such a word is an eojeol."""
    return any("가" <= letter <= "힣" for letter in word)


def hangul(text: str) -> tuple[int, int]:
    """Returns the number of Hangul letters and the number of all letters."""
    letters = [script(letter) for letter in text if letter.isalpha()]
    return letters.count("HANGUL"), len(letters)


def foreign_words(text: str) -> list[str]:
    """The foreign words of a text. These do not count: a single capital or Greek letter, acronyms,
    units, addresses and file names, code between backticks, a gloss in brackets, a quote without
    Hangul, and words that 라고 or 라는 mentions."""
    plain = composed(text, "NFKC")
    for pattern in (_CODE, _BRACKETED, _QUOTED, _MENTIONED, _TITLE):
        plain = pattern.sub(" ", plain)
    return [word for word in words(plain) if not _ADDRESS.search(word) and _is_foreign(word)]


def _is_foreign(word: str) -> bool:
    """Whether a word that is not quoted, mentioned or in brackets is a foreign word."""
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
    """Whether lower-case Latin letters are an English word, not an acronym or a known name."""
    return bool(_VOWEL.search(letters)) and letters not in NAMES


@cache
def script(letter: str) -> str:
    """The script of a letter, as the first word of its Unicode name: HANGUL, LATIN, CJK, HIRAGANA,
    CYRILLIC and so on. "" for a character without a name."""
    return name(letter, "").split(" ")[0].split("-")[0]
