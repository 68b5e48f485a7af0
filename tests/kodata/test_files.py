"""Reading data files: what is accepted, and that every fault is one clear message with file and
row."""

import gzip
import json
import re
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kodata.errors import DataError
from kodata.reading import delimited, files

ROWS = [{"guid": str(number), "text": f"문장 {number} }} ]"} for number in range(2_000)]


def written(folder: Path, content: str | bytes, name: str = "data.json") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read(path: Path) -> list[files.Row]:
    return list(files.rows(path))


def fault(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        read(path)
    assert str(path) in str(caught.value)
    return str(caught.value)


@pytest.fixture(params=["orjson", "json"])
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """With orjson and without it: the rows and the faults are the same."""
    if request.param == "json":
        monkeypatch.setattr(files, "_parser", lambda: files._loads)


def arrow_file(folder: Path) -> Path:
    datasets = pytest.importorskip("datasets")
    datasets.Dataset.from_list(ROWS).save_to_disk(folder / "set")
    return next((folder / "set").glob("*.arrow"))


def parquet_file(folder: Path) -> Path:
    datasets = pytest.importorskip("datasets")
    datasets.Dataset.from_list(ROWS).to_parquet(folder / "data.parquet")
    return folder / "data.parquet"


@pytest.mark.usefixtures("parser")
@pytest.mark.parametrize("indent", [None, 4])
@pytest.mark.parametrize("name", ["data.json", "data.json.gz"])
def test_an_array_is_read_whole_whatever_the_piece_size(
    tmp_path: Path, indent: int | None, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = json.dumps(ROWS, ensure_ascii=False, indent=indent).encode()
    path = written(tmp_path, gzip.compress(text) if name.endswith(".gz") else text, name)
    for size in (1_001, 65_536, 1 << 22):
        monkeypatch.setattr(files, "CHUNK", size)
        assert read(path) == ROWS


@given(
    st.lists(
        st.dictionaries(
            st.text(),
            st.none() | st.text() | st.integers(-(2**63), 2**63 - 1) | st.lists(st.booleans()),
        ),
        min_size=1,
    )
)
def test_any_array_of_objects_reads_as_json_reads_it(
    tmp_path_factory: pytest.TempPathFactory, rows: object
) -> None:
    path = tmp_path_factory.mktemp("any") / "data.json"
    path.write_text(json.dumps(rows), encoding="utf-8")
    assert read(path) == rows


def test_rows_with_objects_inside_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"answers": [{"text": "가"}, {"text": "나"}], "id": number} for number in range(300)]
    monkeypatch.setattr(files, "CHUNK", 1_000)
    assert read(written(tmp_path, json.dumps(rows))) == rows


def test_json_lines_parquet_and_arrow_give_the_same_rows(tmp_path: Path) -> None:
    lines = "\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS)
    for path in (
        written(tmp_path, lines, "data.jsonl"),
        parquet_file(tmp_path),
        arrow_file(tmp_path),
    ):
        assert read(path) == ROWS


def test_a_byte_order_mark_is_accepted(tmp_path: Path) -> None:
    assert read(written(tmp_path, b"\xef\xbb\xbf" + json.dumps(ROWS).encode())) == ROWS


@pytest.mark.usefixtures("parser")
@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "no rows in it"),
        (" \n", "no rows in it"),
        ("[]", "no rows in it"),
        ("[", "row 1: the file is cut short"),
        ('[{"a": "가"}, {"a": "나', "row 2: the file is cut short"),
        ('[{"a": "가"}, {"a": "나"}', "row 3: the file is cut short"),
        ('[{"a": "가"},', "row 2: the file is cut short"),
        ('[{"a": "가"}, {"a": "나"}'.encode()[:-3], "row 2: the file is cut short"),
        ('{"a": "가"}', "row 1: not a JSON array of rows but"),
        ('({"a": "가"}]', "row 1: not a JSON array of rows but"),
        ("<html>", "row 1: not a JSON array of rows but '<html>'"),
        ('[{"a": "가"}, 3]', "row 2: 3 is not an object"),
        ('[{"a": "가"} {"a": "나"}]', "row 2: not valid JSON: expected a comma"),
        ('[{"a": "가"}]]', "row 2: not valid JSON"),
        ('[{"a": "가"},]', "row 2: not valid JSON: Expecting value near"),
        (
            '[{"a": "가"}, {"a" "나"}, {"a": "다"}]',
            "row 2: not valid JSON: Expecting ':' delimiter",
        ),
        ('[{"a": "\\ud800"}]', "row 1: half a character"),
        ("[" * 100_000, "nested too deeply"),
        ('[{"a": ' + "9" * 5_000 + "}]", "a number too long"),
    ],
)
def test_a_broken_array_is_one_message_with_the_row(
    tmp_path: Path, content: str | bytes, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for size in (files.CHUNK, 9):  # whole, and with borders between pieces everywhere
        monkeypatch.setattr(files, "CHUNK", size)
        assert expected in fault(written(tmp_path, content))


def test_a_file_in_cp949_is_named_with_the_command_that_mends_it(tmp_path: Path) -> None:
    text = json.dumps(ROWS, ensure_ascii=False)
    assert "CP949, not UTF-8; re-encode the file as UTF-8: iconv -f cp949" in fault(
        written(tmp_path, text.encode("cp949"))
    )
    assert "not UTF-8; re-encode" in fault(written(tmp_path, text.encode("utf-16")))


@pytest.mark.parametrize("name", ["data.json", "data.jsonl"])
def test_a_damaged_letter_is_told_with_its_row_and_what_stands_before_it(
    tmp_path: Path, name: str
) -> None:
    lines = [json.dumps(row, ensure_ascii=False).encode() for row in ROWS]
    lines[1_200] = lines[1_200].replace("문".encode(), "문".encode()[1:])
    whole = b"[" + b", ".join(lines) + b"]" if name.endswith(".json") else b"\n".join(lines)
    assert re.search(
        r"row 1201: not UTF-8 after '.*\"text\": \"'; mend or remove the row",
        fault(written(tmp_path, whole, name)),
    )


def test_white_space_without_end_and_a_file_that_unpacks_to_far_more_are_refused(
    tmp_path: Path,
) -> None:
    blank = b'{"a": 1}\n' + b"\n" * 5_000_000
    assert "row 2: over 4,000,000 characters of white space only" in fault(
        written(tmp_path, blank, "a.jsonl")
    )
    packed = gzip.compress(json.dumps(ROWS).encode() + b" " * 50_000_000)
    assert "row 2001: unpacks to over 200 times its size" in fault(
        written(tmp_path, packed, "data.json.gz")
    )


def test_an_arrow_file_with_offsets_beyond_its_text_is_refused(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    table = pyarrow.table({"a": ["가나다라"] * 64})
    with pyarrow.ipc.new_stream(tmp_path / "data.arrow", table.schema) as stream:
        stream.write_table(table)
    content = (tmp_path / "data.arrow").read_bytes()
    offset = (5 * 12).to_bytes(4, "little")  # of the sixth text
    assert content.count(offset) == 1
    assert "not a complete arrow file" in fault(
        written(tmp_path, content.replace(offset, b"\xff\xff\xff\x7f"), "data.arrow")
    )


def test_a_damaged_gzip_file_says_so_after_the_rows_that_are_whole(tmp_path: Path) -> None:
    whole = gzip.compress(json.dumps(ROWS).encode())
    assert "the file is cut short here" in fault(written(tmp_path, whole[:-200], "data.json.gz"))
    assert "damaged" in fault(written(tmp_path, b"[{}]", "data.json.gz"))


def test_broken_lines_parquet_and_arrow_files_are_named(tmp_path: Path) -> None:
    assert "row 2: not valid JSON" in fault(written(tmp_path, '{"a": 1}\n{"a": \n', "data.jsonl"))
    assert "row 1: not a complete parquet file" in fault(written(tmp_path, "PAR1", "data.parquet"))
    assert "row 1: not a complete arrow file" in fault(written(tmp_path, "nothing", "data.arrow"))


def test_a_missing_file_and_an_unknown_kind_are_named(tmp_path: Path) -> None:
    assert "cannot be read: No such file" in fault(tmp_path / "absent.json")
    assert "known: .json, .jsonl, .csv, .tsv, .txt, .parquet, .arrow" in fault(
        written(tmp_path, "a", "data.xlsx")
    )


@pytest.mark.parametrize("name", ["data.json", "data.jsonl"])
def test_a_row_without_end_is_refused_in_bounded_memory(tmp_path: Path, name: str) -> None:
    path = written(tmp_path, '[{"a": "' + "가" * 10_000_000, name)  # 30 MB
    tracemalloc.start()
    assert "row 1: over 4,000,000 characters" in fault(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 30_000_000


def test_a_record_that_goes_over_millions_of_lines_is_not_gathered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which takes many times its bytes. The limit of one field, which Python has, does not hold for
    a row of many."""
    monkeypatch.setattr(delimited, "MAX_ROW", 100_000)
    endless = written(tmp_path, 'a,b\n"x' + '\n","' * 1_000_000, "a.csv")
    tracemalloc.start()
    told = fault(endless)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (
        "row 1: a row of over 100,000 characters: is a closing quote missing?" in told
        and peak < 8_000_000
    )
    # Rows of two lines are no long one.
    two_lines = written(tmp_path, "a,b\n" + '"x\ny",z\n\n' * 20_000, "b.csv")
    assert len(read(two_lines)) == 20_000


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.json"])
@pytest.mark.parametrize(
    ("row", "key"),
    [
        ('{"a": 1, "b": "둘", "a": 3}', "'a'"),
        ('{"a": {"b": 1, "b": 2}}', "'b'"),
        ('{"a": [{"역할": "1", "역할" : "2"}]}', "'역할'"),
        ('{"a": "x\\": y", "a": 1}', "'a'"),
    ],
)
def test_a_key_that_stands_twice_is_refused_since_one_of_its_values_would_be_lost(
    tmp_path: Path, name: str, row: str, key: str
) -> None:
    sound = '{"a": "그가 \\"응\\": 하고 말했다", "b": {"c": 1}}'
    rows = [sound, row, sound]
    text = "\n".join(rows) if name.endswith("l") else f"[{', '.join(rows)}]"
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(
        DataError, match=f"{name}: row 2: key {key} occurs twice in one object; keep one of them"
    ):
        list(files.rows(tmp_path / name))
    (tmp_path / name).write_text(text.replace(row, sound), encoding="utf-8")
    assert len(list(files.rows(tmp_path / name))) == 3


@pytest.mark.parametrize(
    ("name", "mark"), [("rows.csv", ","), ("rows.tsv", "\t"), ("rows.txt", "\t")]
)
def test_a_column_that_stands_twice_is_refused_since_one_of_its_values_would_be_lost(
    tmp_path: Path, name: str, mark: str
) -> None:
    (tmp_path / name).write_text(f"id{mark}글{mark}id\n1{mark}가{mark}2\n", encoding="utf-8")
    with pytest.raises(
        DataError, match="row 1: column 'id' occurs twice in the first line; rename or remove one"
    ):
        list(files.rows(tmp_path / name))


@pytest.mark.parametrize(
    ("name", "mark"), [("rows.csv", ","), ("rows.tsv", "\t"), ("rows.txt", "\t")]
)
@pytest.mark.parametrize("again", ["id{}text", "\ufeffid{}text", " id{}text", "id{}text\r"])
def test_the_names_of_the_columns_again_are_no_row(
    tmp_path: Path, name: str, mark: str, again: str
) -> None:
    """As where two files were put one after another, the second with a byte order mark perhaps."""
    file = written(tmp_path, f"id{mark}text\n1{mark}text\n{again.format(mark)}\n2{mark}나\n", name)
    with pytest.raises(
        DataError, match=r"row 2: the row repeats the column names \(id, text\); remove the row"
    ):
        list(files.rows(file))


def test_arrays_and_objects_beside_those_that_are_read_are_named(tmp_path: Path) -> None:
    text = (
        '{"version": "1", "more": [{"a": 1}], "data": [{"a": 2}], "none": [], "about": {"by": "x"},'
        ' "data": [{"a": 3}]}'
    )
    other_keys: list[str] = []
    assert [
        row["a"]
        for row in files.rows(written(tmp_path, text, "a.json"), ("data",), other_keys=other_keys)
    ] == [2, 3]
    assert other_keys == ["more", "about"]
