"""A user's own chats: each shape of a line, each fault with its place, and no group in two
splits."""

import gzip
import json
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kodata
from kodata import chat
from kodata.card import Record, Refused
from kodata.chat.turns import UNTRAINED_END
from kodata.control_text import SPACED, records_of
from kodata.errors import DataError, NoTestError
from kodata.prepare.convert import convert
from kodata.prepare.entries import DataLocation, Entry, Scored
from kodata.prepare.output import SPLITS, doc_of
from kodata.scored import dataset as scored_documents

U, A, S = (
    {"role": role, "content": text}
    for role, text in (("user", "비 와?"), ("assistant", "응"), ("system", "짧게"))
)


def put(folder: Path, *rows: object, name: str = "train.jsonl") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    content = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    (folder / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return folder


def good(folder: Path, split: str) -> list[Record]:
    return list(records_of(chat.read(split, folder)))


def everything(folder: Path) -> list[Record]:
    return good(folder, "train") + good(folder, "validation")


def fault(folder: Path, row: object) -> str:
    put(folder, {"prompt": "안녕", "answer": "네"}, row)
    with pytest.raises(DataError) as caught:
        everything(folder)
    assert f"{folder / 'train.jsonl'}: row 2: " in str(caught.value)
    return str(caught.value)


CODE = "    return x\n\n  # 끝"  # its own white space says something
INDENTED: dict[str, Any] = {
    "messages": {"messages": [S, {**U, "content": CODE}, {**A, "content": f"\n \n{CODE}\n"}]},
    "prompt": {"prompt": f"{CODE}\n", "answer": CODE, "system": "짧게"},
    "instruction": {"instruction": CODE, "input": "", "output": f"{CODE} \n\t\n", "system": "짧게"},
}


@pytest.mark.parametrize("shape", INDENTED)
def test_the_indent_of_what_is_said_is_content_in_training_and_in_scoring(
    tmp_path: Path, shape: str
) -> None:
    folder = put(put(tmp_path / "in", INDENTED[shape]), INDENTED[shape], name="test.jsonl")
    # Of another group, which stays in training.
    other = {"prompt": "  이어서", "answer": " 1. 첫째\n 2. 둘째"}
    more = {
        "instruction": " 고쳐요",
        "input": f"\n\n{CODE}",
        "output": "네",
        "history": [["  가", "\t나"]],
    }
    put(folder, other, more)
    convert([Entry("chat", "chat", folder)], tmp_path / "out", seed=1)
    sides = [
        (tmp_path / "out" / f"{side}.jsonl").read_text("utf-8").splitlines()
        for side in ("train", "validation")
    ]
    trained = [
        [turn["content"] for turn in json.loads(line)["messages"]]
        for lines in sides
        for line in lines
    ]
    assert sorted(trained) == [
        ["  가", "\t나", f" 고쳐요\n\n{CODE}", "네"],
        ["  이어서", " 1. 첫째\n 2. 둘째"],
    ]
    (scored,) = good(folder, "test")
    assert [turn["content"] for turn in scored["messages"]] == ["짧게", CODE, CODE]
    alone = {**scored, "messages": scored["messages"][1:]}
    assert chat.question(alone) == CODE and chat.answer(alone) == CODE.strip()


def test_a_thought_and_the_answer_after_it_keep_their_indent(tmp_path: Path) -> None:
    row = {"prompt": "코드?", "answer": CODE, "reasoning_content": f"\n  더한다.\n{CODE}"}
    (record,) = everything(put(tmp_path, row))
    assert record["messages"][1]["content"] == f"<think>\n  더한다.\n{CODE}\n</think>\n\n{CODE}"


def test_white_space_at_the_end_is_taken_away_and_counted_but_for_line_ends(tmp_path: Path) -> None:
    rows = [
        {"prompt": f"질문 {number}", "answer": said}
        for number, said in enumerate(("가 ", "나\n \n", "다\n\n", "라"))
    ]
    entry = convert([Entry("chat", "chat", put(tmp_path / "in", *rows))], tmp_path / "out", seed=1)[
        "entries"
    ][0]
    assert entry["rewritten"] == {SPACED: 2}
    assert {chat.answer(record) for record in everything(tmp_path / "in")} == set("가나다라")


@pytest.mark.parametrize("name", ["train.jsonl", "train.jsonl.gz"])
@pytest.mark.parametrize(
    "row",
    [
        {"messages": [U, A]},
        {"prompt": "비 와?", "answer": "응"},
        {"instruction": "비 와?", "output": "응", "input": ""},
        {
            "prompt": f"\x07\r\n \n{unicodedata.normalize('NFD', '비 와?')} \r\n",
            "answer": "응\x00",
            "category": "날씨",
        },
    ],
)
def test_each_shape_of_a_line_becomes_the_same_chat(
    tmp_path: Path, row: dict[str, Any], name: str
) -> None:
    (record,) = everything(put(tmp_path, row, name=name))
    assert record == {"guid": f"{name}:1", "group": "비 와?", "messages": [U, A]}
    assert chat.messages(record, "chat") == [U, A]
    assert (chat.group(record), chat.texts(record)) == ("비 와?", ("비 와?",))


def test_an_input_stands_under_its_instruction(tmp_path: Path) -> None:
    (record,) = everything(
        put(tmp_path, {"instruction": "요약하세요.", "input": "긴 글", "output": "글"})
    )
    assert record["messages"][0]["content"] == "요약하세요.\n\n긴 글"


def test_a_line_may_name_itself_its_group_and_its_split(tmp_path: Path) -> None:
    row = {"guid": 7, "prompt": "질문", "answer": "네"}
    put(
        tmp_path,
        *(
            {**row, "group": f"모임 {number}", "split": split}
            for number, split in enumerate(chat.SPLITS)
        ),
    )
    for number, split in enumerate(chat.SPLITS):
        (record,) = good(tmp_path, split)
        assert (record["guid"], record["group"]) == ("7", f"모임 {number}")


def test_the_question_of_one_turn_is_itself_and_of_several_turns_is_all_of_them(
    tmp_path: Path,
) -> None:
    more = [S, U, A, {"role": "user", "content": "많이?"}, {"role": "assistant", "content": "조금"}]
    put(
        tmp_path,
        {"messages": [U, A], "group": "a", "guid": "a"},
        {"messages": more, "group": "b", "guid": "b"},
    )
    one, several = sorted(everything(tmp_path), key=lambda record: str(record["guid"]))
    assert (chat.question(one), chat.answer(one)) == ("비 와?", "응")
    assert (
        chat.question(several)
        == "대화:\n시스템: 짧게\nA: 비 와?\nB: 응\nA: 많이?\n\n이 대화에 이어질 B의 말을 쓰세요."
    )
    assert chat.answer(several) == "조금"
    assert chat.texts(several) == ("비 와?\n응\n많이?",)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"prompt": "네?"}, "answer is missing; mend or remove the row"),
        ({"prompt": "네?", "answer": 3}, "answer is 3, which is not text"),
        ({"prompt": " \x00", "answer": "네"}, "prompt is empty: ' \\x00'"),
        ({"question": "네?"}, "or instruction and output; found none of these but question"),
        ({"messages": [U, A], "prompt": "네?"}, "found messages and prompt"),
        ({}, "found none of these but nothing"),
        ({"messages": []}, "messages is []; it must be a list"),
        ({"messages": "안녕"}, "messages is '안녕'; it must be a list"),
        ({"messages": ["안녕"]}, "messages.0 is '안녕'; it must be an object"),
        (
            {"messages": [{"role": "asistant", "content": "네"}]},
            "messages.0.role is 'asistant'; mend it; did you mean assist",
        ),
        ({"messages": [{"role": ["user"], "content": "네"}]}, "messages.0.role is ['user']"),
        ({"messages": [U, {"role": "assistant"}]}, "messages.1.content is missing"),
        ({"messages": [A, U]}, "messages.0.role is assistant, but must be user here"),
        ({"messages": [{**S, "content": ""}]}, "messages has only an empty system turn"),
        (
            {"messages": [{**S, "content": ""}, U, U, A]},
            "messages.2.role is user, but must be assistant here",
        ),
        (
            {"messages": [U, U, A], "system": "짧게"},
            "messages.1.role is user, but must be assistant here",
        ),
        ({"messages": [U, {**S, "content": ""}, A]}, "messages.1.content is empty"),
        ({"messages": [U, {**A, "content": "\u200b"}]}, "messages.1.content is empty: '\\u200b'"),
        ({"prompt": "\u3164\ufe0f \u2800", "answer": "네"}, "prompt is empty"),
        ({"messages": [U, A], "tools": 0}, "tools is 0; tool calls"),
        ({"messages": [U, A], "tools": "[1]"}, "tools is '[1]'; tool calls"),
        ({"messages": [U, S, A]}, "messages.1.role is system, but must be assistant here"),
        ({"messages": [U, U, A]}, "messages.1.role is user, but must be assistant here: "),
        ({"messages": [U, A, U]}, "messages.2.role is user, but the last turn must be assistant"),
        ({"messages": [S]}, "messages.0.role is system, but the last turn must be assistant"),
        ({"messages": [S, A]}, "messages.1.role is assistant, but must be user here"),
        (
            {"prompt": "네?", "answer": "네", "split": "tset"},
            "split is 'tset'; name a split, or leave it out; did you mean test?",
        ),
        (
            {"prompt": "네?", "answer": "네", "guid": 1.5},
            "guid is 1.5; it must be text or a whole number",
        ),
        ([1], "[1] is not an object"),
    ],
)
def test_a_bad_line_is_told_with_file_row_field_and_value(
    tmp_path: Path, row: object, words: str
) -> None:
    assert words in fault(tmp_path, row)


def test_a_missing_path_folder_or_file_says_what_must_lie_there(tmp_path: Path) -> None:
    for split in chat.SPLITS:
        with pytest.raises(DataError, match=r"no path; path must name a folder with train\.jsonl"):
            list(chat.read(split))
    with pytest.raises(
        DataError, match=r"absent: no such folder; path must name a folder with train\.jsonl"
    ):
        list(chat.read("train", tmp_path / "absent"))
    with pytest.raises(DataError, match=r"no train\.jsonl there"):
        list(chat.read("train", tmp_path))
    put(tmp_path, {"prompt": "안녕", "answer": "네"})
    with pytest.raises(
        NoTestError, match=r"no test\.jsonl there, and 1 groups are too few to keep a part of them"
    ):
        list(chat.read("test", tmp_path))
    with pytest.raises(DataError, match="no split 'dev'; known: test, train, validation"):
        list(chat.read("dev", tmp_path))
    put(tmp_path, {}, name="train.jsonl.gz")
    with pytest.raises(DataError, match=r"train\.jsonl and train\.jsonl\.gz both exist; keep one"):
        list(chat.read("train", tmp_path))


def test_test_alone_can_be_scored(tmp_path: Path) -> None:
    put(tmp_path, {"prompt": "안녕", "answer": "네"}, name="test.jsonl")
    assert len(good(tmp_path, "test")) == 1


def test_without_a_validation_file_a_twentieth_of_the_groups_is_cut_from_train(
    tmp_path: Path,
) -> None:
    put(
        tmp_path / "data",
        *({"prompt": f"질문 {n // 2}", "answer": f"대답 {n}"} for n in range(2_000)),
    )
    manifest = convert([Entry("chat", "chat", tmp_path / "data")], tmp_path / "out", seed=1)
    # The rest is kept for scoring.
    assert manifest["rows"]["train"] + manifest["rows"]["validation"] == 1_800
    assert 50 < manifest["rows"]["validation"] < 130
    assert manifest["entries"][0]["labels"] == {"train": {}, "validation": {}}
    assert [file["file"] for file in manifest["entries"][0]["files"]] == ["train.jsonl"]
    put(tmp_path / "data", {"prompt": "확인", "answer": "네"}, name="validation.jsonl")
    manifest = convert([Entry("chat", "chat", tmp_path / "data")], tmp_path / "out", seed=1)
    assert manifest["rows"] == {"train": 1_800, "validation": 1}


def lines(number: int, groups: int) -> list[dict[str, object]]:
    return [
        {"prompt": f"질문 {n % groups}", "answer": f"대답 {n}", "guid": n} for n in range(number)
    ]


def guids(folder: Path, split: str, share: float | None = None) -> set[str]:
    return {
        record["guid"] for record in records_of(kodata.source("chat", share).read(split, folder))
    }


def test_a_tenth_of_the_groups_is_kept_for_scoring_whatever_else_is_there(tmp_path: Path) -> None:
    """By names of groups alone: the order of lines, further lines of known groups and the recipe
    move none of it."""
    put(tmp_path / "a", *lines(300, 100))
    kept = {record["group"] for record in good(tmp_path / "a", "test")}
    assert len(kept) == 10 and len(good(tmp_path / "a", "test")) == 30
    assert not kept & {record["group"] for record in everything(tmp_path / "a")}
    assert len(guids(tmp_path / "a", "train") | guids(tmp_path / "a", "test")) == 300
    put(tmp_path / "b", *reversed(lines(500, 100)))
    assert {record["group"] for record in good(tmp_path / "b", "test")} == kept
    for seed, samples in ((1, None), (2, 50)):
        convert([Entry("chat", "chat", tmp_path / "a", samples)], tmp_path / "out", seed=seed)
        rows = [
            json.loads(line)
            for side in SPLITS
            for line in (tmp_path / "out" / f"{side}.jsonl").open(encoding="utf-8")
        ]
        assert not {doc_of(row)["group"] for row in rows} & kept


def test_more_is_kept_of_a_larger_share_and_what_was_kept_stays(tmp_path: Path) -> None:
    put(tmp_path, *lines(200, 200))
    kept = [guids(tmp_path, "test", share) for share in (0.01, None, 0.5)]
    assert [len(found) for found in kept] == [2, 20, 100]
    assert kept[0] < kept[1] < kept[2]
    assert len(guids(tmp_path, "train", 0.5)) == 100


def test_of_few_groups_and_of_a_share_of_0_nothing_is_kept_and_all_is_trained(
    tmp_path: Path,
) -> None:
    put(tmp_path / "few", *lines(300, 59))
    put(tmp_path / "none", *lines(60, 60))
    assert (
        len(guids(tmp_path / "few", "train")) == 300
        and len(guids(tmp_path / "none", "train", 0.0)) == 60
    )
    with pytest.raises(NoTestError, match="59 groups are too few to keep a part of them") as caught:
        guids(tmp_path / "few", "test")
    assert caught.value.groups == 59
    with pytest.raises(
        NoTestError, match="test_share is 0, so nothing is kept for scoring"
    ) as caught:
        guids(tmp_path / "none", "test", 0.0)
    assert caught.value.groups is None
    assert len(guids(tmp_path / "none", "test")) == 6


def test_a_group_that_is_kept_for_scoring_leaves_validation_too(tmp_path: Path) -> None:
    put(tmp_path, *lines(100, 100))
    kept = sorted(good(tmp_path, "test"), key=lambda record: str(record["guid"]))[0]
    put(
        tmp_path,
        {"prompt": kept["group"], "answer": "음"},
        {"prompt": "새 질문", "answer": "음"},
        name="validation.jsonl",
    )
    assert [record["group"] for record in good(tmp_path, "validation")] == ["새 질문"]
    (refused,) = [row for row in chat.read("validation", tmp_path) if isinstance(row, Refused)]
    assert refused.reason == "its group is in the test part"


def test_a_share_is_refused_where_chats_for_test_are_given(tmp_path: Path) -> None:
    put(tmp_path, *lines(100, 100), {"prompt": "시험", "answer": "네", "split": "test"})
    assert len(guids(tmp_path, "test")) == 1
    with pytest.raises(DataError, match="test_share, but there are chats for test; leave it out"):
        guids(tmp_path, "train", 0.2)
    with pytest.raises(DataError, match=r"nsmc: test_share: .* own test part"):
        kodata.source("nsmc", 0.2)


def test_a_file_that_changed_is_looked_at_again(tmp_path: Path) -> None:
    put(tmp_path, *lines(100, 100))
    assert len(guids(tmp_path, "test")) == 10
    put(tmp_path, *lines(200, 200))
    assert len(guids(tmp_path, "test")) == 20


def test_what_is_scored_or_chosen_on_is_not_trained_on(tmp_path: Path) -> None:
    rows = [{"prompt": f"질문 {n}", "answer": "네"} for n in range(4)]
    put(tmp_path, *rows)
    put(tmp_path, rows[0], rows[1], name="validation.jsonl")
    put(tmp_path, rows[1], rows[2], name="test.jsonl")
    groups = {split: [record["group"] for record in good(tmp_path, split)] for split in chat.SPLITS}
    assert groups == {"train": ["질문 3"], "validation": ["질문 0"], "test": ["질문 1", "질문 2"]}
    reasons = [row.reason for row in chat.read("train", tmp_path) if isinstance(row, Refused)]
    assert reasons == [
        f"its group is in the {other} part" for other in ("validation", "validation", "test")
    ]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(chat.SPLITS), st.sampled_from(chat.SPLITS), st.integers(0, 20)),
        min_size=1,
    )
)
def test_no_group_is_in_two_splits(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, int]]
) -> None:
    folder = tmp_path_factory.mktemp("any")
    put(folder, {"prompt": "처음", "answer": "네"})
    for file in chat.SPLITS:
        made = [
            {"prompt": f"질문 {n}", "answer": "네", "split": split}
            for name, split, n in rows
            if name == file
        ]
        extra = [{"prompt": "처음", "answer": "네"}] if file == "train" else []
        if made or extra:
            put(folder, *made, *extra, name=f"{file}.jsonl")
    groups = []
    for split in chat.SPLITS:
        if split != "test" or any(row[1] == "test" for row in rows):
            groups.append({record["group"] for record in good(folder, split)})
    assert sum(map(len, groups)) == len(set.union(*groups)) == len({row[2] for row in rows}) + 1


@pytest.mark.parametrize(
    ("row", "turns"),
    [
        ({"prompt": "비 와?", "answer": "응", "system": "짧게"}, [S, U, A]),
        ({"messages": [U, A], "system": "\n짧게\n"}, [S, U, A]),
        ({"messages": [S, U, A], "system": "짧게"}, [S, U, A]),
        ({"messages": [U, A], "system": "", "tools": [], "weight": 1}, [U, A]),
        (
            {"instruction": "많이?", "output": "조금", "history": [["비 와?", "응"]]},
            [U, A, {"role": "user", "content": "많이?"}, {"role": "assistant", "content": "조금"}],
        ),
        ({"messages": [U, {**A, "weight": 0}, U, A]}, [U, {**A, "train": False}, U, A]),
        (
            {"messages": [U, {**A, "loss": False}, U, {**A, "train": 1}]},
            [U, {**A, "train": False}, U, A],
        ),
        ({"messages": [U, A, U, {**A, "weight": 0}]}, [U, A]),
        (
            {"messages": [U, {**A, "reasoning_content": "하늘을 본다."}]},
            [U, {"role": "assistant", "content": "<think>\n하늘을 본다.\n</think>\n\n응"}],
        ),
        ({"messages": [{**U, "reasoning_content": ""}, {**A, "tool_calls": None}]}, [U, A]),
    ],
)
def test_what_other_keys_mean_is_done(
    tmp_path: Path, row: dict[str, Any], turns: list[dict[str, Any]]
) -> None:
    (record,) = everything(put(tmp_path, row))
    assert record["messages"] == turns
    assert chat.answer(record) == turns[-1]["content"].split("\n")[-1]


@pytest.mark.parametrize(
    "row",
    [{"prompt": "네?", "answer": "네", "weight": 0}, {"messages": [S, U, {**A, "weight": 0}]}],
)
def test_a_line_that_is_marked_bad_is_left_out_and_counted(
    tmp_path: Path, row: dict[str, Any]
) -> None:
    rows = [{"prompt": f"질문 {number}", "answer": "네"} for number in range(9)]
    manifest = convert(
        [Entry("chat", "chat", put(tmp_path / "data", row, *rows))], tmp_path / "out", seed=1
    )
    assert manifest["entries"][0]["dropped"] == {"marked as not to be trained": 1}
    assert sum(manifest["rows"].values()) == 9


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (
            {"messages": [U, A], "tools": [{"name": "weather"}]},
            "tools is [{'name': 'weather'}]; tool calls are not trained",
        ),
        (
            {"messages": [U, {**A, "tool_calls": [{}]}]},
            "messages.1: tool_calls is [{}]; tool calls",
        ),
        (
            {"messages": [U, {"role": "tool", "content": "맑음"}, A]},
            "messages.1.role is tool; tool calls",
        ),
        (
            {"messages": [U, {**A, "weight": 0.5}]},
            "messages.1: weight is 0.5; set 1 (train on it) or 0 (do not)",
        ),
        ({"prompt": "네?", "answer": "네", "weight": "0"}, "weight is '0'; set 1"),
        (
            {"messages": [S, U, A], "system": "길게"},
            "system is '길게', but messages.0 is another system turn; keep one",
        ),
        ({"prompt": "네?", "answer": "네", "system": 3}, "system is 3, which is not text"),
        (
            {"prompt": "네?", "answer": "네", "history": "안녕"},
            "history is '안녕'; it must be a list of lists",
        ),
        (
            {"prompt": "네?", "answer": "네", "history": [["안녕"]]},
            "history.0 is ['안녕']; it must be a list of lists",
        ),
        ({"prompt": "네?", "answer": "네", "history": [["안녕", ""]]}, "history.0.1 is empty"),
        (
            {
                "messages": [
                    U,
                    {"role": "assistant", "content": "<think>음</think>응", "reasoning": "음"},
                ]
            },
            "messages.1: has both reasoning and a thought in <think> tags; keep one",
        ),
    ],
)
def test_what_changes_the_meaning_and_is_not_done_here_is_refused_by_name(
    tmp_path: Path, row: object, words: str
) -> None:
    assert words in fault(tmp_path, row)


def test_a_guid_stands_once_in_a_split(tmp_path: Path) -> None:
    rows = [{"guid": "a", "prompt": f"질문 {number}", "answer": "네"} for number in range(2)]
    put(tmp_path, *rows)
    with pytest.raises(
        DataError, match=r"row 2: guid 'a' is in .*row 1 too; give each row its own, or none"
    ):
        everything(tmp_path)
    put(tmp_path, rows[0])
    put(tmp_path, rows[1], name="test.jsonl")
    assert len(everything(tmp_path)) == len(good(tmp_path, "test")) == 1


def test_chats_that_begin_alike_are_not_one_group(tmp_path: Path) -> None:
    hello = [
        {"role": "user", "content": "안녕하세요"},
        {"role": "assistant", "content": "네, 안녕하세요."},
    ]
    rows = [
        {
            "messages": [*hello, {"role": "user", "content": f"{number}번 버스는 언제 와요?"}, A],
            "guid": number,
        }
        for number in range(40)
    ]
    put(tmp_path, *rows[:30])
    put(tmp_path, *rows[30:], name="test.jsonl")
    assert (len(everything(tmp_path)), len(good(tmp_path, "test"))) == (30, 10)


def test_a_system_turn_is_merged_where_it_is_said(tmp_path: Path) -> None:
    data = put(
        tmp_path / "data", *({"messages": [S, {**U, "content": f"질문 {n}"}, A]} for n in range(9))
    )
    convert([Entry("chat", "chat", data, system="merge")], tmp_path / "out", seed=1)
    row, *_ = map(json.loads, (tmp_path / "out" / "train.jsonl").read_text("utf-8").splitlines())
    assert [turn["role"] for turn in row["messages"]] == ["user", "assistant"]
    assert row["messages"][0]["content"].startswith("짧게\n\n질문 ")


def test_rows_of_any_source_have_one_form_for_datasets_however_many_come_before(
    tmp_path: Path,
) -> None:
    """datasets takes the form of the first megabytes for that of all rows."""
    datasets = pytest.importorskip("datasets")
    long = [
        {"prompt": f"질문 {n} " + "가" * 3_000, "answer": "네", "guid": n} for n in range(1_500)
    ]
    marked = {"messages": [U, {**A, "weight": 0}, U, {**A, "content": "그래"}], "guid": "z"}
    data = put(tmp_path / "data", *long, marked)
    put(tmp_path / "data", {"prompt": "확인", "answer": "네"}, name="validation.jsonl")
    convert(
        [Entry("chat", "chat", data), Entry("nli_sample", "label", samples=5)],
        tmp_path / "out",
        seed=1,
    )
    assert (tmp_path / "out" / "train.jsonl").stat().st_size > 12_000_000
    loaded = datasets.load_dataset(
        "json",
        data_files=str(tmp_path / "out" / "train.jsonl"),
        split="train",
        cache_dir=str(tmp_path / "cache"),
    )
    assert len(loaded) == 1_506 - 150  # kept for scoring
    marks = [[turn.get("train") for turn in row["messages"]] for row in loaded]
    assert [None, False, None, True] in marks
    assert marks[-1] == [None, True]


def test_what_is_for_test_but_cannot_be_used_does_not_make_a_test_part(tmp_path: Path) -> None:
    """Neither a file's name nor a line that is left out: else there is nothing to score, and
    nothing is kept for it."""
    for name, row in (
        ("marked", {"weight": 0}),
        ("empty", {"answer": "<|eot_id|>"}),
        ("train", {"split": "train"}),
    ):
        data = put(tmp_path / name, *lines(60, 60))
        put(data, {"prompt": "어?", "answer": "네", **row}, name="test.jsonl")
        assert (
            chat.is_cut(data)
            and len(scored_documents("chat", str(data), skip_empty=True)["test"]) == 6
        ), name
        few = put(tmp_path / f"few {name}", *lines(9, 9))
        put(few, {"prompt": "어?", "answer": "네", **row}, name="test.jsonl")
        with pytest.raises(NoTestError, match="groups are too few"):
            guids(few, "test")


def test_chats_for_validation_that_cannot_be_used_do_not_make_a_validation_part(
    tmp_path: Path,
) -> None:
    for name, row in (("marked", {"weight": 0}), ("train", {"split": "train"})):
        data = put(tmp_path / name, *lines(20, 20))
        put(data, {"prompt": "어?", "answer": "네", **row}, name="validation.jsonl")
        manifest = convert([Entry("chat", "chat", data)], tmp_path / "out", seed=1)
        assert manifest["rows"]["validation"] >= 1 and chat.files("validation", data) == []
        rows = manifest["rows"]["train"] + manifest["rows"]["validation"]
        assert rows == 20 + (name == "train")


def test_answers_that_are_emptied_are_neither_kept_for_scoring_nor_scored(tmp_path: Path) -> None:
    rows = lines(120, 120)
    emptied = [{**row, "answer": "<|eot_id|>"} for row in rows[:60]]
    data = put(tmp_path / "data", *emptied, *rows[60:])
    scored = guids(data, "test")
    assert len(scored) == 6 and not scored & {str(row["guid"]) for row in emptied}
    place = DataLocation("chat", data)
    manifest = convert(
        [Entry("chat", "chat", data)], tmp_path / "out", 1, Scored({"chat_ko": place})
    )
    assert manifest["entries"][0]["dropped"] == {"empty field": 60}
    put(
        data,
        {"prompt": "어?", "answer": "<|eot_id|>"},
        {"prompt": "응?", "answer": "네\u0007"},
        name="test.jsonl",
    )
    manifest = convert(
        [Entry("chat", "chat", data)], tmp_path / "out", 1, Scored({"chat_ko": place})
    )
    told = manifest["scored"]["chat_ko"]
    assert told["left_out"] == {"empty field": 1} and told["rewritten"] == {
        "end of turn": 1,
        "control character": 1,
    }
    docs = scored_documents("chat", str(data), skip_empty=True)["test"]
    assert [doc["messages"][0]["content"] for doc in docs] == ["응?"]


def test_no_guid_is_no_guid_however_it_is_written(tmp_path: Path) -> None:
    put(
        tmp_path,
        *(
            {"guid": name, "prompt": f"질문 {n}", "answer": "네"}
            for n, name in enumerate([None, None, "", ""])
        ),
    )
    assert len(everything(tmp_path)) == 4
    put(
        tmp_path,
        *(
            {"guid": name, "prompt": f"질문 {n}", "answer": "네"}
            for n, name in enumerate(["가", " 가 "])
        ),
    )
    with pytest.raises(DataError, match="guid '가' is in"):
        everything(tmp_path)


def test_rows_of_which_some_alone_have_a_group_are_refused(tmp_path: Path) -> None:
    put(
        tmp_path,
        {"prompt": "질문", "answer": "네", "group": "a"},
        {"prompt": "질문", "answer": "응"},
    )
    with pytest.raises(
        DataError, match=r"row 2 has no group, but .*row 1 has one; give every row a group, or none"
    ):
        everything(tmp_path)


@pytest.mark.parametrize(
    ("row", "made"),
    [
        ({"messages": None, "prompt": "비 와?", "answer": "응", "tools": "[]"}, [U, A]),
        ({"messages": [U, A], "prompt": None, "function_call": False, "functions": "null"}, [U, A]),
        ({"messages": [{**S, "content": " "}, U, {**A, "tool_calls": "[]"}]}, [U, A]),
        ({"messages": [{**S, "content": None}, U, A], "system": "짧게"}, [S, U, A]),
    ],
)
def test_what_exporters_write_for_nothing_is_nothing(
    tmp_path: Path, row: dict[str, Any], made: list[Any]
) -> None:
    (record,) = everything(put(tmp_path, row))
    assert record["messages"] == made


def test_a_whole_number_with_a_point_names_the_same_group(tmp_path: Path) -> None:
    rows = [
        {"prompt": f"질문 {n}", "answer": "네", "group": group, "guid": 2.0 + n}
        for n, group in enumerate((3, 3.0))
    ]
    records = everything(put(tmp_path, *rows))
    assert {record["group"] for record in records} == {"3"} and {
        record["guid"] for record in records
    } == {"2", "3"}
    assert "group is nan" in fault(
        tmp_path, {"prompt": "질문", "answer": "네", "group": float("nan")}
    )


def test_only_an_answer_has_a_thought(tmp_path: Path) -> None:
    """Neither is the sign of a thought in a question the end of one, nor what stands beside it the
    thought of the row."""
    asked = {"role": "user", "content": "앞 </think>", "reasoning_content": "음"}
    (record,) = everything(
        put(tmp_path, {"messages": [asked, {**A, "content": "<think>음</think>네"}]})
    )
    assert (
        chat.group(record) == "앞 </think>"
        and chat.texts(record) == ("앞 </think>",)
        and "thought" not in record
    )
    (record,) = everything(put(tmp_path, {"messages": [asked, {**A, "thinking": "음"}]}))
    assert record["thought"] == "thinking"


def told(folder: Path, out: Path) -> dict[str, Any]:
    entry: dict[str, Any] = convert([Entry("chat", "chat", folder)], out, seed=1)["entries"][0]
    return {key: entry[key] for key in ("not_read", "rewritten", "dropped")}


def test_of_a_turn_that_is_no_answer_marks_and_thoughts_are_told(tmp_path: Path) -> None:
    turns = [
        {**U, "weight": 0, "train": False, "loss": None},
        {**U, "content": "나", "train": True, "reasoning": "음"},
        {**U, "content": "다", "weight": "많이", "loss": 0.5},
    ]
    folder = put(
        tmp_path / "in", *({"messages": [{**S, "thinking": "왜"}, turn, A]} for turn in turns)
    )
    names = {
        "messages[].loss": 1,
        "messages[].reasoning": 1,
        "messages[].thinking": 3,
        "messages[].train": 1,
    }
    assert told(folder, tmp_path / "out")["not_read"] == {**names, "messages[].weight": 1}


def test_last_answers_that_are_not_trained_are_left_out_and_counted(tmp_path: Path) -> None:
    more = [{**U, "content": "많이?"}, {**A, "content": "몰라", "weight": 0}]
    rows = [
        {"messages": [U, A, *more, *more]},
        {"messages": [{**U, "content": "끝?"}, A]},
        {"messages": more},  # all of it is dropped, and counted there
        {"messages": [U, A, *more], "weight": 0},
    ]
    found = told(put(tmp_path / "in", *rows), tmp_path / "out")
    assert found["rewritten"] == {UNTRAINED_END: 1}
    assert found["dropped"] == {"marked as not to be trained": 2}


@pytest.mark.parametrize("first", [0, 1])
def test_a_copy_that_trains_another_answer_is_no_duplicate(tmp_path: Path, first: int) -> None:
    last = [{**U, "content": "많이?"}, {**A, "content": "조금"}]
    rows = [
        {"messages": [U, {**A, "weight": weight}, *last]} for weight in (first, 1 - first, first)
    ]
    folder = put(tmp_path / "in", *rows, {"prompt": "안녕", "answer": "네"})
    assert told(folder, tmp_path / "out")["dropped"] == {"duplicate": 1}


def test_questions_that_are_alike_once_they_are_plain_are_one_group(tmp_path: Path) -> None:
    """One of them may be kept for scoring, the other trained on."""
    marked = [
        f"질문 {number}?{'<|eot_id|>' * (number % 2)}{' ' * (number % 3)}" for number in range(60)
    ]
    rows = [
        {"prompt": text, "answer": f"{number}"}
        for number, text in enumerate([*marked, *map(plain_of, marked)])
    ]
    put(tmp_path, *rows)
    sides = {
        split: {record["group"] for record in good(tmp_path, split)} for split in ("train", "test")
    }
    assert sides["test"] and not sides["train"] & sides["test"]
    assert len(sides["train"] | sides["test"]) == 60


def plain_of(text: str) -> str:
    return text.strip().removesuffix("<|eot_id|>")
