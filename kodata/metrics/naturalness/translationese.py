"""Analyses a text with Kiwi, a morphological analyser: Kiwi's score, spacing, speech levels, and
constructions that are more frequent in translated than in native Korean.

A count is the number of occurrences in the text. Another version of Kiwi may give other counts.
references.yaml states the version with which the references were made."""

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from kodata.metrics.morphemes import kiwi
from kodata.metrics.naturalness.josa import find_broken


class Morpheme(NamedTuple):
    """A form with its part of speech in the Sejong tag set, without Kiwi's marks for irregular
    stems."""

    form: str
    tag: str


Morphemes = Sequence[Morpheme]


class Reading(NamedTuple):
    """Kiwi's analysis of a text."""

    morphemes: tuple[Morpheme, ...]
    score: float  # natural logarithm of the reading's likelihood under Kiwi's language model
    broken_josa: int  # words that end in a josa whose form does not fit
    registers: frozenset[str]  # the speech levels of its sentences: haeyo, hapsyo, plain


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
COMPOUND = {("에", "대하"), ("에", "관하"), *((josa, "통하") for josa in ("을", "를"))}
COMPOUND |= {(josa, "위하") for josa in ("을", "를")} | {(josa, "인하") for josa in ("로", "으로")}
_BECOME, _CAUSED = Morpheme("지", "VX"), Morpheme("게", "EC")
_THING, _WAY, _MIDST = (Morpheme(form, "NNB") for form in ("것", "수", "중"))


def read(text: str) -> Reading:
    """The most probable reading of a text. The same text always gives the same reading."""
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
    """The positions of white space, each as the number of other characters before it."""
    gaps, position = set(), 0
    for word in text.split():
        position += len(word)
        gaps.add(position)
    return gaps


# ---- speech levels

# Quoted speech has a level of its own.
_QUOTED = re.compile(r"\"[^\"\n]*\"|“[^”\n]*”|‘[^’\n]*’|'[^'\n]*'")
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
    """The speech levels in which sentences end: haeyo, hapsyo and plain. 해라 and 해 both count as
    plain. An ending that all levels share, such as -ᆯ까, has no level."""
    levels = set()
    for morpheme, after in pairwise([*morphemes, Morpheme("", "SF")]):
        is_ending = morpheme.tag == "EF" or (morpheme.tag == "EC" and after.tag == "SF")
        if morpheme == ("요", "JX"):
            levels.add("haeyo")
        elif is_ending and after != ("요", "JX"):
            levels.add(_level(morpheme.form))
    return frozenset(levels - {""})


def _level(ending: str) -> str:
    return next((level for level, forms in _ENDINGS if ending.endswith(forms)), "")


# ---- constructions that are more frequent in translated Korean: occurrences of each


def _single(holds: Callable[[Morpheme], bool]) -> Callable[[Morphemes], int]:
    return lambda morphemes: sum(map(holds, morphemes))


def _pair(holds: Callable[[Morpheme, Morpheme], bool]) -> Callable[[Morphemes], int]:
    return lambda morphemes: sum(holds(left, right) for left, right in pairwise(morphemes))


def _triple(holds: Callable[[Morpheme, Morpheme, Morpheme], bool]) -> Callable[[Morphemes], int]:
    return lambda morphemes: sum(map(holds, morphemes, morphemes[1:], morphemes[2:]))


def _doubly_passive(verb: Morpheme, ending: Morpheme, auxiliary: Morpheme) -> bool:
    """Whether three morphemes are a double passive: 읽혀지다, 생각되어지다, 만들어지게 되다."""
    passive = verb.form == "되" or (verb.tag == "VV" and verb.form in PASSIVE_VERBS)
    return (passive and ending.tag == "EC" and auxiliary == _BECOME) or (
        verb == _BECOME and ending == _CAUSED and auxiliary.form == "되"
    )


TRANSLATIONESE: dict[str, Callable[[Morphemes], int]] = {
    "pronouns": _single(
        lambda word: word.tag == "NP" and word.form in PRONOUNS
    ),  # Kiwi: 그들 is 그 + 들
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
)  # units are excluded: 원, 명, 달러


def function_morphemes(morphemes: Morphemes) -> Iterator[str]:
    """Yields the form/tag of every particle, connective or adnominal ending, suffix, auxiliary,
    copula and dependent noun. Sentence endings are excluded, since a prompt may request them.
    Pronouns are excluded, since they have their own counts."""
    for form, tag in morphemes:
        if tag.startswith(FUNCTION) or (tag == "NNB" and form in DEPENDENT):
            yield f"{form}/{tag}"
