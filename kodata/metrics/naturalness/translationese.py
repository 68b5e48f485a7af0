"""Analyses a text with Kiwi, a morphological analyser. The results are the spacing, the speech
levels, and the constructions that are more frequent in translated than in native Korean
(translationese).

A count is the number of occurrences in the text. Another version of Kiwi may give other counts.
references.yaml states the version with which the reference values were measured."""

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from kodata.metrics.morphemes import kiwi
from kodata.metrics.naturalness.josa import find_broken


class Morpheme(NamedTuple):
    """A morpheme: its form, and its tag in the Sejong tag set. Kiwi's suffixes of tags for
    irregular stems (VV-I) are removed."""

    form: str
    tag: str


Morphemes = Sequence[Morpheme]


class Reading(NamedTuple):
    """Kiwi's analysis of a text."""

    morphemes: tuple[Morpheme, ...]
    score: float  # the natural logarithm of the analysis' likelihood under Kiwi's language model
    broken_josa: int  # the number of words with a broken josa (josa.py)
    registers: frozenset[str]  # the speech levels of the text's sentences: haeyo, hapsyo, plain


# Words that the counts in TRANSLATIONESE use: pronouns of the third and second person, pronouns of
# the first person, verbs that mean to have, and verbs that are passive already.
PRONOUNS = ("그", "그녀", "그것", "이것", "저것", "당신")
SELVES = ("나", "저", "우리", "저희")
HAVE = ("가지", "갖", "지니")
PASSIVE_VERBS = {
    *(
        "쓰이",
        "읽히",
        "보이",
        "불리",
        "나뉘",
        "잊히",
        "닫히",
        "모이",
        "놓이",
        "담기",
        "잡히",
        "밀리",
        "열리",
        "들리",
    ),
    *("팔리", "쌓이", "바뀌", "막히", "꼽히", "풀리", "찢기"),
}
# Pairs of a particle and a verb that together work like a particle, as in 에 대하여.
COMPOUND = {("에", "대하"), ("에", "관하"), *((josa, "통하") for josa in ("을", "를"))}
COMPOUND |= {(josa, "위하") for josa in ("을", "를")} | {(josa, "인하") for josa in ("로", "으로")}
_BECOME, _CAUSED = Morpheme("지", "VX"), Morpheme("게", "EC")
_THING, _WAY, _MIDST = (Morpheme(form, "NNB") for form in ("것", "수", "중"))


def read(text: str) -> Reading:
    """Kiwi's most probable analysis of a text. The speech levels are those outside of quotes."""
    tokens, score = kiwi().analyze(text)[0]
    morphemes = tuple(Morpheme(token.form, token.tag.partition("-")[0]) for token in tokens)
    quoted = {index for match in _QUOTED.finditer(text) for index in range(*match.span())}
    unquoted = [
        morpheme
        for morpheme, token in zip(morphemes, tokens, strict=True)
        if token.start not in quoted
    ]
    broken = sum(1 for _ in find_broken(text, tokens))
    return Reading(morphemes, score, broken, registers(unquoted))


def respaced(text: str) -> int:
    """The number of places where Kiwi would add or remove a space."""
    return len(_gaps(text) ^ _gaps(kiwi().space(text, reset_whitespace=False)))


def _gaps(text: str) -> set[int]:
    """The positions of white space and of the end of the text. A position is the number of
    characters before it, without white space."""
    gaps, position = set(), 0
    for word in text.split():
        position += len(word)
        gaps.add(position)
    return gaps


# ---- speech levels

# A quote. Its speech level is that of the quoted person, so it is not counted.
_QUOTED = re.compile(r"\"[^\"\n]*\"|“[^”\n]*”|‘[^’\n]*’|'[^'\n]*'")
# The last syllables of sentence endings, by speech level.
_ENDINGS = (
    ("hapsyo", ("니다", "니까", "시오", "시다")),
    ("haeyo", ("요", "죠")),
    (
        "plain",
        (
            "다",
            "냐",
            "라",
            "자",
            "니",
            "구나",
            "어",
            "아",
            "지",
            "네",
            "야",
            "거든",
            "ᆯ게",
            "ᆯ래",
            "는데",
            "ᆫ데",
            "더라고",
        ),
    ),
)


def registers(morphemes: Morphemes) -> frozenset[str]:
    """The speech levels of the sentence endings in a text: haeyo, hapsyo and plain. The levels 해라
    and 해 both count as plain. An ending that all levels share, such as -ᆯ까, is not counted."""
    levels = set()
    for morpheme, after in pairwise([*morphemes, Morpheme("", "SF")]):
        is_ending = morpheme.tag == "EF" or (morpheme.tag == "EC" and after.tag == "SF")
        if morpheme == ("요", "JX"):
            levels.add("haeyo")
        elif is_ending and after != ("요", "JX"):
            levels.add(_level(morpheme.form))
    return frozenset(levels - {""})


def _level(ending: str) -> str:
    """The speech level of a sentence ending; "" if it has none."""
    return next((level for level, forms in _ENDINGS if ending.endswith(forms)), "")


# ---- constructions that are more frequent in translated Korean


def _single(holds: Callable[[Morpheme], bool]) -> Callable[[Morphemes], int]:
    """A function that counts the morphemes of a text for which `holds` is True."""
    return lambda morphemes: sum(map(holds, morphemes))


def _pair(holds: Callable[[Morpheme, Morpheme], bool]) -> Callable[[Morphemes], int]:
    """Like _single(), for two consecutive morphemes."""
    return lambda morphemes: sum(holds(left, right) for left, right in pairwise(morphemes))


def _triple(holds: Callable[[Morpheme, Morpheme, Morpheme], bool]) -> Callable[[Morphemes], int]:
    """Like _single(), for three consecutive morphemes."""
    return lambda morphemes: sum(map(holds, morphemes, morphemes[1:], morphemes[2:]))


def _doubly_passive(verb: Morpheme, ending: Morpheme, auxiliary: Morpheme) -> bool:
    """Whether three morphemes are a double passive: 읽혀지다, 생각되어지다, 만들어지게 되다."""
    passive = verb.form == "되" or (verb.tag == "VV" and verb.form in PASSIVE_VERBS)
    return (passive and ending.tag == "EC" and auxiliary == _BECOME) or (
        verb == _BECOME and ending == _CAUSED and auxiliary.form == "되"
    )


# For each construction, a function that counts it in the morphemes of a text.
TRANSLATIONESE: dict[str, Callable[[Morphemes], int]] = {
    # Kiwi splits 그들 into 그 and 들, so it is counted.
    "pronouns": _single(lambda word: word.tag == "NP" and word.form in PRONOUNS),
    "self_pronouns": _single(lambda word: word.tag == "NP" and word.form in SELVES),
    "plural_deul": _pair(lambda noun, suffix: suffix == ("들", "XSN") and noun.tag != "NP"),
    "double_passive": _triple(_doubly_passive),
    "eui_hae": _pair(lambda josa, verb: josa.tag == "JKB" and verb.form == "의하"),
    "compound_josa": lambda morphemes: (
        _pair(lambda josa, verb: (josa.form, verb.form) in COMPOUND and josa.tag.startswith("J"))(
            morphemes
        )
        + _single(lambda word: word.form in ("로부터", "으로부터"))(morphemes)
    ),
    "gajida": _pair(
        lambda josa, verb: josa.tag == "JKO" and verb.tag == "VV" and verb.form in HAVE
    ),
    "geot": _single(lambda word: word == _THING),
    "genitive": _single(lambda word: word.tag == "JKG"),
    "adnominal": _single(lambda word: word.tag == "ETM"),
    "counted_of": _triple(  # such as 한 잔의 커피
        lambda number, unit, josa: (
            number.tag in ("MM", "NR", "SN") and unit.tag in ("NNB", "NNG") and josa.tag == "JKG"
        )
    ),
    "jungida": _triple(
        lambda verb, noun, be: verb.tag == "ETM" and noun == _MIDST and be.form == "이"
    ),
    "su_itda": _pair(lambda way, be: way == _WAY and be.form in ("있", "없")),
}


# ---- the profile of function morphemes

# The beginnings of the tags of function morphemes, and the dependent nouns that count as such.
FUNCTION = ("J", "EC", "ET", "XS", "VX", "VC")
DEPENDENT = (
    "것",
    "거",
    "수",
    "줄",
    "때문",
    "데",
    "바",
    "뿐",
    "듯",
    "만큼",
    "중",
    "적",
)  # without units such as 원, 명, 달러


def function_morphemes(morphemes: Morphemes) -> Iterator[str]:
    """Yields form/tag for every function morpheme: particles, endings, suffixes, auxiliary verbs,
    copulas and dependent nouns. Sentence endings are excluded, since a prompt may request a speech
    level. Pronouns are excluded, since they are counted by themselves."""
    for form, tag in morphemes:
        if tag.startswith(FUNCTION) or (tag == "NNB" and form in DEPENDENT):
            yield f"{form}/{tag}"
