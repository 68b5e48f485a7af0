"""The words of the sample and Korean particles (josa) that fit them: every noun carries the right particle by construction."""

from __future__ import annotations

from typing import NamedTuple

# The first form follows a final consonant, the second a vowel.
PARTICLES = {"은": ("은", "는"), "이": ("이", "가"), "을": ("을", "를"), "과": ("과", "와"), "였다": ("이었다", "였다")}


def ends_in_consonant(word: str) -> bool:
    """Whether the last syllable of a Hangul word has a final consonant."""
    code = ord(word[-1]) - ord("가")
    if not 0 <= code < 11172:
        raise ValueError(f"{word!r} does not end in a Hangul syllable")
    return code % 28 != 0


class Noun(str):
    """A noun that takes its particle as a format: f"{Noun('사과'):을}" is 사과를."""

    __slots__ = ()

    def __format__(self, particle: str) -> str:
        if not particle:
            return str(self)
        after_consonant, after_vowel = PARTICLES[particle]
        return str(self) + (after_consonant if ends_in_consonant(self) else after_vowel)


class Verb(NamedTuple):
    """A verb with what can be its object; `past` ends in 다, `stem` takes 지 않았다."""

    past: str
    stem: str
    objects: tuple[Noun, ...]


class Transfer(NamedTuple):
    """Something goes from a giver to a taker: past forms, and the forms before 사람."""

    gave: str
    giving: str
    took: str
    taking: str


class Measure(NamedTuple):
    """What two people are compared in: the noun, and the present, past and adnominal forms of more and less."""

    noun: Noun
    more: tuple[str, str, str]
    less: tuple[str, str, str]


class Count(NamedTuple):
    """Things counted with one counter, and where they are kept."""

    counter: Noun
    places: tuple[Noun, ...]
    things: tuple[Noun, ...]


def nouns(text: str) -> tuple[Noun, ...]:
    """The words of a line as nouns."""
    return tuple(Noun(word) for word in text.split())


# Few words, each used often: a model of a million parameters has to learn every one of them.
NAMES = nouns("민수 영희 지훈 서연 준호 하은 도윤 수빈 유진 태호 은지 현우")
DAYS = nouns("어제 그제 아침 저녁 주말 지난주 작년 일요일")
THINGS = nouns("책 가방 우산 시계 모자 의자 거울 인형 공책 연필")

VERBS = (
    Verb("샀다", "사", THINGS),
    Verb("만들었다", "만들", THINGS),
    Verb("닦았다", "닦", THINGS),
    Verb("찾았다", "찾", THINGS),
    Verb("먹었다", "먹", nouns("김밥 만두 라면 과자 감자 사과 포도 수박")),
    Verb("배웠다", "배우", nouns("수영 바둑 장기 탁구 영어 춤 연극 검도")),
)

# Three levels: a kind, its groups, and members. No member belongs to two groups.
KINDS: dict[Noun, dict[Noun, tuple[Noun, ...]]] = {
    Noun("동물"): {Noun("새"): nouns("참새 까치 제비"), Noun("물고기"): nouns("붕어 잉어 고등어")},
    Noun("식물"): {Noun("꽃"): nouns("튤립 국화 백합"), Noun("채소"): nouns("배추 상추 당근")},
    Noun("악기"): {Noun("현악기"): nouns("기타 첼로 가야금"), Noun("관악기"): nouns("피리 나팔 단소")},
    Noun("탈것"): {Noun("자동차"): nouns("택시 버스 트럭"), Noun("비행기"): nouns("여객기 전투기 수송기")},
}
DEPICTING = (("그렸다", "그리"), ("찍었다", "찍"), ("조사했다", "조사하"))

TRANSFERS = (
    Transfer("주었다", "준", "받았다", "받은"),
    Transfer("팔았다", "판", "샀다", "산"),
    Transfer("빌려주었다", "빌려준", "빌렸다", "빌린"),
)
GAMES = nouns("바둑 장기 탁구 검도 씨름 체스")

ACTIVITIES = nouns("청소 빨래 운동 산책 숙제 요리 공부 회의 발표 목욕")

MEASURES = (
    Measure(Noun("키"), ("크다", "컸다", "큰"), ("작다", "작았다", "작은")),
    Measure(Noun("나이"), ("많다", "많았다", "많은"), ("적다", "적었다", "적은")),
    Measure(Noun("점수"), ("높다", "높았다", "높은"), ("낮다", "낮았다", "낮은")),
    Measure(Noun("머리"), ("길다", "길었다", "긴"), ("짧다", "짧았다", "짧은")),
)

NUMBERS = nouns("한 두 세 네 다섯 여섯 일곱")
COUNTS = (
    Count(Noun("개"), nouns("상자 바구니 창고"), (*THINGS, *nouns("사과 감자"))),
    Count(Noun("마리"), nouns("농장 마당 들판"), nouns("오리 염소 토끼 돼지 사슴 여우")),
    Count(Noun("송이"), nouns("꽃병 화단 정원"), nouns("튤립 백합 국화 장미 수국 모란")),
)


def every_noun() -> list[Noun]:
    """All nouns above, longest first, each once."""
    found = {*NAMES, *DAYS, *THINGS, *GAMES, *ACTIVITIES, *(measure.noun for measure in MEASURES)}
    for verb in VERBS:
        found.update(verb.objects)
    for kind, groups in KINDS.items():
        found.update((kind, *groups), *groups.values())
    for count in COUNTS:
        found.update((count.counter, *count.places, *count.things))
    return sorted(found, key=lambda word: (-len(word), word))
