"""Nothing of a user's data is passed over in silence: a key of any row or turn is used, told, or
refused by name, and so is a file."""

import csv
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kodata
from kodata.card import NotRead, Rewritten
from kodata.chat.turns import TOOLS, TRAINED
from kodata.errors import DataError
from kodata.prepare.convert import convert
from kodata.prepare.entries import Entry
from kodata.reading.keys import CONTROLS, KnownOfPartialRows, Unread, known, others
from kodata.text import has_unwanted
from tests.conftest import ROOT

SAMPLES = ROOT / "kodata" / "samples"
NLI = ROOT / "kodata" / "nli_sample"
# A file of each source that is changed, and the folder that it lies in.
FILES = {
    "aihub_dialogue": (
        SAMPLES / "aihub_dialogue",
        next((SAMPLES / "aihub_dialogue").rglob("Training/**/*.json")),
    ),
    "chat": (SAMPLES / "chat", SAMPLES / "chat" / "train.jsonl"),
    "klue_nli": (NLI, NLI / "train.json"),
    "korquad": (SAMPLES / "korquad", SAMPLES / "korquad" / "KorQuAD_v1.0_train.json"),
    "naver_news": (SAMPLES / "naver_news", SAMPLES / "naver_news" / "train.csv"),
    "nsmc": (SAMPLES / "nsmc", SAMPLES / "nsmc" / "ratings_train.txt"),
}
NAMES = [
    "system",
    "history",
    "tools",
    "functions",
    "tool_calls",
    "weight",
    "train",
    "loss",
    "reasoning_content",
    "thinking",
    "name",
    "lang",
    "id",
    "guid",
    "group",
    "split",
    "label",
    "messages",
    "conversations",
    "input",
    "rejected",
    "새 열",
    "a.b",
    "",
]
VALUES: list[Any] = [
    "말",
    "0",
    0,
    1,
    1.5,
    True,
    False,
    [["안녕?", "네"]],
    [{"role": "user", "content": "x"}],
    {"a": 1},
]


def nested(value: Any, times: int) -> Any:
    for _ in range(times):
        value = [value]
    return value


def objects(value: Any) -> Iterator[dict[str, Any]]:
    """Every object in a JSON value but the outermost ones that hold arrays of rows, and those that
    are told whole."""
    if isinstance(value, dict):
        if not {"data", "info"} & value.keys():
            yield value
        for key, inner in value.items():
            if key != "participantsInfo":
                yield from objects(inner)
    elif isinstance(value, list):
        for inner in value[:3]:
            yield from objects(inner)


def changed(file: Path, key: str, value: Any, draw: Any) -> tuple[str, bool]:
    """The text of a file with a key or column more, and whether that says what is done anyway: a
    line or answer is trained on without a mark, another turn is not, and nobody has tools."""
    text = file.read_text("utf-8")
    if file.suffix in (".csv", ".txt"):
        rows = list(csv.reader(io.StringIO(text), delimiter="," if file.suffix == ".csv" else "\t"))
        told = io.StringIO()
        out = csv.writer(
            told, delimiter="," if file.suffix == ".csv" else "\t", lineterminator="\n"
        )
        out.writerows(
            [[*row, key if not number else str(value)] for number, row in enumerate(rows)]
        )
        return told.getvalue(), False
    lines = (
        [json.loads(line) for line in text.splitlines()]
        if file.suffix == ".jsonl"
        else [json.loads(text)]
    )
    place = draw(st.sampled_from(list(objects(lines))))
    if key in place:
        key += " 2"
    place[key] = value
    is_trained = place.get("role", "assistant") == "assistant"
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    is_done = key in TRAINED and value in ((1, True) if is_trained else (0, False))
    return text, is_done or (key in TOOLS and value is False)


def made_of(name: str, folder: Path, out: Path) -> tuple[set[str], str]:
    """The keys that are told, and the rows that are trained and validated on."""
    source = "klue_nli" if name == "klue_nli" else name
    manifest = convert([Entry(source, kodata.SOURCES[source].FORMS[0], folder)], out, seed=1)
    told = {key for entry in manifest["entries"] for key in entry["not_read"]}
    return told, "".join(
        (out / f"{side}.jsonl").read_text("utf-8") for side in ("train", "validation")
    )


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A copy of each source's data."""
    made = {}
    for name, (folder, _) in FILES.items():
        made[name] = tmp_path_factory.mktemp(name)
        for file in folder.rglob("*"):
            if file.is_file() and (name != "klue_nli" or file.suffix == ".json"):
                target = made[name] / file.relative_to(folder)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(file.read_bytes())
    train = made["klue_nli"] / "train.json"
    few = json.loads(train.read_text("utf-8"))[:60]
    train.with_name("klue-nli-v1.1_train.json").write_text(
        json.dumps(few, ensure_ascii=False), encoding="utf-8"
    )
    train.unlink()
    return made


@pytest.mark.parametrize("name", FILES)
@settings(max_examples=60, deadline=None)
@given(
    key=st.sampled_from(NAMES) | st.text(st.characters(codec="utf-8"), max_size=8),
    value=st.sampled_from(VALUES),
    data=st.data(),
)
def test_a_key_more_is_used_told_or_refused(
    name: str,
    key: str,
    value: Any,
    data: Any,
    folders: dict[str, Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder, file = FILES[name]
    own = folders[name]
    changing = own / (
        "klue-nli-v1.1_train.json" if name == "klue_nli" else file.relative_to(folder)
    )
    key = (
        "".join(character for character in key if character.isprintable())
        if file.suffix in (".csv", ".txt")
        else key
    )
    out = tmp_path_factory.mktemp("out")
    original = changing.read_bytes()
    told_before, before = made_of(name, own, out)
    try:
        text, says_what_is_done = changed(changing, key, value, data.draw)
        changing.write_text(text, encoding="utf-8")
        told, after = made_of(name, own, out)
    except DataError as refused:
        assert str(changing) in str(refused) or name in str(refused)
        return
    finally:
        changing.write_bytes(original)
    assert told - told_before or after != before or says_what_is_done, (key, value)


def test_files_that_no_reader_opens_are_named(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    for file in (SAMPLES / "chat").glob("*.jsonl"):
        (data / file.name).write_bytes(file.read_bytes())
    (data / "more.csv").write_text("a,b\n")
    (data / ".hidden").write_text("x")
    (data / "older").mkdir()
    (data / "older" / "train.jsonl").write_text("{}\n")
    entry = convert([Entry("chat", "chat", data)], tmp_path / "out", seed=1)["entries"][0]
    assert entry["unread_files"] == ["more.csv", "older/train.jsonl"]


def test_members_of_a_zip_that_no_reader_opens_are_named(tmp_path: Path) -> None:
    data = tmp_path / "data"
    for file in (SAMPLES / "aihub_dialogue").rglob("*.json"):
        side = "Validation" if "Validation" in str(file) else "Training"
        data.mkdir(exist_ok=True)
        with zipfile.ZipFile(data / f"{side}.zip", "a") as archive:
            archive.write(file, f"{side}/{file.name}")
            archive.writestr(f"{side}/원문.txt", "말")
            archive.writestr("__MACOSX/._x.txt", "x")
    (data / "안내.pdf").write_bytes(b"%PDF")
    entry = convert([Entry("aihub_dialogue", "next", data)], tmp_path / "out", seed=1)["entries"][0]
    assert entry["unread_files"] == [
        "Training.zip/Training/원문.txt",
        "Validation.zip/Validation/원문.txt",
        "안내.pdf",
    ]


def test_a_key_of_which_nothing_is_known_is_looked_into() -> None:
    unread = Unread()
    unread.count_row({"name": "x", "more": {"a": 1}}, known("name", more=known()))
    unread.count_row({"name": "x", "whole": {"a": 1}}, known("name", "whole"))
    assert [*unread.results()] == [("more.a", 1)]


def test_shipped_data_have_nothing_that_is_not_read(tmp_path: Path) -> None:
    entry = convert([Entry("nli_sample", "label")], tmp_path, seed=1)["entries"][0]
    assert (entry["not_read"], entry["unread_files"]) == ({}, [])


def test_names_of_keys_are_told_on_one_line_and_up_to_a_number(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    odd = [
        "x\nerror: paste your token",
        "k" * 3_000_000,
        *(f"key {number}" for number in range(1_500)),
    ]
    rows = [{"prompt": f"질문 {number}", "answer": "네", key: 1} for number, key in enumerate(odd)]
    (data / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    out = tmp_path / "out"
    told = convert([Entry("chat", "chat", data)], out, seed=1)["entries"][0]["not_read"]
    assert len(told) <= 2 * 1_001 and all(len(key) < 100 and "\n" not in key for key in told)
    assert sum(told.values()) > 1_000 and (out / "manifest.json").stat().st_size < 200_000


@pytest.mark.parametrize(
    ("value", "has_some"),
    [
        ("종\u0007소리", True),
        ("줄\r\n끝\t과 칸", False),
        ({"a": "가", "b": 3, "c": [{"d": "\x00"}]}, True),
        ({"a": "가", "b": [1, None, {"c": "나\n"}]}, False),
        (["가", "\x9b"], True),
        (nested("\x9b", 100_000), True),
        ({"a": nested("가", 100_000)}, False),
        (3, False),
    ],
)
def test_control_characters_are_seen_wherever_they_stand(value: object, has_some: bool) -> None:
    assert has_unwanted(value) is has_some


def test_a_key_is_told_however_deep_it_is_nested() -> None:
    unread = Unread()
    unread.count_row(
        {"a": nested({"b": 1}, 2_000), "c": nested("\x07", 2_000)}, known(a=known("x"))
    )
    assert [*unread.results()] == [
        NotRead("a" + "[]" * 39 + "[...", 1),
        NotRead("c", 1),
        Rewritten(CONTROLS, 1),
    ]


def test_names_may_depend_on_what_stands_beside_them() -> None:
    names = known(turns=lambda turn: known("who", "mark") if turn["who"] == "a" else known("who"))
    assert [*others({"turns": [{"who": "a", "mark": 1}, {"who": "b", "mark": 1}]}, names)] == [
        "turns[].mark"
    ]


CELLS = st.sampled_from(
    ["가", "나\n", "\x07", "", None, 3, True, ["\x00"], {"b": "\x01"}, [{"c": 1}]]
)
ROWS = st.lists(
    st.dictionaries(st.sampled_from(["a", "b", "c", "d"]), CELLS, max_size=4), max_size=40
)
BY_ROW = {
    "flat": known("a", "b"),
    "nested": known("a", c=known("c")),
    "shortened": KnownOfPartialRows(
        known("a", "b", "c", "d"), lambda row: ["cut"] if "d" in row else []
    ),
    "by the row's keys": lambda row: known("a", "b", "c") if "b" in row else known("a"),
}


@pytest.mark.parametrize("names", BY_ROW.values(), ids=BY_ROW)
@given(rows=ROWS)
def test_a_look_at_many_rows_tells_what_looks_at_each_tell(
    names: Any, rows: list[dict[str, Any]]
) -> None:
    together, single = Unread(), Unread()
    for begin in range(0, len(rows), 8):
        together.count_rows(rows[begin : begin + 8], names)
    for row in rows:
        single.count_row(row, names(row) if callable(names) else names)
    assert [*together.results()] == [*single.results()]
