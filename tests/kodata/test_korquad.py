"""KorQuAD: records from the official and the hub's shape, prompts, and what is said of bad
files."""

import gzip
import json
import re
import unicodedata
from pathlib import Path
from typing import Any

import pytest

from kodata import korquad
from kodata.errors import DataError
from kodata.prepare.convert import convert
from kodata.prepare.entries import Entry
from kodata.prepare.output import doc_of
from tests.conftest import REAL, only_records

TRAIN, DEV = "KorQuAD_v1.0_train.json", "KorQuAD_v1.0_dev.json"
CONTEXT = "달빛 도서관은 1987년에 문을 열었다. 관장은 이하늘이다."
QA = {
    "id": "1-0",
    "question": "달빛 도서관의 관장은?",
    "answers": [{"text": "이하늘", "answer_start": 25}],
}
RECORD = {
    "guid": "1-0",
    "title": "달빛 도서관",
    "context": CONTEXT,
    "question": "달빛 도서관의 관장은?",
    "answer": "이하늘",
}


def squad(*qas: object, context: object = CONTEXT, title: object = "달빛 도서관") -> dict[str, Any]:
    return {
        "version": "KorQuAD_v1.0",
        "data": [{"title": title, "paragraphs": [{"context": context, "qas": qas}]}],
    }


def put(path: Path, content: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(content, ensure_ascii=False).encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return path.parent


def fault(folder: Path, content: bytes | None = None) -> str:
    if content is not None:
        (folder / DEV).write_bytes(content)
    with pytest.raises(DataError) as caught:
        list(korquad.read("test", folder))
    assert f"{folder / DEV}: " in str(caught.value)
    assert caught.value.__context__ is None or caught.value.__suppress_context__
    return str(caught.value)


def test_the_question_holds_the_passage_and_the_answer_is_a_piece_of_it() -> None:
    asked, answered = korquad.messages(RECORD, "answer")
    assert asked == {
        "role": "user",
        "content": (
            f"지문: {CONTEXT}\n"
            "질문: 달빛 도서관의 관장은?\n"
            "지문에서 답이 되는 말을 찾아 그대로 옮겨 쓰세요. 답만 쓰세요."
        ),
    }
    assert answered == {"role": "assistant", "content": "이하늘"}
    assert korquad.group(RECORD) == CONTEXT
    assert korquad.texts(RECORD) == (CONTEXT,)


@pytest.mark.parametrize("name", [DEV, DEV + ".gz", "KorQuAD/" + DEV])
def test_the_official_file_is_read_plain_gzipped_or_one_level_down(
    tmp_path: Path, name: str
) -> None:
    put(tmp_path / name, squad(QA))
    assert list(korquad.read("test", tmp_path)) == [RECORD]


@pytest.mark.parametrize("kind", ["parquet", "saved"])
def test_a_copy_of_the_hubs_set_is_read(tmp_path: Path, kind: str) -> None:
    datasets = pytest.importorskip("datasets")
    row = {"id": "1-0", "title": "달빛 도서관", "context": CONTEXT, "question": QA["question"]}
    made = datasets.Dataset.from_list(
        [{**row, "answers": {"text": ["이하늘"], "answer_start": [25]}}]
    )
    if kind == "parquet":
        (tmp_path / "squad_kor_v1").mkdir()
        made.to_parquet(tmp_path / "squad_kor_v1" / "validation-00000-of-00001.parquet")
    else:
        datasets.DatasetDict({"validation": made}).save_to_disk(tmp_path)
    assert list(korquad.read("test", tmp_path)) == [RECORD]


def test_text_is_composed_and_stripped(tmp_path: Path) -> None:
    qa = {
        **QA,
        "answers": [{"text": unicodedata.normalize("NFD", " 이하늘\n"), "answer_start": 24}],
    }
    put(tmp_path / DEV, squad(qa, context=unicodedata.normalize("NFD", CONTEXT) + " "))
    assert list(korquad.read("test", tmp_path)) == [RECORD]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"id": None}, "row 2 (guid missing): id is missing"),
        ({"question": 7}, "row 2 (guid 1-0): question is 7, which is not text"),
        ({"answers": None}, "row 2 (guid 1-0): answers is missing"),
        ({"answers": []}, "answers is [], but KorQuAD has exactly one answer"),
        ({"answers": QA["answers"] + QA["answers"]}, "KorQuAD has exactly one answer"),  # type: ignore[operator]
        ({"answers": [{"text": None}]}, "answers is [{'text': None}]"),
        ({"answers": "이하늘"}, "answers is '이하늘'"),
    ],
)
def test_a_bad_question_is_named_with_field_and_value(
    tmp_path: Path, changes: dict[str, object], told: str
) -> None:
    put(tmp_path / DEV, squad(QA, {**QA, **changes}))
    assert told in fault(tmp_path)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (
            {"data": [{"paragraphs": [{"qas": [QA]}]}]},
            "data[0].paragraphs[0] does not have the layout of KorQuAD 1.0 ('context')",
        ),
        (
            {"data": [{"title": "가"}]},
            "data[0] does not have the layout of KorQuAD 1.0 ('paragraphs')",
        ),
        ({"data": [[]]}, "row 1: [] is not an object with named fields"),
        ([QA], "data[0] does not have the layout of KorQuAD 1.0"),
        ({"data": []}, "no rows in it"),
        ({"data": [{"title": "가", "paragraphs": []}]}, "no questions in it"),
        (squad("질문"), "data[0].paragraphs[0] does not have the layout of KorQuAD 1.0"),
        (squad(QA, title=None), "title is missing"),
    ],
)
def test_another_shape_is_named_with_its_place(tmp_path: Path, content: object, told: str) -> None:
    put(tmp_path / DEV, content)
    assert told in fault(tmp_path)


def test_a_file_that_is_cut_empty_damaged_or_cp949_is_one_message(tmp_path: Path) -> None:
    whole = json.dumps(squad(QA), ensure_ascii=False).encode()
    for end in (len(whole) // 3, len(whole) // 2, len(whole) - 1):
        assert "the file is cut short here" in fault(tmp_path, whole[:end])
    assert "no rows in it" in fault(tmp_path, b"")
    assert "row 1: not valid JSON: Expecting ':' delimiter near" in fault(
        tmp_path, whole.replace(b'"qas":', b'"qas"=')
    )
    assert "CP949, not UTF-8; re-encode" in fault(tmp_path, whole.decode().encode("cp949"))
    assert "half a character" in fault(tmp_path, json.dumps(squad({**QA, "id": "\ud800"})).encode())
    (tmp_path / DEV).unlink()
    (tmp_path / (DEV + ".gz")).write_bytes(gzip.compress(whole)[:-20])
    with pytest.raises(DataError, match="cut short here"):
        list(korquad.read("test", tmp_path))


def test_a_folder_without_the_file_and_an_unknown_split_are_named(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"no train data there; looked for KorQuAD_v1\.0_train\.json"
    ):
        korquad.files("train", tmp_path)
    with pytest.raises(DataError, match="no split 'dev'; known: test, train"):
        korquad.files("dev", tmp_path)


def test_conversion_keeps_every_field_and_counts_no_labels(tmp_path: Path) -> None:
    articles = [
        squad({**QA, "id": f"{n}-0"}, context=f"{n}번 글. {CONTEXT}")["data"][0] for n in range(80)
    ]
    put(tmp_path / TRAIN, {"data": articles})
    manifest = convert([Entry("korquad", "answer", tmp_path)], tmp_path / "out", seed=1)
    assert sum(manifest["rows"].values()) == 80
    assert manifest["entries"][0]["labels"] == {"train": {}, "validation": {}}
    rows = [
        json.loads(line)
        for side in ("train", "validation")
        for line in (tmp_path / "out" / f"{side}.jsonl").open()
    ]
    read = {record["guid"]: record for record in only_records(korquad.read("train", tmp_path))}
    assert {row["guid"]: doc_of(row) for row in rows} == read
    assert all(row["messages"] == korquad.messages(doc_of(row), "answer") for row in rows)


@pytest.mark.skipif(
    not (REAL / "korquad").is_dir(), reason="the real KorQuAD file is not at ../shared/data/korquad"
)
def test_the_real_dev_file_has_its_known_counts_and_answers_that_stand_in_the_passage() -> None:
    raw = json.loads((REAL / "korquad" / DEV).read_text(encoding="utf-8"))
    records = list(only_records(korquad.read("test", REAL / "korquad")))
    assert len(records) == korquad.CARD.rows["test"] == 5_774
    assert sum(len(article["paragraphs"]) for article in raw["data"]) == 964
    # 3 texts occur twice, 1 more after NFC.
    assert len({korquad.group(record) for record in records}) == 960
    assert all(record["answer"] and record["answer"] in record["context"] for record in records)
    assert sum(record["context"].count(record["answer"]) > 1 for record in records) in range(
        1_450, 1_600
    )
    theirs = {
        qa["id"]: qa["question"] for a in raw["data"] for p in a["paragraphs"] for qa in p["qas"]
    }
    assert {record["guid"] for record in records} == set(theirs)
    for record in records:
        assert record["question"] == unicodedata.normalize("NFC", theirs[record["guid"]]).strip()


@pytest.mark.slow
@pytest.mark.skipif(
    not (REAL / "korquad").is_dir(), reason="the real KorQuAD file is not at ../shared/data/korquad"
)
def test_josa_of_the_real_answers_are_taken_away_as_often_as_the_readme_says() -> None:
    pytest.importorskip("kiwipiepy")
    from tasks.korquad_ko.korquad_ko import _SIGNS, exact_match, no_josa

    common = [
        "은",
        "는",
        "이",
        "가",
        "을",
        "를",
        "의",
        "에",
        "에서",
        "에게",
        "로",
        "으로",
        "와",
        "과",
        "도",
        "만",
        "까지",
        "부터",
        "보다",
        "처럼",
    ]
    raw = json.loads((REAL / "korquad" / DEV).read_text(encoding="utf-8"))
    followed, lost = [], 0
    for paragraph in (paragraph for article in raw["data"] for paragraph in article["paragraphs"]):
        for told in (answer for qa in paragraph["qas"] for answer in qa["answers"]):
            text, end = told["text"], told["answer_start"] + len(told["text"])
            lost += no_josa(text) != text.rstrip(_SIGNS)
            tail = re.match("[가-힣]*", paragraph["context"][end:])
            if (
                tail
                and tail[0] in common
                and paragraph["context"][told["answer_start"] : end] == text
            ):
                followed.append((text + tail[0], text))
    assert (len(followed), lost) == (3_031, 48)
    assert sum(exact_match(*pair) for pair in followed) == 0
    same = sum(exact_match(no_josa(said), no_josa(gold)) for said, gold in followed)
    assert same / len(followed) == pytest.approx(0.983, abs=0.0005)
