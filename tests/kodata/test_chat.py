"""A user's own chats: each shape of a line, each fault with its place, and no group in two splits."""

import gzip
import json
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kodata import chat
from kodata.card import Record, Refused
from kodata.errors import DataError
from kodata.prepare.convert import convert
from kodata.prepare.entries import Entry

U, A, S = (
    {"role": role, "content": text} for role, text in (("user", "비 와?"), ("assistant", "응"), ("system", "짧게"))
)


def put(folder: Path, *rows: object, name: str = "train.jsonl") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    content = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    (folder / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return folder


def good(folder: Path, split: str) -> list[Record]:
    return [record for record in chat.read(split, folder) if not isinstance(record, Refused)]


def everything(folder: Path) -> list[Record]:
    return good(folder, "train") + good(folder, "validation")


def fault(folder: Path, row: object) -> str:
    put(folder, {"prompt": "안녕", "answer": "네"}, row)
    with pytest.raises(DataError) as caught:
        everything(folder)
    assert f"{folder / 'train.jsonl'}: row 2: " in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", ["train.jsonl", "train.jsonl.gz"])
@pytest.mark.parametrize(
    "row",
    [
        {"messages": [U, A]},
        {"prompt": "비 와?", "answer": "응"},
        {"instruction": "비 와?", "output": "응", "input": ""},
        {"prompt": f"\x07{unicodedata.normalize('NFD', ' 비 와?')}\r\n", "answer": "응\x00", "category": "날씨"},
    ],
)
def test_each_shape_of_a_line_becomes_the_same_chat(tmp_path: Path, row: dict[str, Any], name: str) -> None:
    (record,) = everything(put(tmp_path, row, name=name))
    assert record == {"guid": f"{name}:1", "group": "비 와?", "messages": [U, A]}
    assert chat.messages(record, "chat") == [U, A]
    assert (chat.group(record), chat.texts(record)) == ("비 와?", ("비 와?",))


def test_an_input_stands_under_its_instruction(tmp_path: Path) -> None:
    (record,) = everything(put(tmp_path, {"instruction": "요약하세요.", "input": "긴 글", "output": "글"}))
    assert record["messages"][0]["content"] == "요약하세요.\n\n긴 글"


def test_a_line_may_name_itself_its_group_and_its_split(tmp_path: Path) -> None:
    row = {"guid": 7, "prompt": "질문", "answer": "네"}
    put(tmp_path, *({**row, "group": f"모임 {number}", "split": split} for number, split in enumerate(chat.SPLITS)))
    for number, split in enumerate(chat.SPLITS):
        (record,) = good(tmp_path, split)
        assert (record["guid"], record["group"]) == ("7", f"모임 {number}")


def test_the_question_of_one_turn_is_itself_and_of_several_turns_is_all_of_them(tmp_path: Path) -> None:
    more = [S, U, A, {"role": "user", "content": "많이?"}, {"role": "assistant", "content": "조금"}]
    put(tmp_path, {"messages": [U, A], "guid": "a"}, {"messages": more, "group": "b", "guid": "b"})
    one, several = sorted(everything(tmp_path), key=lambda record: str(record["guid"]))
    assert (chat.question(one), chat.answer(one)) == ("비 와?", "응")
    assert chat.question(several) == (
        "대화:\n안내: 짧게\nA: 비 와?\nB: 응\nA: 많이?\n\n이 대화에 이어질 B의 말을 쓰세요."
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
        ({"messages": [{"role": "asistant", "content": "네"}]}, "messages.0.role is 'asistant'; mend it; did you mean assist"),
        ({"messages": [{"role": ["user"], "content": "네"}]}, "messages.0.role is ['user']"),
        ({"messages": [U, {"role": "assistant"}]}, "messages.1.content is missing"),
        ({"messages": [A, U]}, "messages.0.role is assistant, but here must be user"),
        ({"messages": [U, S, A]}, "messages.1.role is system, but here must be assistant"),
        ({"messages": [U, U, A]}, "messages.1.role is user, but here must be assistant: "),
        ({"messages": [U, A, U]}, "messages.2.role is user, but the last turn must be assistant"),
        ({"messages": [S]}, "messages.0.role is system, but the last turn must be assistant"),
        ({"messages": [S, A]}, "messages.1.role is assistant, but here must be user"),
        ({"prompt": "네?", "answer": "네", "split": "tset"}, "split is 'tset'; leave it out or say which; did you mean test?"),
        ({"prompt": "네?", "answer": "네", "guid": 1.5}, "guid is 1.5; it must be text or a whole number"),
        ([1], "[1] is not an object"),
    ],
)  # fmt: skip
def test_a_bad_line_is_told_with_file_row_field_and_value(tmp_path: Path, row: object, words: str) -> None:
    assert words in fault(tmp_path, row)


def test_a_missing_path_folder_or_file_says_what_must_lie_there(tmp_path: Path) -> None:
    for split in chat.SPLITS:
        with pytest.raises(DataError, match=r"no path; path must name a folder with train\.jsonl"):
            list(chat.read(split))
    with pytest.raises(DataError, match=r"absent: no such folder; path must name a folder with train\.jsonl"):
        list(chat.read("train", tmp_path / "absent"))
    with pytest.raises(DataError, match=r"no train\.jsonl there"):
        list(chat.read("train", tmp_path))
    put(tmp_path, {"prompt": "안녕", "answer": "네"})
    with pytest.raises(DataError, match=r"no test\.jsonl there; put the chats in it that are to be scored"):
        list(chat.read("test", tmp_path))
    with pytest.raises(DataError, match="no split 'dev'; known: test, train, validation"):
        list(chat.read("dev", tmp_path))
    put(tmp_path, {}, name="train.jsonl.gz")
    with pytest.raises(DataError, match=r"train\.jsonl and train\.jsonl\.gz are both there; keep one"):
        list(chat.read("train", tmp_path))


def test_test_alone_can_be_scored(tmp_path: Path) -> None:
    put(tmp_path, {"prompt": "안녕", "answer": "네"}, name="test.jsonl")
    assert len(good(tmp_path, "test")) == 1


def test_without_a_validation_file_a_twentieth_of_the_groups_is_cut_from_train(tmp_path: Path) -> None:
    put(tmp_path / "data", *({"prompt": f"질문 {n // 2}", "answer": f"대답 {n}"} for n in range(2_000)))
    manifest = convert([Entry("chat", "chat", tmp_path / "data")], tmp_path / "out", seed=1)
    assert manifest["rows"]["train"] + manifest["rows"]["validation"] == 2_000
    assert 50 < manifest["rows"]["validation"] < 150
    assert manifest["entries"][0]["labels"] == {"train": {}, "validation": {}}
    assert [file["file"] for file in manifest["entries"][0]["files"]] == ["train.jsonl"]
    put(tmp_path / "data", {"prompt": "확인", "answer": "네"}, name="validation.jsonl")
    manifest = convert([Entry("chat", "chat", tmp_path / "data")], tmp_path / "out", seed=1)
    assert manifest["rows"] == {"train": 2_000, "validation": 1}


def test_what_is_scored_or_chosen_on_is_not_trained_on(tmp_path: Path) -> None:
    rows = [{"prompt": f"질문 {n}", "answer": "네"} for n in range(4)]
    put(tmp_path, *rows)
    put(tmp_path, rows[0], rows[1], name="validation.jsonl")
    put(tmp_path, rows[1], rows[2], name="test.jsonl")
    groups = {split: [record["group"] for record in good(tmp_path, split)] for split in chat.SPLITS}
    assert groups == {"train": ["질문 3"], "validation": ["질문 0"], "test": ["질문 1", "질문 2"]}
    reasons = [row.reason for row in chat.read("train", tmp_path) if isinstance(row, Refused)]
    assert reasons == [f"its group is in the {other} part" for other in ("validation", "validation", "test")]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(chat.SPLITS), st.sampled_from(chat.SPLITS), st.integers(0, 20)), min_size=1))
def test_no_group_is_in_two_splits(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, int]]) -> None:
    folder = tmp_path_factory.mktemp("any")
    put(folder, {"prompt": "처음", "answer": "네"})
    for file in chat.SPLITS:
        made = [{"prompt": f"질문 {n}", "answer": "네", "split": split} for name, split, n in rows if name == file]
        extra = [{"prompt": "처음", "answer": "네"}] if file == "train" else []
        if made or extra:
            put(folder, *made, *extra, name=f"{file}.jsonl")
    groups = []
    for split in chat.SPLITS:
        if split != "test" or any(row[1] == "test" or row[0] == "test" for row in rows):
            groups.append({record["group"] for record in good(folder, split)})
    assert sum(map(len, groups)) == len(set.union(*groups)) == len({row[2] for row in rows}) + 1
