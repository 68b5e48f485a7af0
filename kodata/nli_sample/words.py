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
    """A verb with what can be its object and where it happens; `past` ends in 다, `stem` takes 지 않았다."""

    past: str
    stem: str
    places: tuple[Noun, ...]
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


NAMES = nouns("민수 영희 지훈 서연 준호 하은 도윤 수빈 민재 유진 태호 은지 현우 소라 재민 다은 정우 미라 성민 보라")
DAYS = nouns("어제 그제 아침 저녁 주말 지난주 지난달 작년 올봄 일요일")

VERBS = (
    Verb("샀다", "사", nouns("시장 가게 백화점"), nouns("연필 모자 가방 양말 우산 장갑 시계 안경 공책 필통")),
    Verb("먹었다", "먹", nouns("집 식당 공원"), nouns("김밥 만두 라면 과자 귤 포도 감자 수박 달걀 치즈")),
    Verb("만들었다", "만들", nouns("집 학교 공방"), nouns("의자 책상 인형 상자 바구니 목걸이 연 탑 반지 부채")),
    Verb("읽었다", "읽", nouns("집 도서관 카페"), nouns("소설 시집 신문 만화 일기 편지 잡지 동화 사전 지도")),
    Verb("배웠다", "배우", nouns("학교 학원 마을"), nouns("수영 태권도 피아노 바둑 영어 서예 사진 춤 연극 검도")),
    Verb("닦았다", "닦", nouns("집 학교 식당"), nouns("창문 거울 식탁 바닥 신발 접시 냄비 칠판 계단 유리컵")),
)

# Three levels: a kind, its groups, and members. No member belongs to two groups.
KINDS: dict[Noun, dict[Noun, tuple[Noun, ...]]] = {
    Noun("동물"): {
        Noun("새"): nouns("참새 까치 비둘기 제비"),
        Noun("물고기"): nouns("붕어 잉어 고등어 연어"),
        Noun("곤충"): nouns("나비 잠자리 매미 메뚜기"),
    },
    Noun("식물"): {
        Noun("꽃"): nouns("튤립 국화 백합 수선화"),
        Noun("나무"): nouns("소나무 참나무 단풍나무 은행나무"),
        Noun("채소"): nouns("배추 시금치 상추 당근"),
    },
    Noun("악기"): {
        Noun("현악기"): nouns("기타 첼로 가야금 거문고"),
        Noun("타악기"): nouns("장구 꽹과리 심벌즈 탬버린"),
        Noun("관악기"): nouns("피리 나팔 단소 트럼펫"),
    },
    Noun("탈것"): {
        Noun("자동차"): nouns("택시 버스 트럭 소방차"),
        Noun("선박"): nouns("돛단배 유람선 나룻배 고깃배"),
        Noun("비행기"): nouns("여객기 전투기 수송기 정찰기"),
    },
}
DEPICTING = (
    ("그렸다", "그리"),
    ("찍었다", "찍"),
    ("조사했다", "조사하"),
    ("소개했다", "소개하"),
    ("관찰했다", "관찰하"),
)

TRANSFERS = (
    Transfer("주었다", "준", "받았다", "받은"),
    Transfer("팔았다", "판", "샀다", "산"),
    Transfer("빌려주었다", "빌려준", "빌렸다", "빌린"),
    Transfer("보냈다", "보낸", "받았다", "받은"),
    Transfer("선물했다", "선물한", "선물받았다", "선물받은"),
)
GIFTS = nouns("책 가방 우산 시계 모자 그림 화분 공 인형 자전거 카메라 목도리 엽서 거울 의자 컵")
GAMES = nouns("바둑 장기 탁구 씨름 팔씨름 오목 테니스 윷놀이 체스 볼링")

ACTIVITIES = nouns("청소 빨래 운동 산책 숙제 요리 설거지 공부 회의 발표 연습 목욕 낚시 등산 게임 바느질")

MEASURES = (
    Measure(Noun("키"), ("크다", "컸다", "큰"), ("작다", "작았다", "작은")),
    Measure(Noun("나이"), ("많다", "많았다", "많은"), ("적다", "적었다", "적은")),
    Measure(Noun("점수"), ("높다", "높았다", "높은"), ("낮다", "낮았다", "낮은")),
    Measure(Noun("머리"), ("길다", "길었다", "긴"), ("짧다", "짧았다", "짧은")),
    Measure(Noun("걸음"), ("빠르다", "빨랐다", "빠른"), ("느리다", "느렸다", "느린")),
    Measure(Noun("짐"), ("무겁다", "무거웠다", "무거운"), ("가볍다", "가벼웠다", "가벼운")),
)

NUMBERS = nouns("한 두 세 네 다섯 여섯 일곱 여덟 아홉 열")
COUNTS = (
    Count(Noun("개"), nouns("상자 바구니 가방 창고"), nouns("사과 감자 오이 호박 구슬 단추 양파 조개")),
    Count(Noun("마리"), nouns("농장 마당 우리 들판"), nouns("오리 염소 토끼 거위 돼지 사슴 여우 강아지")),
    Count(Noun("권"), nouns("책장 서랍 교실 사무실"), nouns("소설 사전 만화 공책 잡지 동화책 시집 교과서")),
    Count(Noun("송이"), nouns("꽃병 화단 정원 꽃밭"), nouns("장미 튤립 백합 국화 수국 해바라기 수선화 모란")),
)


def every_noun() -> list[Noun]:
    """All nouns above, longest first, each once."""
    found = {*NAMES, *DAYS, *GIFTS, *GAMES, *ACTIVITIES, *(measure.noun for measure in MEASURES)}
    for verb in VERBS:
        found.update(verb.places, verb.objects)
    for kind, groups in KINDS.items():
        found.update((kind, *groups), *groups.values())
    for count in COUNTS:
        found.update((count.counter, *count.places, *count.things))
    return sorted(found, key=lambda word: (-len(word), word))
