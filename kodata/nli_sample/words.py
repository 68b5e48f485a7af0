"""The words of the sample, with the Korean particles (josa) and counters that fit them."""

from __future__ import annotations

from typing import NamedTuple

# The forms of each particle: after a final consonant, and after a vowel.
PARTICLES = {
    "은": ("은", "는"),
    "이": ("이", "가"),
    "을": ("을", "를"),
    "와": ("과", "와"),
    "다": ("이다", "다"),
    "였다": ("이었다", "였다"),
}


def ends_in_consonant(word: str) -> bool:
    """Whether the last syllable of a Hangul word has a final consonant. Raises ValueError if the
    word does not end in a Hangul syllable."""
    code = ord(word[-1]) - ord("가")
    if not 0 <= code < 11172:
        raise ValueError(f"{word!r} does not end in a Hangul syllable")
    return code % 28 != 0


class Noun(str):
    """A noun that can be formatted with a particle (a key of PARTICLES). The fitting form is
    added: f"{Noun('사과'):을}" is 사과를."""

    __slots__ = ()

    def __format__(self, particle: str) -> str:
        if not particle:
            return str(self)
        after_consonant, after_vowel = PARTICLES[particle]
        return str(self) + (after_consonant if ends_in_consonant(self) else after_vowel)


class Verb(NamedTuple):
    """A verb. `past`: the past tense, ending in 다. `stem`: the form before 지 않았다, the negated
    past tense."""

    past: str
    stem: str


class Transfer(NamedTuple):
    """The verbs of a transfer from a giver to a taker. `gave` and `took`: the past tense. `giving`
    and `taking`: the adnominal form, which comes before 사람."""

    gave: str
    giving: str
    took: str
    taking: str


class Measure(NamedTuple):
    """A measure by which two people are compared. `noun`: its name. `more` and `less`: the present
    and the adnominal form of the adjective for more and for less."""

    noun: Noun
    more: tuple[str, str]
    less: tuple[str, str]


def nouns(text: str) -> tuple[Noun, ...]:
    """The words of a line as nouns."""
    return tuple(Noun(word) for word in text.split())


# There are few words, and each is used often, because a model with a million parameters must learn
# all of them.
NAMES = nouns("민수 영희 지훈 서연 준호 하은 도윤 유진")
DAYS = nouns("어제 그제 월요일 토요일")
THINGS = nouns("책 가방 우산 시계 모자 의자 거울 인형")

COUNTERS = {Noun("책"): "권"}  # all other things are counted in 개

BUYING = (
    Verb("샀다", "사"),
    Verb("팔았다", "팔"),
    Verb("골랐다", "고르"),
    Verb("만들었다", "만들"),
)
# 찍었다 alone is ambiguous for a tree, because it also means to cut. So 사진으로 is added.
DEPICTING = (Verb("그렸다", "그리"), Verb("사진으로 찍었다", "사진으로 찍"), Verb("보았다", "보"))
# Events that happen only once in an afternoon. If one could happen twice, "before five" and "after
# six" could both be true.
EVENTS = ("일을 마쳤다", "시험을 끝냈다", "서울에 도착했다", "고향을 떠났다")

# Kinds, the groups of each kind, and the members of each group. No member belongs to two groups.
KINDS: dict[Noun, dict[Noun, tuple[Noun, ...]]] = {
    Noun("동물"): {Noun("새"): nouns("참새 까치 제비"), Noun("물고기"): nouns("붕어 잉어 연어")},
    Noun("식물"): {
        Noun("꽃"): nouns("장미 국화 백합"),
        Noun("나무"): nouns("소나무 참나무 밤나무"),
    },
    Noun("탈것"): {
        Noun("자동차"): nouns("택시 버스 트럭"),
        Noun("배"): nouns("돛단배 여객선 화물선"),
    },
}

TRANSFERS = (
    Transfer("주었다", "준", "받았다", "받은"),
    Transfer("팔았다", "판", "샀다", "산"),
    Transfer("빌려주었다", "빌려준", "빌렸다", "빌린"),
)

MEASURES = (
    Measure(Noun("키"), ("크다", "큰"), ("작다", "작은")),
    Measure(Noun("나이"), ("많다", "많은"), ("적다", "적은")),
    Measure(Noun("점수"), ("높다", "높은"), ("낮다", "낮은")),
    Measure(Noun("머리"), ("길다", "긴"), ("짧다", "짧은")),
)

NUMBERS = nouns("한 두 세 네 다섯 여섯 일곱 여덟 아홉")  # before a counter: 한 개, 두 시


def on(day: Noun) -> str:
    """A day as an adverb. A day of the week gets the particle 에; 어제 and 그제 get none."""
    return f"{day}에" if day.endswith("요일") else str(day)


def counted(number: int, thing: Noun) -> str:
    """A number with the counter of a thing: 세 권 for books, 세 개 for all other things."""
    return f"{NUMBERS[number - 1]} {COUNTERS.get(thing, '개')}"


def every_noun() -> list[Noun]:
    """All nouns of this module without duplicates, longest first."""
    every = {*NAMES, *DAYS, *THINGS, *(measure.noun for measure in MEASURES)}
    for kind, groups in KINDS.items():
        every.update((kind, *groups), *groups.values())
    return sorted(every, key=lambda word: (-len(word), word))
