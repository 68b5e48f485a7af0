"""Naver news: records from CSV and copies of the hub's set, prompts, and what is said of bad
files."""

import csv
import gzip
import io
import json
import unicodedata
from pathlib import Path

import pytest

from kodata import naver_news
from kodata.card import NotRead
from kodata.errors import DataError
from kodata.prepare.convert import convert
from kodata.prepare.entries import Entry
from kodata.prepare.output import doc_of
from tests.conftest import REAL, only_records

ROW = {
    "date": "2030-01-02 03:04:05",
    "category": "society",
    "press": "달빛일보 ",
    "title": '시장, 새 다리 "연다"',
    "document": '달빛시가 새 다리를 연다.\n시장은 "기쁘다"고, 또 고맙다고 말했다.',
    "link": "https://example.org/article/1",
    "summary": "달빛시가 새 다리를 연다.",
}
RECORD = {"guid": ROW["link"], **{key: ROW[key].strip() for key in ROW if key != "link"}}


def text(*rows: dict[str, str], columns: list[str] | None = None) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, columns or list(ROW), lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def put(folder: Path, content: str | bytes, name: str = "test.csv") -> Path:
    data = content.encode() if isinstance(content, str) else content
    (folder / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return folder


def fault(folder: Path) -> str:
    with pytest.raises(DataError) as caught:
        list(naver_news.read("test", folder))
    assert f"{folder}/test.csv" in str(caught.value)
    assert caught.value.__context__ is None or caught.value.__suppress_context__
    return str(caught.value)


def test_the_question_holds_the_article_and_the_answer_is_its_summary() -> None:
    assert naver_news.messages(RECORD, "summary") == [
        {
            "role": "user",
            "content": f"기사: {ROW['document']}\n이 기사의 핵심 내용을 두세 문장으로 요약하세요.",
        },
        {"role": "assistant", "content": "달빛시가 새 다리를 연다."},
    ]
    assert naver_news.group(RECORD) == ROW["document"]
    assert naver_news.texts(RECORD) == (ROW["document"],)


@pytest.mark.parametrize(
    ("split", "name"),
    [
        ("train", "train.csv"),
        ("validation", "valid.csv"),
        ("validation", "validation.csv"),
        ("test", "test.csv.gz"),
    ],
)
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_csv_is_read_with_newlines_quotes_commas_and_a_byte_order_mark(
    tmp_path: Path, split: str, name: str, mark: str
) -> None:
    put(tmp_path, mark + text(ROW, {**ROW, "link": "https://example.org/article/2"}), name)
    first, second = naver_news.read(split, tmp_path)
    assert first == RECORD
    assert second == {**RECORD, "guid": "https://example.org/article/2"}


def test_line_ends_of_windows_become_those_of_unix_and_a_column_too_many_is_told(
    tmp_path: Path,
) -> None:
    put(tmp_path, text({**ROW, "index": "0"}, columns=["index", *ROW]).replace("\n", "\r\n"))
    assert list(naver_news.read("test", tmp_path)) == [RECORD, NotRead("index", 1)]


def test_a_parquet_copy_is_read(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    datasets.Dataset.from_list([ROW]).to_parquet(tmp_path / "validation-00000-of-00001.parquet")
    assert list(naver_news.read("validation", tmp_path)) == [RECORD]


def test_text_is_composed_and_what_is_not_known_is_left_out(tmp_path: Path) -> None:
    put(tmp_path, text({**ROW, "title": unicodedata.normalize("NFD", ROW["title"]), "press": " "}))
    assert list(naver_news.read("test", tmp_path)) == [
        {key: RECORD[key] for key in RECORD if key != "press"}
    ]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (
            text(ROW, columns=list(ROW)[:-1]),
            "row 1 (guid https://example.org/article/1): summary is missing",
        ),
        (text(ROW, columns=list(ROW)[:-2]), "row 1 (guid missing): link is missing"),
        (text(ROW) + "a,b\n", "row 2: 2 columns instead of 7 (date, category"),
        (text(ROW, ROW)[:-20], "row 2: 6 columns instead of 7"),
        (
            text(ROW) + 'a,b,c,d,"e',
            (
                "row 2: the file is cut short here; download or copy it again (a quoted field has"
                " no end)"
            ),
        ),
        (text(ROW) + 'a,"b"c,d,e,f,g,h\n', "row 2: not valid CSV at line"),
        (text(ROW) + 'a,"' + "가" * 200_000, "row 2: a field over 131,072 characters"),
        (text(), "no rows in it"),
        ("", "no rows in it"),
    ],
)
def test_a_bad_file_is_one_message_with_row_and_field(
    tmp_path: Path, content: str, told: str
) -> None:
    assert told in fault(put(tmp_path, content))


def test_a_file_that_is_cut_inside_a_character_damaged_or_cp949_is_one_message(
    tmp_path: Path,
) -> None:
    assert "CP949, not UTF-8; re-encode" in fault(put(tmp_path, text(ROW).encode("cp949")))
    assert "cut short here" in fault(put(tmp_path, text({**ROW, "summary": "다리"}).encode()[:-2]))
    (tmp_path / "test.csv").unlink()
    (tmp_path / "test.csv.gz").write_bytes(gzip.compress(text(*[ROW] * 99).encode())[:-9])
    assert "cut short here" in fault(tmp_path)


def test_its_own_validation_split_is_used_and_every_field_kept(tmp_path: Path) -> None:
    rows = [
        {**ROW, "document": f"{n}번째 기사다.", "link": f"https://example.org/{n}"}
        for n in range(12)
    ]
    put(tmp_path, text(*rows[:10], {**ROW, "summary": " "}), "train.csv")
    put(tmp_path, text(*rows[10:]), "valid.csv")
    manifest = convert([Entry("naver_news", "summary", tmp_path)], tmp_path / "out", seed=1)
    assert manifest["rows"] == {"train": 10, "validation": 2}
    assert manifest["entries"][0]["dropped"] == {"empty field": 1}
    for side in ("train", "validation"):
        docs = [doc_of(json.loads(line)) for line in (tmp_path / "out" / f"{side}.jsonl").open()]
        assert docs == [
            record for record in only_records(naver_news.read(side, tmp_path)) if record["summary"]
        ]


def test_a_folder_without_the_file_and_an_unknown_split_are_named(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"no validation data there; looked for validation\.csv, .*valid\.csv"
    ):
        naver_news.files("validation", tmp_path)
    with pytest.raises(DataError, match=r"no split 'valid'; did you mean validation\?"):
        naver_news.files("valid", tmp_path)


@pytest.mark.skipif(
    not (REAL / "naver-news").is_dir(), reason="the example is not at ../shared/data/naver-news"
)
def test_the_columns_of_the_example_are_read(tmp_path: Path) -> None:
    example = json.loads(
        (REAL / "naver-news" / "example_invented.json").read_text(encoding="utf-8")
    )
    put(tmp_path, text(example, columns=list(example)))
    (record,) = only_records(naver_news.read("test", tmp_path))
    assert record["guid"] == example["link"]
    assert {key: record[key] for key in record if key != "guid"} == {
        key: value.strip() for key, value in example.items() if key != "link"
    }
