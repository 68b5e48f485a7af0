"""Only kotune's own phrases are filled; a name from a file is text, whatever placeholders it has.
Korean text for users keeps to the standard terms."""

import ast
import re
from pathlib import Path
from typing import NamedTuple

import pytest

from kotune.display.phrases import LANGUAGES, Phrases
from kotune.report.lines import doubts
from kotune.runs.records import Doubted
from tests.conftest import ROOT

HOSTILE = ("{kind:>2000000000}", "{kind.__class__.__mro__}", "{kind!r}", "{", "{0}", "{step}")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_that_we_have_no_word_for_is_shown_and_never_filled(
    name: str, language: str
) -> None:
    say = Phrases(language)
    assert say.word("doubts", name) == say.phrase("doubts", name, kind=name, step=3) == name
    warning = Doubted.model_validate({"kind": name, "step": 3, "self": 1, "key": 2})
    assert doubts([warning], [], say) == [name]


def test_a_phrase_of_ours_is_filled_once() -> None:
    told = Phrases("en").phrase("doubts", "flat_loss", n=4, step="{n}", name="x", kind="flat_loss")
    assert "over 4 logged steps, up to step {n};" in told


def test_only_phrases_and_constants_are_filled() -> None:
    """`.format` on anything else may be a format of a stranger's."""
    for path in sorted((ROOT / "kotune").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr in ("format", "format_map"):
                assert _is_ours(node.value) or path.parent.name == "phrases", (
                    f"{path}:{node.lineno}"
                )


def _is_ours(phrase: ast.expr) -> bool:
    """Whether it is a text, or a constant (of several, whichever a condition or key chooses)."""
    if isinstance(phrase, ast.IfExp):
        return _is_ours(phrase.body) and _is_ours(phrase.orelse)
    named = phrase.value if isinstance(phrase, ast.Subscript) else phrase
    return isinstance(named, ast.Constant) or (isinstance(named, ast.Name) and named.id.isupper())


class Avoided(NamedTuple):
    """A word that Korean text must not use, and the standard term instead."""

    pattern: str
    instead: str
    example: str  # must be caught


AVOIDED = (
    Avoided(r"95% 구간", "95% 신뢰구간", "95% 구간입니다"),
    Avoided(r"신뢰 구간", "신뢰구간", "95% 신뢰 구간"),
    Avoided(r"홀름", "Holm", "보정 p값(홀름)"),
    Avoided(r"맥니머", "McNemar", "p(맥니머)"),
    Avoided(r"새터스웨이트", "Satterthwaite", "새터스웨이트 자유도"),
    Avoided(r"(?<=[\d}])점(?![선검])", "%p", "37.3점 더 높습니다"),
    Avoided(r"판정에 쓰는 지표", "주 지표", "*: 판정에 쓰는 지표."),
    Avoided(r"부호 뒤집기", "부호 순열검정(sign-flip)", "부호 뒤집기 검정"),
    Avoided(r"다시 뽑", "재표집(부트스트랩)", "대화를 통째로 다시 뽑은 부트스트랩"),
    Avoided(r"찾을 수 있는 차이", "최소 검출 가능 차이", "찾을 수 있는 차이"),
    Avoided(r"묶음", "클러스터 / 배치", "문항 묶음이 12개일 때"),
    Avoided(r"갈래", "조건(실험군)", "두 갈래의 차이"),
    Avoided(r"(?<![가-힣])구실", "역할", "기준선 구실을 합니다"),
    Avoided(r"까닭", "이유", "그 까닭은"),
    Avoided(
        r"(?<![가-힣])셈(?=에|한|합|하)", "반영하다 / 계산하다", "한 시간에 2,500원으로 셈합니다"
    ),
    Avoided(r"견[주준줄줍줘]", "비교하다", "기준선과 견줍니다"),
    Avoided(
        r"두고 하는 말|두고 말하|아무 말도", "적용되다 / 판정할 수 없다", "모델을 두고 하는 말"
    ),
    Avoided(r"맞춘 법칙", "적합한 멱법칙 곡선", "맞춘 법칙에서 구합니다"),
    Avoided(r"어긋남", "적합도", "어긋남의 p"),
    Avoided(r"잡음의 크기", "시드 간 변동", "잡음의 크기"),
    Avoided(r"퍼진 정도|퍼짐", "표준편차", "시드가 퍼진 정도"),
    Avoided(r"표준 편차", "표준편차", "표준 편차"),
    Avoided(r"(?<![가-힣])대역(?!폭)", "모의(mock) / 대체", "대역 허브"),
    Avoided(r"컴퓨터", "서버, 인스턴스, 노드", "이 컴퓨터에 있을 때"),
    Avoided(r"빌린 GPU", "클라우드 GPU", "빌린 GPU에서"),
    Avoided(r"확신도 오차", "기대 보정 오차(ECE)", "확신도 오차(ECE)"),
    Avoided(r"확신하는 만큼", "확률 보정", "확신하는 만큼 맞는가"),
    Avoided(r"한 스텝의 예시 수", "유효 배치 크기", "한 스텝의 예시 수는 그대로입니다"),
    Avoided(r"다시 해 보려면", "재현 방법", "다시 해 보려면"),
    Avoided(r"답 하나하나", "문항별 변화", "답 하나하나에서 달라진 것"),
    Avoided(r"수가 아니게", "손실이 NaN이 되면", "손실이 수가 아니게 되면"),
    Avoided(r"(?<=\}) 쪽|쪽이 더 나[쁘쁩]", "A가 B보다 높습니다", "{b} 쪽이 {a} 쪽보다 나쁩니다"),
    Avoided(r"(?<![가-힣])(?:데이터 )?겹침", "데이터 오염(중복)", "겹침(못 재면)"),
    Avoided(r"(?<![가-힣])흠(?!집)", "알려진 결함", "알려진 흠"),
    Avoided(r"사용 허가|라이센스", "라이선스", "Llama의 사용 허가에 동의하고"),
    Avoided(r"튜닝 뒤|튜닝한 뒤", "튜닝 후", "튜닝 뒤 3.1%p"),
    Avoided(r"원본(?= 모델|\s?/\s?튜닝|, 튜닝)", "튜닝 전", "원본/튜닝"),
    Avoided(r"말합니다|말해 [줍주]|말하지 않", "주어를 사람으로 하거나 생략", "plan이 말합니다"),
    Avoided(r"열에 [세여]|백에 ", "백분율", "열에 여덟 번은 찾습니다"),
    Avoided(r"(?<![가-힣])저마다", "각각", "저마다 튜닝 전과"),
    Avoided(r"라벨", "레이블", "라벨 분포"),
    Avoided(r"(?<!파인튜닝\()미세 ?조정", "파인튜닝(미세 조정)", "한국어로 미세 조정하고"),
)
ORDINARY = (
    "연구실에서 덧셈을 배우는 장점과 시점",
    "0점선, 대역폭, 흠집, 3점검",
    "95% 신뢰구간이 겹칩니다. 원본 데이터. 원본 파일.",
    "파인튜닝(미세 조정)",
)
REQUIRED = {
    "kotune/display/phrases/ko.yml": (
        "95% 신뢰구간",
        "보정 p값(Holm)",
        "p값(McNemar)",
        "%p",
        "주 지표",
        "부호 순열검정(sign-flip)",
        "최소 검출 가능 차이",
        "검정력 80%",
        "튜닝 전",
        "튜닝 후",
        "유효 배치 크기",
        "클러스터",
        "기준선(baseline)",
        "조건(실험군)",
        "적합한 멱법칙 곡선",
        "적합도 검정",
        "시드 간 변동",
        "표준편차",
        "기대 보정 오차(ECE)",
        "확률 보정",
        "재현 방법",
        "문항별 변화",
        "라이선스",
        "데이터 오염(",
        "알려진 결함",
    ),
    "README.ko.md": ("신뢰구간", "%p", "튜닝 전", "기준선", "라이선스"),
    "docs/statistics.ko.md": ("신뢰구간", "보정 p값", "%p", "튜닝 전", "기준선", "클러스터"),
    "docs/study.ko.md": ("신뢰구간", "멱법칙 곡선", "시드 간 변동", "기준선"),
    "notebooks/kotune_colab.ipynb": ("파인튜닝(미세 조정)", "NaN", "체크포인트", "라이선스"),
}


def korean_files() -> list[Path]:
    """All files with Korean text for users."""
    names = (name for name in REQUIRED if not name.startswith("docs/"))
    return [*(ROOT / name for name in names), *sorted((ROOT / "docs").glob("*.ko.md"))]


def avoided(text: str) -> list[str]:
    """A message for each avoided word in the text, with its line."""
    return [
        f"line {number}: {found.group()} (use {word.instead}): {line.strip()[:80]}"
        for number, line in enumerate(text.split("\n"), 1)
        for word in AVOIDED
        for found in re.finditer(word.pattern, line)
    ]


@pytest.mark.parametrize("path", korean_files(), ids=lambda path: path.name)
def test_korean_text_uses_standard_terms(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert avoided(text) == []
    missing = [term for term in REQUIRED.get(f"{path.relative_to(ROOT)}", ()) if term not in text]
    assert missing == []
    assert text.count("미세 조정") <= 1  # only where fine-tuning is first named


@pytest.mark.parametrize("word", AVOIDED, ids=lambda word: word.instead)
def test_each_avoided_word_is_caught_and_its_standard_term_is_not(word: Avoided) -> None:
    assert re.search(word.pattern, word.example)
    assert avoided(f"{word.example}\n")
    assert not re.search(word.pattern, word.instead)


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_words_are_not_caught(text: str) -> None:
    assert avoided(text) == []


def test_korean_columns_name_the_compared_models_in_one_way() -> None:
    phrases = Phrases("ko")
    assert [phrases.word("variants", name) for name in ("base", "tuned")] == ["튜닝 전", "튜닝 후"]
    assert [phrases(key) for key in ("before", "after")] == ["튜닝 전", "튜닝 후"]
    assert [phrases(key) for key in ("from", "to")] == ["A", "B"]
    assert phrases("points", n="37.3") == "37.3%p"
