"""AI Hub dialogues: six shapes told apart by content, zips read in place, and no dialogue in both
train and test."""

import io
import json
import random
import resource
import unicodedata
import zipfile
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kodata import aihub_dialogue
from kodata.aihub_dialogue import archive
from kodata.aihub_dialogue.shapes import OTHER_ANSWERS
from kodata.card import NotRead, Record, Refused, Rewritten
from kodata.control_text import records_of
from kodata.dialogue import EMPTY, UNANSWERED, UNASKED
from kodata.errors import DataError, NoTestError
from kodata.prepare.convert import convert
from kodata.prepare.entries import Entry
from kodata.reading import columns
from kodata.reading.json_rows import decoded, json_rows
from tests.conftest import REAL

TWO = [("1", "이사 날짜 정했어?"), ("2", "다음 달로 잡았어")]
CHAT = [
    {"role": "user", "content": "이사 날짜 정했어?"},
    {"role": "assistant", "content": "다음 달로 잡았어"},
]
Said = list[tuple[str, str]]


def daily(said: Said = TWO, name: str = "KAKAO_1_01.txt") -> dict[str, Any]:
    lines = [
        {"norm_text": text, "text": f"{who} : {text}", "speaker": {"id": f"{who}번"}}
        for who, text in said
    ]
    info = [{"filename": name, "annotations": {"subject": "주거와 생활", "lines": lines}}]
    return {"dataset": {"name": "예시", "data": [1]}, "version": "1.0", "info": info}


def sns(said: Said = TWO, name: str = "d1", summary: str | None = None) -> dict[str, Any]:
    lines = [{"participantID": f"P0{who}", "utterance": text} for who, text in said]
    header = {"dialogueInfo": {"dialogueID": name, "topic": "여가 생활"}}
    return {
        "header": header,
        "body": lines if summary is None else {"dialogue": lines, "summary": summary},
    }


def feeling(profile: str = "Pro_1", talk: str = "Pro_1_1", **content: str) -> dict[str, Any]:
    said = content or {
        "HS01": "이사 날짜 정했어?",
        "SS01": "다음 달로 잡았어",
        "HS02": "",
        "SS02": "",
    }
    emotion = {"profile": {"emotion": {"type": "E35"}}}
    return {**emotion, "talk": {"id": {"profile-id": profile, "talk-id": talk}, "content": said}}


def squad(answers: list[str]) -> dict[str, Any]:
    qas = [
        {
            "id": "q1",
            "question": "어떤 강인가?",
            "answers": [{"text": text, "answer_start": 0} for text in answers],
        }
    ]
    return {"data": [{"title": "강", "paragraphs": [{"context": "한강은 강이다.", "qas": qas}]}]}


def many(count: int) -> dict[str, Any]:
    return {
        "numberOfItems": count,
        "data": [sns([("1", f"질문 {n}"), ("2", f"대답 {n}")], f"d{n}") for n in range(count)],
    }


def put(path: Path, value: object, encoding: str = "utf-8") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(
        value
        if isinstance(value, bytes)
        else json.dumps(value, ensure_ascii=False).encode(encoding)
    )
    return path


def book(*sheets: list[list[object]]) -> bytes:
    openpyxl = pytest.importorskip("openpyxl")
    made = openpyxl.Workbook()
    made.remove(made.active)
    for rows in sheets:
        sheet = made.create_sheet()
        for row in rows:
            sheet.append(row)
    made.save(file := io.BytesIO())
    return file.getvalue()


def packed(path: Path, *members: tuple[str, object], encoding: str = "utf-8") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, value in members:
            content = (
                value
                if isinstance(value, bytes)
                else json.dumps(value, ensure_ascii=False).encode(encoding)
            )
            file.writestr(name, content)
    return path


def good(folder: Path, split: str | None = None) -> list[Record]:
    """The records of a split; without one of both, where there is something to score."""
    found = list(records_of(aihub_dialogue.read(split or "train", folder)))
    with suppress(NoTestError):
        found += [] if split else records_of(aihub_dialogue.read("test", folder))
    return found


def refused(folder: Path) -> Counter[str]:
    return Counter(
        row.reason for row in aihub_dialogue.read("train", folder) if isinstance(row, Refused)
    )


def fault(folder: Path) -> str:
    with pytest.raises(DataError) as caught:
        good(folder)
    return str(caught.value)


FEELING_SHEET: list[list[object]] = [
    ["번호", "감정_대분류", "사람문장1", "시스템응답1", "사람문장2", "시스템응답2"],
    [1, "불안", "이사 날짜 정했어?", "다음 달로 잡았어", None, None],
]
CLERK_SHEET: list[list[object]] = [
    ["SPEAKER", "SENTENCE", "DOMAIN", "SENTENCEID"],
    ["고객", "이사 날짜 정했어?", "이사", 1],
    ["점원", "다음 달로 잡았어", "이사", "2"],
]
SHAPES: list[tuple[Any, str | None]] = [
    (daily(), "주거와 생활"),
    ({"numberOfItems": 1, "data": [sns()]}, "여가 생활"),
    ({"numberOfItems": 1, "data": [sns(summary="이사 이야기")]}, "여가 생활"),
    ([feeling()], "E35"),
    (FEELING_SHEET, "불안"),
    (CLERK_SHEET, "이사"),
]


def suited(value: Any) -> tuple[str, object]:
    """The file name and content of a shape: sheets are workbooks."""
    is_sheet = isinstance(value, list) and isinstance(value[0], list)
    return (
        ("이름이 말하지 않는 파일.xlsx", book(value))
        if is_sheet
        else ("이름이 말하지 않는 파일.json", value)
    )


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp949"])
@pytest.mark.parametrize(("value", "topic"), SHAPES)
def test_each_shape_becomes_the_same_chat(
    tmp_path: Path, value: Any, topic: str | None, encoding: str, zipped: bool
) -> None:
    name, content = suited(value)
    if zipped:
        packed(tmp_path / "받은 것.zip", (name, content), encoding=encoding)
    else:
        put(tmp_path / name, content, encoding)
    (record,) = good(tmp_path)
    assert (record["messages"], record["topic"]) == (CHAT, topic)
    assert record["guid"].split(":")[0] == record["group"].split(":")[0]
    assert record.get("summary") == ("이사 이야기" if "이사 이야기" in str(value) else None)


def test_a_general_knowledge_question_has_its_context_and_one_answer(tmp_path: Path) -> None:
    put(tmp_path / "a.json", squad(["한강", "강"]))
    (record,) = good(tmp_path)
    assert record["messages"] == [
        {"role": "user", "content": "한강은 강이다.\n\n어떤 강인가?"},
        {"role": "assistant", "content": "한강"},
    ]
    put(tmp_path / "a.json", squad([]))
    assert good(tmp_path) == [] and refused(tmp_path) + Counter() == {"fewer than two turns": 1}


def test_the_fixtures_of_the_real_sets_are_read() -> None:
    folder = REAL / "aihub" / "fixtures"
    if not folder.is_dir():
        pytest.skip("the AI Hub fixtures are not at ../shared/data/aihub/fixtures")
    records = good(folder)
    kinds = {record["guid"].split(":")[0] for record in records}
    # The SNS fixture tells the dialogue of the summary fixture again: the first file's is kept.
    assert kinds == {"squad", "emotional", "summary", "daily"}
    assert all(record["messages"][0]["role"] == "user" for record in records)


@pytest.mark.parametrize("name", ["emotional_dialogue", "korean_dialogue"])
def test_the_headers_of_the_real_workbooks_are_known(tmp_path: Path, name: str) -> None:
    file = REAL / "aihub" / "fixtures" / f"{name}_xlsx_header.tsv"
    if not file.is_file():
        pytest.skip("the AI Hub fixtures are not at ../shared/data/aihub/fixtures")
    rows = [line.split("\t") for line in file.read_text("utf-8").splitlines()]
    put(tmp_path / "a.xlsx", book([[cell or None for cell in row] for row in rows]))
    assert [len(record["messages"]) for record in good(tmp_path)] == [2]


def test_utterances_in_a_row_are_one_turn_and_the_user_has_not_the_last_word(
    tmp_path: Path,
) -> None:
    said = [
        ("2", "주말에 뭐 해?"),
        ("2", "등산 갈래?"),
        ("1", " 좋지 "),
        ("1", ""),
        ("2", "그럼 갈게"),
    ]
    put(tmp_path / "a.json", [sns(said)])
    (record,) = good(tmp_path)
    assert record["messages"] == [
        {"role": "user", "content": "주말에 뭐 해?\n등산 갈래?"},
        {"role": "assistant", "content": "좋지"},
    ]


def test_an_empty_turn_of_the_system_joins_what_the_person_says(tmp_path: Path) -> None:
    put(
        tmp_path / "a.json", [feeling(HS01="잠이 안 와", SS01="", HS02="걱정이야", SS02="그렇군요")]
    )
    assert [turn["content"] for turn in good(tmp_path)[0]["messages"]] == [
        "잠이 안 와\n걱정이야",
        "그렇군요",
    ]


def test_a_sentence_id_of_one_begins_a_dialogue_and_a_clerk_who_speaks_first_is_not_trained(
    tmp_path: Path,
) -> None:
    more = [
        ["점원", "어서 오세요", "카페", 1],
        ["고객", "라떼 주세요", "카페", 2],
        ["점원", "네", "카페", 3],
    ]
    put(tmp_path / "a.xlsx", book([*CLERK_SHEET, *more]))
    chats = [record["messages"] for record in good(tmp_path)]
    assert sorted(chats, key=str) == sorted(
        [
            CHAT,
            [{"role": "user", "content": "라떼 주세요"}, {"role": "assistant", "content": "네"}],
        ],
        key=str,
    )


def test_what_is_no_dialogue_of_two_is_dropped_and_counted(tmp_path: Path) -> None:
    three = [("1", "안녕"), ("2", "안녕"), ("3", "안녕")]
    put(
        tmp_path / "a.json",
        [sns(three), sns([("1", "저기")]), sns([("1", " "), ("2", "\x00")]), sns()],
    )
    put(tmp_path / "b.json", [sns(name="d2")])
    counts = {"more than two speakers": 1, "fewer than two turns": 2, "the same dialogue again": 1}
    assert refused(tmp_path) == counts
    assert len(good(tmp_path)) == 1


def test_text_is_composed_and_free_of_control_characters(tmp_path: Path) -> None:
    decomposed = unicodedata.normalize("NFD", "이사 날짜 정했어?")
    put(
        tmp_path / "a.json",
        [sns([("1", f"\x07{decomposed}\x9b\r\n"), ("2", "다음 달로\x00 잡았어")])],
    )
    assert good(tmp_path)[0]["messages"] == CHAT
    half = json.dumps([sns([("1", "이사 날짜 정했어?\ud83d"), ("2", "다음 달로 잡았어")])])
    put(tmp_path / "a.json", half.encode())
    assert good(tmp_path)[0]["messages"] == CHAT


def test_each_form_asks_for_its_own_answer(tmp_path: Path) -> None:
    said = [*TWO, ("1", "어디로?"), ("2", "서울로")]
    put(tmp_path / "a.json", [sns(said, summary="이사 이야기")])
    (record,) = good(tmp_path)
    assert aihub_dialogue.messages(record, "reply") == record["messages"]
    assert aihub_dialogue.messages(record, "next") == [
        {
            "role": "user",
            "content": (
                "대화:\n"
                "A: 이사 날짜 정했어?\n"
                "B: 다음 달로 잡았어\n"
                "A: 어디로?\n\n"
                "이 대화에 이어질 B의 말을 쓰세요."
            ),
        },
        {"role": "assistant", "content": "서울로"},
    ]
    summary = aihub_dialogue.messages(record, "summary")
    assert not isinstance(summary, Refused)
    assert summary[0]["content"].endswith("B: 서울로\n\n이 대화를 한두 문장으로 요약하세요.")
    assert summary[1] == {"role": "assistant", "content": "이사 이야기"}
    assert aihub_dialogue.texts(record) == ("\n".join(text for _, text in said[:-1]),)


def test_dialogues_without_a_summary_are_dropped_and_counted_before_the_draw(
    tmp_path: Path,
) -> None:
    rows = [
        sns([("1", f"질문 {n}"), ("2", "네")], f"d{n}", summary=f"요약 {n}") for n in range(200)
    ]
    put(tmp_path / "data" / "a.json", {"data": rows + many(100)["data"]})
    for samples in (None, 50):
        manifest = convert(
            [Entry("aihub_dialogue", "summary", tmp_path / "data", samples)],
            tmp_path / "out",
            seed=1,
        )
        entry = manifest["entries"][0]
        assert 80 < entry["dropped"]["no summary"] <= 100
        assert entry["labels"] == {"train": {}, "validation": {}}
        assert sum(entry["read"].values()) == sum(manifest["rows"].values()) + sum(
            entry["dropped"].values()
        )
    assert manifest["rows"]["train"] == 50


@pytest.mark.parametrize(
    ("training", "validation"),
    [
        ("Training/a.json", "Validation/a.json"),
        ("1.Training/라벨링데이터/a.json", "2.Validation/라벨링데이터/a.json"),
        ("TL_여가.zip/a.json", "VL_여가.zip/a.json"),
        ("한국어.zip/Training/a.json", "한국어.zip/Validation/a.json"),
        ("a_Training.json", "a_Validation.json"),
    ],
)
def test_test_is_what_lies_under_validation(tmp_path: Path, training: str, validation: str) -> None:
    members: dict[Path, list[tuple[str, object]]] = {}
    for name, value in (
        (training, [sns(name="a")]),
        (validation, [sns([("1", "뭐 해?"), ("2", "일해")], "b")]),
    ):
        if ".zip/" in name:
            outer, inner = name.split(".zip/")
            members.setdefault(tmp_path / f"{outer}.zip", []).append((inner, value))
        else:
            put(tmp_path / name, value)
    for path, found in members.items():
        packed(path, *found)
    assert [record["guid"] for record in good(tmp_path, "train")] == ["sns:a"]
    assert [record["guid"] for record in good(tmp_path, "test")] == ["sns:b"]
    names = {
        split: [file.name for file in aihub_dialogue.files(split, tmp_path)]
        for split in aihub_dialogue.SPLITS
    }
    assert all(names.values()) and ("한국어" in training or len(names["train"]) == 1)


def test_a_dialogue_or_a_profile_of_the_test_part_is_not_trained_on(tmp_path: Path) -> None:
    put(tmp_path / "Validation" / "a.json", [feeling("Pro_1", "Pro_1_1")])
    again, same, other = (
        feeling(f"Pro_{n}", f"Pro_{n}_2", HS01=f"질문 {n}", SS01="네") for n in (2, 1, 3)
    )
    again["talk"]["content"] = feeling()["talk"]["content"]
    put(tmp_path / "Training" / "a.json", [again, same, other])
    assert [record["guid"] for record in good(tmp_path, "train")] == ["emotional:Pro_3_2"]
    assert refused(tmp_path) == {"the same dialogue again": 1, "its group is in the test part": 1}


def test_a_name_above_the_given_folder_says_nothing(tmp_path: Path) -> None:
    put(tmp_path / "validation" / "a.json", many(100))
    assert 80 < len(good(tmp_path / "validation", "train")) < 100


def test_the_same_set_as_json_and_as_workbook_is_read_once(tmp_path: Path) -> None:
    put(tmp_path / "a.json", [feeling()])
    put(tmp_path / "b.xlsx", book(FEELING_SHEET))
    assert [record["guid"] for record in good(tmp_path)] == ["emotional:Pro_1_1"]


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 40)), min_size=2, max_size=80),
    st.randoms(),
    st.booleans(),
)
def test_no_group_and_no_dialogue_is_in_both_train_and_test(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[int, int]],
    rng: random.Random,
    folders: bool,
) -> None:
    folder = tmp_path_factory.mktemp("any")
    made = [
        feeling(f"Pro_{p}", f"Pro_{p}_{n}", HS01=f"질문 {q}", SS01="네")
        for n, (p, q) in enumerate(rows)
    ]
    rng.shuffle(made)
    middle = len(made) // 2
    put(folder / ("Validation" if folders else "Other") / "a.json", made[:middle])
    put(folder / ("Training" if folders else "More") / "a.json", made[middle:])
    train = good(folder, "train")
    test = good(folder)[len(train) :]
    assert not {record["group"] for record in train} & {record["group"] for record in test}
    assert not {str(record["messages"]) for record in train} & {
        str(record["messages"]) for record in test
    }
    seen = [str(record["messages"]) for record in train + test]
    assert len(seen) == len(set(seen)) and (
        folders or len(seen) == len({str(m["talk"]["content"]) for m in made})
    )


def test_a_twentieth_is_held_out_whatever_the_order_and_the_files(tmp_path: Path) -> None:
    rows = many(2_000)["data"]
    put(tmp_path / "one" / "a.json", rows)
    put(tmp_path / "two" / "a.json", rows[::-2])
    packed(tmp_path / "two" / "b.zip", ("b.json", rows[0::2]))
    one, two = (
        {record["guid"] for record in good(tmp_path / name, "test")} for name in ("one", "two")
    )
    assert one == two and 60 < len(one) < 140


def test_without_a_path_or_files_it_is_said_where_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"no path; path must name the folder .* https://aihub\.or\.kr"
    ):
        list(aihub_dialogue.read("train"))
    with pytest.raises(DataError, match=r"absent: no such folder; .* https://aihub\.or\.kr"):
        list(aihub_dialogue.read("train", tmp_path / "absent"))
    with pytest.raises(DataError, match=r"no \.json, \.xlsx or \.zip in it"):
        list(aihub_dialogue.read("train", tmp_path))
    packed(tmp_path / "a.zip", ("원문.txt", b"x"))
    assert "no .json or .xlsx in the zips" in fault(tmp_path)
    put(tmp_path / "Validation" / "a.json", [sns()])
    (tmp_path / "a.zip").unlink()
    assert "everything is under Validation" in fault(tmp_path)
    with pytest.raises(DataError, match="no split 'tset'; did you mean test"):
        list(aihub_dialogue.read("tset", tmp_path))


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        (
            "a.json",
            {"data": [{"질문": "?"}]},
            "row 1: an unknown shape ('질문'); looked for info[].annotations.lines",
        ),
        ("a.json", {"articles": []}, "no dialogue in it; looked for info[]"),
        ("a.json", [3], "row 1: an unknown shape (3)"),
        ("a.json", b"", "no dialogue in it; looked for info[]"),
        ("a.json", b"hello", "row 1: not a JSON array of rows but 'hello'"),
        ("a.json", b"[{} {}]", "row 1: an unknown shape"),
        ("a.json", json.dumps([sns()]).encode()[:-30], "row 1: the file is cut short"),
        ("a.json", json.dumps([sns()]).encode() + b"]", "text after its end: ']'"),
        ("a.json", b'["\xff\xff"]', "neither UTF-8 nor CP949"),
        ("a.json", '[{"가나다'.encode("cp949")[:-1], "row 1: the file is cut short"),
        ("a.json", b"[" * 100_000, "nested too deeply"),
        (
            "a.json",
            [{"header": {}, "body": []}],
            "row 1: header.dialogueInfo.dialogueID is missing; mend",
        ),
        ("a.json", [sns([("1", ["x"])])], "body.0: utterance is ['x'], which is not text"),  # type: ignore[list-item]
        (
            "a.json",
            [{"annotations": {"lines": {}}}],
            "row 1: annotations.lines is {}, which is not a list",
        ),
        ("a.json", [feeling(HS01=["x"])], "talk.content: HS01 is ['x'], which is not text"),  # type: ignore[arg-type]
        ("a.xlsx", b"PK not a zip", "cut short or damaged"),
    ],
)
def test_a_file_that_is_not_understood_is_named_with_what_was_looked_for(
    tmp_path: Path, name: str, content: object, words: str
) -> None:
    put(tmp_path / name, content)
    assert str(tmp_path / name) in fault(tmp_path)
    assert words in fault(tmp_path)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([["이름", "나이"], ["가", 1]], "sheet Sheet has the columns 이름, 나이; looked for"),
        (
            [CLERK_SHEET[0], ["손님", "네", "", 1]],
            "sheet Sheet: row 2: SPEAKER is '손님', not 고객 or 점원",
        ),
        (
            [CLERK_SHEET[0], ["고객", "네", "", "하나"]],
            "sheet Sheet: row 2: SENTENCEID is '하나', not a number",
        ),
        ([[]], "no dialogue in it"),
    ],
)
def test_a_sheet_that_is_not_understood_is_named(
    tmp_path: Path, rows: list[list[object]], words: str
) -> None:
    put(tmp_path / "a.xlsx", book(rows))
    assert words in fault(tmp_path)


def test_a_sheet_with_a_row_far_below_is_refused_at_once(tmp_path: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(book(CLERK_SHEET))) as sound:
        members = [(info.filename, sound.read(info)) for info in sound.infolist()]
    packed(
        tmp_path / "a.xlsx",
        *((name, text.replace(b'r="3"', b'r="99999999999"')) for name, text in members),
    )
    assert (
        "sheet Sheet: not a complete xlsx file (a row past row 1,048,576); download or copy it"
        in fault(tmp_path)
    )


def test_without_openpyxl_a_workbook_is_one_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "a.xlsx", book(CLERK_SHEET))
    monkeypatch.setattr(columns, "find_spec", lambda _: None)
    assert (
        fault(tmp_path)
        == f"{tmp_path / 'a.xlsx'}: reading .xlsx needs openpyxl, which the light install lacks;"
        " see docs/quickstart.md for the full install"
    )


@pytest.mark.slow
def test_a_workbook_of_many_texts_is_one_message_in_bounded_memory(tmp_path: Path) -> None:
    space = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    texts = "".join(f"<si><t>{number % 4096:x}</t></si>" for number in range(8_000_000))
    made = packed(
        tmp_path / "a.xlsx",
        ("xl/sharedStrings.xml", f'<sst xmlns="{space}">{texts}</sst>'.encode()),
    )
    del texts
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
    said = f'<Override PartName="/xl/sharedStrings.xml" ContentType="{kind}"/></Types>'.encode()
    with (
        zipfile.ZipFile(io.BytesIO(book(CLERK_SHEET))) as sound,
        zipfile.ZipFile(made, "a") as file,
    ):
        for name in sound.namelist():
            file.writestr(name, sound.read(name).replace(b"</Types>", said))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    told = fault(tmp_path)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Which of its two bounds ends the reader, memory or CPU time, depends on the machine.
    assert (
        "a.xlsx: not a complete xlsx file" in told
        and "takes over 512 MiB" in told
        and len(told) < 400
    ), told
    assert after - before < 64 << 10


@pytest.mark.parametrize("name", ["../../밖.json", "/밖.json", "..\\..\\밖.json", "C:\\밖.json"])
def test_a_member_that_points_outside_is_read_and_nothing_is_written(
    tmp_path: Path, name: str
) -> None:
    packed(tmp_path / "data" / "in" / "a.zip", (name, [sns()]))
    assert len(good(tmp_path / "data" / "in")) == 1
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["a.zip"]


def test_a_member_that_unpacks_to_far_more_is_refused_before_it_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bomb = b"[" + b" " * (8 << 20) + json.dumps(sns()).encode() + b"]"
    packed(tmp_path / "a.zip", ("속.json", bomb))
    assert "a.zip: 속.json: unpacks to over 200 times its size" in fault(tmp_path)
    monkeypatch.setattr(archive, "MAX_JSON", 1 << 20)
    assert "bytes unpacked, over 1,048,576" in fault(tmp_path)


def test_members_that_share_their_bytes_are_refused(tmp_path: Path) -> None:
    path = packed(tmp_path / "a.zip", ("속.json", many(20_000)))
    assert good(tmp_path)
    with zipfile.ZipFile(path, "a") as file:
        file.writestr("b.json", b"[]")
        file.filelist.extend(file.filelist[:1] * 100)
    assert "a.zip: damaged: its members are larger than the file" in fault(tmp_path)


def test_a_workbook_that_unpacks_to_far_more_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.xlsx", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("xl/worksheets/sheet1.xml", b" " * (8 << 20))
    assert "unpacks to over 200 times its size" in fault(tmp_path)


def test_a_nested_an_encrypted_and_a_truncated_zip_are_told(tmp_path: Path) -> None:
    inner = packed(tmp_path / "inner.bin", ("a.json", [sns()])).read_bytes()
    packed(tmp_path / "nested" / "a.zip", ("속.zip", inner))
    assert "속.zip: a zip inside a zip is not read; unpack the outer one" in fault(
        tmp_path / "nested"
    )
    locked = bytearray(inner)
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        locked[locked.index(mark) + offset] |= 1
    put(tmp_path / "locked" / "a.zip", bytes(locked))
    assert "a.json: encrypted; unpack the zip with its password" in fault(tmp_path / "locked")
    put(tmp_path / "cut" / "a.zip", inner[:-30])
    assert "cut short or damaged" in fault(tmp_path / "cut")
    spoiled = bytearray(inner)
    spoiled[60:70] = b"\xff" * 10
    put(tmp_path / "spoiled" / "a.zip", bytes(spoiled))
    assert "a.zip: a.json: cut short or damaged" in fault(tmp_path / "spoiled")


def test_a_korean_member_name_in_cp949_is_shown_right_and_tells_its_side(tmp_path: Path) -> None:
    class Old(zipfile.ZipInfo):
        def _encodeFilenameFlags(self) -> tuple[bytes, int]:  # noqa: N802  (zipfile's own name)
            return self.filename.encode("cp949"), 0

    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr(Old("라벨/Validation/대화.json"), json.dumps([{"x": 1}]))
    (part,) = archive.parts(tmp_path / "a.zip", tmp_path)
    assert (part.name, part.side) == ("a.zip/라벨/Validation/대화.json", "validation")


def test_hidden_files_and_other_kinds_are_passed_over(tmp_path: Path) -> None:
    put(tmp_path / "a.json", [sns()])
    put(tmp_path / "._a.json", b"\x00\x05")
    put(tmp_path / "~$b.xlsx", b"x")
    packed(
        tmp_path / "b.zip",
        ("__MACOSX/._a.json", b"\x00"),
        ("설명.txt", b"x"),
        ("c.json", [sns(name="e")]),
    )
    assert len(good(tmp_path)) == 1


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.recursive(st.none() | st.integers() | st.text(), st.lists, max_leaves=5)),
    st.integers(1, 40),
)
def test_rows_are_what_json_reads_whatever_the_piece_size(values: list[Any], size: int) -> None:
    for value in (values, {"number": 12, "a": {"data": [1]}, "info": values}):
        text = json.dumps(value, ensure_ascii=False).encode()
        pieces = [text[at : at + size] for at in range(0, len(text), size)]
        assert list(json_rows(decoded(pieces), inside=("data", "info"))) == values


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp949"])
@pytest.mark.parametrize("size", [1, 2, 7, 63, 64, 65, 4096])
def test_the_encoding_is_told_wherever_the_pieces_end(encoding: str, size: int) -> None:
    # The bytes of 친 in CP949 are also a letter in UTF-8.
    values = [{"latin": "a" * 150}, "친구야 좋은 날", "끝"]
    text = json.dumps(values, ensure_ascii=False).encode(encoding)
    pieces = (text[at : at + size] for at in range(0, len(text), size))
    assert list(json_rows(decoded(pieces, ("utf-8-sig", "cp949")))) == values


def test_the_columns_named_again_in_a_sheet_are_refused(tmp_path: Path) -> None:
    """With the row as a spreadsheet counts it, and however many cells the line has."""
    put(tmp_path / "a.xlsx", book([*FEELING_SHEET, [], FEELING_SHEET[0] + [None, None]]))
    assert "a.xlsx: sheet Sheet: row 4: the row repeats the column names" in fault(tmp_path)


def left_out(folder: Path, source: Any = aihub_dialogue) -> dict[str, int]:
    return {
        found.what: found.rows
        for found in source.read("train", folder)
        if isinstance(found, Rewritten)
    }


def test_what_is_left_out_of_a_dialogue_is_counted(tmp_path: Path) -> None:
    rows = [
        sns([*TWO, ("1", "어디?")], "a"),
        sns([("1", "가?"), ("2", " "), ("1", "나?"), ("2", "응")], "b"),
        sns([("1", "혼자"), ("1", "")], "c"),  # dropped, and counted there
        feeling("p", "t", SS01="안녕하세요", HS02="눈이 와", SS02="네", HS03="응"),
        feeling("q", "u", HS1="비가 와", SS1="그렇군요", HS2="", SS2=""),
    ]
    put(tmp_path / "a.json", rows)
    assert left_out(tmp_path) == {EMPTY: 1, UNASKED: 1, UNANSWERED: 2}
    assert {
        found.key for found in aihub_dialogue.read("train", tmp_path) if isinstance(found, NotRead)
    } == set()


def test_other_answers_and_other_arrays_are_counted(tmp_path: Path) -> None:
    put(
        tmp_path / "a.json",
        {**squad(["한강", "강"]), "more": [{}], "version": "1", "none": [], "made": {"by": "x"}},
    )
    assert left_out(tmp_path) == {OTHER_ANSWERS: 1}
    found = {each for each in aihub_dialogue.read("train", tmp_path) if isinstance(each, NotRead)}
    assert found == {NotRead("more", 1), NotRead("made", 1)}


def test_a_key_nested_deep_is_told(tmp_path: Path) -> None:
    text = (
        json.dumps([sns()], ensure_ascii=False)[:-2] + ', "extra": ' + "[" * 900 + "]" * 900 + "}]"
    )
    put(tmp_path / "a.json", text.encode())
    assert NotRead("extra", 1) in [*aihub_dialogue.read("train", tmp_path)]
