"""NSMC: records from the official text files and the hub's shape, prompts, and what is said of bad
files."""

import gzip
import json
import tracemalloc
import unicodedata
from collections import Counter
from pathlib import Path

import pytest

from kodata import nsmc
from kodata.errors import DataError
from kodata.prepare.convert import convert
from kodata.prepare.entries import Entry
from kodata.prepare.output import doc_of
from kodata.reading import files
from tests.conftest import REAL, only_records

HEAD = "id\tdocument\tlabel\n"
TEXT = HEAD + '7\t"이게 영화야" 라고 했다. ""최고""\t1\n8\t졸렸다, 정말\t0\n9\t\t0\n'
RECORDS = [
    {"guid": "7", "document": '"이게 영화야" 라고 했다. ""최고""', "label": "positive"},
    {"guid": "8", "document": "졸렸다, 정말", "label": "negative"},
    {"guid": "9", "document": "", "label": "negative"},
]


def put(folder: Path, content: str | bytes, name: str = "ratings_test.txt") -> Path:
    data = content.encode() if isinstance(content, str) else content
    (folder / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return folder


def fault(folder: Path) -> str:
    with pytest.raises(DataError) as caught:
        list(nsmc.read("test", folder))
    assert f"{folder}/ratings_test.txt" in str(caught.value)
    assert caught.value.__context__ is None or caught.value.__suppress_context__
    return str(caught.value)


def test_the_question_asks_for_one_of_two_words() -> None:
    assert nsmc.messages(RECORDS[1], "label") == [
        {
            "role": "user",
            "content": (
                "영화 리뷰: 졸렸다, 정말\n이 리뷰는 긍정입니까, 부정입니까? 한 단어로 답하세요."
            ),
        },
        {"role": "assistant", "content": "부정"},
    ]
    assert nsmc.answer(RECORDS[0]) == "긍정"
    assert nsmc.group(RECORDS[1]) == "졸렸다, 정말"
    assert nsmc.texts(RECORDS[1]) == ("졸렸다, 정말",)


@pytest.mark.parametrize("name", ["ratings_test.txt", "ratings_test.txt.gz"])
@pytest.mark.parametrize(
    "text", [TEXT, TEXT.replace("\n", "\r\n"), "\ufeff" + TEXT, TEXT.rstrip("\n"), TEXT + "\n"]
)
def test_quotes_are_text_and_empty_documents_are_read(tmp_path: Path, name: str, text: str) -> None:
    assert list(nsmc.read("test", put(tmp_path, text, name))) == RECORDS


def test_rows_are_the_same_whatever_the_piece_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, TEXT)
    for size in (1, 7, 64):
        monkeypatch.setattr(files, "CHUNK", size)
        assert list(nsmc.read("test", tmp_path)) == RECORDS


@pytest.mark.parametrize("names", [True, False])
def test_a_copy_of_the_hubs_set_is_read(tmp_path: Path, names: bool) -> None:
    datasets = pytest.importorskip("datasets")
    label = datasets.ClassLabel(names=list(nsmc.LABELS)) if names else datasets.Value("int64")
    features = datasets.Features(
        {"id": datasets.Value("string"), "document": datasets.Value("string"), "label": label}
    )
    rows = [
        {"id": r["guid"], "document": r["document"], "label": int(r["label"] == "positive")}
        for r in RECORDS
    ]
    (tmp_path / "default" / "test").mkdir(parents=True)
    datasets.Dataset.from_list(rows, features=features).to_parquet(
        tmp_path / "default" / "test" / "0000.parquet"
    )
    assert list(nsmc.read("test", tmp_path)) == RECORDS
    assert list(nsmc.read("test", tmp_path / "default")) == RECORDS


def test_text_is_composed_and_stripped(tmp_path: Path) -> None:
    put(tmp_path, HEAD + unicodedata.normalize("NFD", "8\t 졸렸다, 정말  \t0\n"))
    assert list(nsmc.read("test", tmp_path)) == RECORDS[1:2]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (TEXT + "10\t좋다\t2\n", "row 4 (guid 10): label is '2', not 0 (negative) or 1 (positive)"),
        (TEXT + "10\t좋다\tpositiv\n", "not 0 (negative) or 1 (positive); did you mean positive?"),
        (TEXT + "10\t좋다\t\n", "row 4 (guid 10): label is ''"),
        (TEXT + "10\t좋", "row 4: 2 columns instead of 3 (id, document, label)"),
        (TEXT + "10\t좋다\t1\t1\n", "row 4: 4 columns instead of 3"),
        ("id\ttext\tlabel\n7\t좋다\t1\n", "row 1 (guid 7): document is missing"),
        ("document\tlabel\n좋다\t1\n", "row 1 (guid missing): id is missing"),
        ("id\tdocument\n7\t좋다\n", "row 1 (guid 7): label is missing"),
        (TEXT.replace("\t", ","), "row 1 (guid missing): id is missing"),
        (HEAD, "no rows in it"),
        ("", "no rows in it"),
    ],
)
def test_a_bad_file_is_one_message_with_row_field_and_value(
    tmp_path: Path, text: str, told: str
) -> None:
    assert told in fault(put(tmp_path, text))


def test_a_file_that_is_cut_damaged_or_cp949_is_one_message(tmp_path: Path) -> None:
    assert "row 1: CP949, not UTF-8; re-encode" in fault(put(tmp_path, TEXT.encode("cp949")))
    assert "the file is cut short here" in fault(put(tmp_path, (HEAD + "7\t좋다").encode()[:-1]))
    (tmp_path / "ratings_test.txt").unlink()
    packed = gzip.compress((HEAD + "7\t졸렸다\t0\n" * 9_999).encode())
    (tmp_path / "ratings_test.txt.gz").write_bytes(packed[:-9])
    assert "the file is cut short here" in fault(tmp_path)
    (tmp_path / "ratings_test.txt.gz").write_bytes(TEXT.encode())
    assert "damaged" in fault(tmp_path)


def test_memory_grows_by_a_number_a_row(tmp_path: Path) -> None:
    """By the hash of its guid, in a set: some 80 bytes."""
    put(
        tmp_path, HEAD + "".join(f"{number}\t졸렸다, 정말 졸렸다\t0\n" for number in range(100_000))
    )
    tracemalloc.start()
    assert sum(1 for _ in nsmc.read("test", tmp_path)) == 100_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 14_000_000


def test_conversion_counts_empty_documents_and_keeps_every_field(tmp_path: Path) -> None:
    lines = "".join(f"{number}\t감상 {number}\t{number % 2}\n" for number in range(100))
    put(tmp_path, HEAD + lines + "100\t\t1\n101\t \t0\n", "ratings_train.txt")
    manifest = convert([Entry("nsmc", path=tmp_path)], tmp_path / "out", seed=1)
    assert manifest["entries"][0]["read"] == {"train": 102}
    assert manifest["entries"][0]["dropped"] == {"empty field": 2}
    assert Counter(manifest["entries"][0]["labels"]["train"]).total() == manifest["rows"]["train"]
    sides = [
        [json.loads(line) for line in (tmp_path / "out" / f"{side}.jsonl").open()]
        for side in ("train", "validation")
    ]
    assert [doc_of(row) for row in sides[0] + sides[1]] != []
    read = {
        record["guid"]: record
        for record in only_records(nsmc.read("train", tmp_path))
        if record["document"]
    }
    assert {row["guid"]: doc_of(row) for rows in sides for row in rows} == read


@pytest.mark.skipif(
    not (REAL / "nsmc").is_dir(), reason="the real NSMC files are not at ../shared/data/nsmc"
)
def test_the_real_files_have_their_known_counts_and_lose_nothing() -> None:
    for split, empty in (("train", 5), ("test", 3)):
        rows, nothing = 0, 0
        with gzip.open(
            REAL / "nsmc" / f"ratings_{split}.txt.gz", "rt", encoding="utf-8", newline="\n"
        ) as file:
            next(file)
            for line, record in zip(
                file, only_records(nsmc.read(split, REAL / "nsmc")), strict=True
            ):
                guid, document, label = line.rstrip("\n").split("\t")
                found = (record["guid"], record["document"], record["label"])
                assert found == (
                    guid,
                    unicodedata.normalize("NFC", document).strip(),
                    list(nsmc.LABELS)[int(label)],
                )
                rows, nothing = rows + 1, nothing + (not record["document"])
        assert (rows, nothing) == (nsmc.CARD.rows[split], empty)
