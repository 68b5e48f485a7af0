"""Leaks of whole questions: both parts of a test pair in one training example, however it is put.
And short texts inside the longer test texts of another source."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import kodata
from kodata import chat, klue_nli, nli_sample
from kodata.card import Parts, Record
from kodata.prepare import parts
from kodata.prepare.convert import convert
from kodata.prepare.entries import DataLocation, Entry, Scored
from kodata.prepare.leak_guard import LeakCounts, LeakGuard
from kodata.prepare.leaks import TestTexts
from kodata.prepare.parts import START, TestParts, words
from kodata.text import folded
from tests.conftest import REAL, only_records
from tests.written import Item, chats, klue, put, squad

pytest.importorskip("datasketch")


def spoken(*turns: str) -> Record:
    """A chat in which user and assistant alternate."""
    roles = ("user", "assistant")
    messages = [{"role": roles[at % 2], "content": text} for at, text in enumerate(turns)]
    return {"guid": "g", "group": turns[0], "messages": messages}


def with_prompt(row: Record) -> Record:
    return spoken(klue_nli.question(row), klue_nli.answer(row))


WORDINGS: list[Callable[[Record], Record]] = [
    with_prompt,
    lambda row: spoken(f"“{row['hypothesis']}” 이 말은 “{row['premise']}”에서 나옵니까?", "네"),
    lambda row: spoken(f"읽어 줘. {row['premise']}", "네.", f"이건?\n{row['hypothesis']}", "함의"),
    lambda row: spoken(f"{row['hypothesis']} 이걸 외워.", "네", "그럼?", f"네, {row['premise']}!"),
    lambda row: spoken(f"{row['premise']} 여기서 나오는 문장을 써.", row["hypothesis"]),
]


def checked(rows: Iterable[Record], task: str = "nli_sample", **paths: Path) -> LeakCounts:
    """The verdict on chats, scored by the task of one source."""
    location = DataLocation(task, paths.get(task))
    guard = LeakGuard({kodata.SOURCES[task].CARD.task: location}, "drop")
    for _ in guard.without_leaks((("train", row) for row in rows), chat, Counter()):
        pass
    return guard.verdict(())


def dropped(verdict: LeakCounts) -> int:
    return sum(leak["rows"] for leak in verdict["found"])


@pytest.mark.parametrize("worded", WORDINGS)
def test_every_scored_question_of_the_sample_is_found_in_any_wording(
    worded: Callable[[Record], Record],
) -> None:
    rows = [*only_records(nli_sample.read("test"))]
    verdict = checked(map(worded, rows))
    kinds = {leak["kind"]: leak["rows"] for leak in verdict["found"]}
    assert len(rows) == 900 == dropped(verdict)
    assert kinds.keys() <= {"inside", "pair"} and kinds["pair"] >= 700  # others: by the premise
    assert verdict["compared"] == {"nli_sample_ko": {"texts": 300, "pairs": 900}}
    assert verdict["shared"] == []


def test_every_scored_question_of_the_real_files_is_found_as_a_chat() -> None:
    folder = REAL / "klue-nli"
    if not folder.is_dir():
        pytest.skip("the real KLUE-NLI files are not at ../shared/data/klue-nli")
    rows = [*only_records(klue_nli.read("test", folder))]
    verdict = checked(map(WORDINGS[1], rows), "klue_nli", klue_nli=folder)
    pairs = [leak["rows"] for leak in verdict["found"] if leak["kind"] == "pair"]
    assert len(rows) == 3_000 == dropped(verdict) and pairs == [798]


def test_the_fixed_words_of_a_prompt_make_no_row_a_leak() -> None:
    """The sample's own training rows in the prompt that its task asks. Only a row whose hypothesis
    is a test premise is a leak."""
    premises = {folded(row["premise"]) for row in only_records(nli_sample.read("test"))}
    train = [*only_records(nli_sample.read("train"))]
    repeated = [row for row in train if folded(row["hypothesis"]) in premises]
    verdict = checked(map(with_prompt, train))
    assert dropped(verdict) == len(repeated) == 1
    assert [leak["kind"] for leak in verdict["found"]] == ["inside"]


def test_one_part_alone_is_counted_and_kept() -> None:
    row = next(only_records(nli_sample.read("test")))
    assert words(row["hypothesis"]) >= 4
    rows = [
        spoken(f"{row['hypothesis']} 높임말로 바꿔 줘.", "네"),
        spoken(f"“{row['hypothesis']}”, 이 말을 뒤집어 줘.", "아니요"),
        spoken("오늘은 뭘 먹을까?", "국수"),
    ]
    verdict = checked(rows)
    assert verdict["found"] == []
    assert verdict["shared"] == [{"source": "chat", "task": "nli_sample_ko", "rows": 2, "texts": 1}]


def test_a_row_with_only_the_hypothesis_is_kept_and_one_with_the_premise_dropped(
    tmp_path: Path,
) -> None:
    train = [Item(f"{n}번 버스는 {n * 7}분마다 온다.", f"{n}번 가설", n % 3) for n in range(80)]
    train += [Item("새 전제가 하나 있다.", "가설은 짧다.", 1), Item("비가 온다.", "아무 말이다.")]
    data = klue(tmp_path / "nli", [*train, Item("비가 온다.", "가설은 짧다.", 2, "test")])
    made = manifest(tmp_path, Entry("klue_nli", "label", data), DataLocation("klue_nli", data))
    assert made["entries"][0]["dropped"] == {"leak": 1}
    assert found(made) == {("exact", 1)}
    assert made["leaks"]["shared"] == [
        {"source": "klue_nli", "task": "task", "rows": 1, "texts": 1}
    ]


def manifest(tmp_path: Path, entry: Entry, location: DataLocation) -> Any:
    return convert([entry], tmp_path / "out", 1, Scored({"task": location}))


def found(made: Any) -> set[tuple[str, int]]:
    return {(leak["kind"], leak["rows"]) for leak in made["leaks"]["found"]}


def test_a_short_passage_with_its_question_is_found_and_the_question_alone_is_kept(
    tmp_path: Path,
) -> None:
    tests = squad(tmp_path / "quiz", [Item("감독은 이안이다.", "감독은 누구?", split="test")])
    rows = [Item(f"묶음 {n}", f"{n}시에는 뭘 하지?") for n in range(80)]
    rows += [
        Item("a", "감독은 누구? 글: 감독은 이안이다!"),
        Item("b", "감독은 누구?"),
        Item("c", "감독은 이안이다. 누구?"),
    ]
    data = chats(tmp_path / "chat", rows)
    made = manifest(
        tmp_path, Entry("chat", "chat", data, test_share=0), DataLocation("korquad", tests)
    )
    assert found(made) == {("pair", 1)}
    assert [part["rows"] for part in made["leaks"]["shared"]] == [1]


def test_a_single_turn_that_chats_share_is_counted_and_kept(tmp_path: Path) -> None:
    tests = spoken("안녕", "네, 안녕하세요.", "오늘 서울 날씨 어때?", "맑아요.")
    put(tmp_path / "train.jsonl", json.dumps({"messages": tests["messages"]}) + "\n")
    put(tmp_path / "test.jsonl", json.dumps({"messages": tests["messages"]}) + "\n")
    rows = [
        spoken("안녕", "반가워요."),
        spoken("안녕", "반가워요.", "지금 몇 시야?", "두 시요."),
        spoken("저기, 오늘 서울 날씨 어때?", "흐려요."),
        spoken("안녕히 가세요.", "네, 그럼."),
    ]
    verdict = checked(rows, "chat", chat=tmp_path)
    assert verdict["found"] == []
    assert verdict["shared"] == [{"source": "chat", "task": "chat_ko", "rows": 3, "texts": 2}]
    assert dropped(checked([tests], "chat", chat=tmp_path)) == 1


SHORT = st.text(alphabet="가나 .", max_size=9)
PAIRS = st.lists(st.tuples(SHORT, SHORT), max_size=6)


def stand_apart(text: str, first: str, second: str) -> bool:
    """The same as parts.are_apart(), by trying every place."""
    places = [
        [range(at, at + len(part)) for at in range(len(text)) if text.startswith(part, at)]
        for part in (first, second)
    ]
    return any(not {*one} & {*other} for one in places[0] for other in places[1])


@given(PAIRS, st.lists(st.text(alphabet="가나 .", max_size=20), max_size=3))
def test_a_pair_is_found_exactly_if_both_parts_stand_apart(
    pairs: list[tuple[str, str]], texts: list[str]
) -> None:
    questions = [(str(at), Parts(pair, (), pair)) for at, pair in enumerate(pairs)]
    example = "\n".join(map(folded, texts))
    expected = {
        str(at)
        for at, pair in enumerate(pairs)
        if all(map(folded, pair)) and stand_apart(example, *map(folded, pair))
    }
    assert TestParts(questions).find(texts).pairs == expected


def test_parts_that_overlap_are_not_both_there() -> None:
    pair = ("오늘은 비가 온다", "비가 온다")
    index = TestParts([("task", Parts(pair, pair[1:], pair))])
    assert index.find(["오늘은 비가 온다."]).pairs == set()
    assert index.find(["비가 온다.", "오늘은 비가 온다."]).pairs == {"task"}
    assert index.find(["오늘은 비가", "온다. 비가 온다."]).pairs == set()


def test_parts_made_to_be_compared_without_end_count_as_a_leak(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    head = "가" * START
    pairs = [(f"{head}{'나' * n}", f"{head}다{'나' * n}") for n in range(1, 300)]
    questions = [("task", Parts(pair, (), pair)) for pair in pairs]
    example = [f"{head}{'나' * 50}{'라' * 50}"] * 20
    assert TestParts(questions).find(example).pairs == set()
    monkeypatch.setattr(parts, "MAX_COMPARED", 500)
    assert TestParts(questions).find(example).pairs == {"task"}
    assert TestParts(questions).find(["다른 말이다."]).pairs == set()


REVIEW = "이 영화는 정말 볼 만한 게 없어서 보다가 나왔습니다"


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("볼 만한 게 없어서", {"other": "inside"}),  # four words
        ("정말, 볼만한 게, 없어서!", {"other": "inside"}),
        ("볼만한 게 없어서", {}),
        ("볼만한 게 - 없어서", {}),  # a dash is no word
        ("볼 만한 게 있어서", {}),
        ("한 게 없 어", {"other": "inside"}),
        ("짧은 글 두 개", {"own": "exact", "other": "exact"}),
    ],
)
def test_a_short_text_counts_inside_a_longer_test_text_of_another_source(
    text: str, kinds: dict[str, str]
) -> None:
    texts = [(task, test) for task in ("own", "other") for test in (REVIEW, "짧은 글 두 개")]
    tests = TestTexts(texts)
    assert tests.find(text, frozenset(["other"])) == kinds
    assert "inside" not in tests.find(text).values()


def test_another_source_is_one_of_another_name(tmp_path: Path) -> None:
    put(tmp_path / "ratings_test.txt", f"id\tdocument\tlabel\n1\t{REVIEW}\t0\n")
    guard = LeakGuard({"nsmc_ko": DataLocation("nsmc", tmp_path)}, "drop")
    short = "볼 만한 게 없어서"
    row = {"guid": "g", "premise": short, "hypothesis": "재미없다.", "label": "neutral"}
    assert guard.drops(kodata.SOURCES["klue_nli"], row)
    assert guard.drops(chat, spoken(short, "네"))
    assert not guard.drops(kodata.SOURCES["nsmc"], {"guid": "g", "document": short, "label": ""})
