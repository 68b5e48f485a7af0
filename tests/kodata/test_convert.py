"""Converting data sets: the two sides never share a premise, the bytes are the same every time,
nothing is half-written."""

import gc
import json
import os
import random
import sys
from collections import Counter
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kodata import SOURCES, klue_nli
from kodata.card import Record, TrainingRow
from kodata.control_text import records_of
from kodata.errors import DataError
from kodata.prepare import output
from kodata.prepare.convert import convert, fingerprint
from kodata.prepare.entries import Entry, location_of
from kodata.prepare.output import doc_of
from kodata.reading.files import sha256
from tests.written import LABELS, Item, klue, reviews


def put(folder: Path, premises: list[str]) -> Path:
    """A train file with one row for each premise given."""
    return klue(
        folder,
        [Item(premise, f"가설 {number}", number % 3) for number, premise in enumerate(premises)],
    )


def made(folder: Path, side: str) -> list[dict[str, Any]]:
    with (folder / f"{side}.jsonl").open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """300 rows: 100 premises with three hypotheses each."""
    return put(tmp_path / "data", [f"전제 {number // 3}" for number in range(300)])


def test_a_row_holds_the_chat_its_origin_and_the_record(data: Path, tmp_path: Path) -> None:
    convert([Entry("klue_nli", path=data)], tmp_path / "out", seed=1)
    record = {
        "guid": "g0",
        "source": "s",
        "premise": "전제 0",
        "hypothesis": "가설 0",
        "label": "entailment",
    }
    row = next(
        row for side in output.SPLITS for row in made(tmp_path / "out", side) if row["guid"] == "g0"
    )
    assert {**row, "doc": doc_of(row)} == {
        "messages": klue_nli.messages(record, "label"),
        "guid": "g0",
        "source": "klue_nli",
        "form": "label",
        "doc": record,
    }


def test_every_row_stands_on_one_side_in_file_order_and_the_manifest_counts_them(
    data: Path, tmp_path: Path
) -> None:
    manifest = convert([Entry("klue_nli", path=data)], tmp_path / "out", seed=1)
    sides = {side: [row["guid"] for row in made(tmp_path / "out", side)] for side in output.SPLITS}
    assert sorted(chain(*sides.values())) == sorted(f"g{number}" for number in range(300))
    assert all(guids == sorted(guids, key=lambda guid: int(guid[1:])) for guids in sides.values())
    assert manifest == json.loads((tmp_path / "out" / "manifest.json").read_text(encoding="utf-8"))
    assert (
        manifest["rows"]
        == manifest["entries"][0]["kept"]
        == {side: len(guids) for side, guids in sides.items()}
    )
    assert 1 <= len(sides["validation"]) <= 40
    assert manifest["entries"][0]["labels"]["train"] == Counter(
        doc_of(row)["label"] for row in made(tmp_path / "out", "train")
    )
    assert manifest["entries"][0]["files"][0]["sha256"] == sha256(data / "klue-nli-v1.1_train.json")


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.sampled_from([f"전제 {n}" for n in range(60)]), min_size=20, max_size=200),
    st.integers(0, 9),
)
def test_no_premise_stands_on_both_sides(
    tmp_path_factory: pytest.TempPathFactory, premises: list[str], seed: int
) -> None:
    folder = tmp_path_factory.mktemp("split")
    try:
        convert([Entry("klue_nli", path=put(folder, premises))], folder / "out", seed)
    except DataError as error:
        assert "too few rows" in str(error)  # by chance all premises fall on one side
        return
    train, validation = (
        {doc_of(row)["premise"] for row in made(folder / "out", side)} for side in output.SPLITS
    )
    assert not train & validation
    assert train | validation == set(premises)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_another_cut(
    data: Path, tmp_path: Path
) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        convert([Entry("klue_nli", path=data)], tmp_path / name, seed)
    for file in ("train.jsonl", "validation.jsonl", "manifest.json"):
        first, second, other = ((tmp_path / name / file).read_bytes() for name in "abc")
        assert first == second != other


def test_the_side_of_a_premise_depends_on_neither_order_form_nor_other_rows(
    data: Path, tmp_path: Path
) -> None:
    premises = [f"전제 {number}" for number in range(100)]
    random.Random(0).shuffle(premises)
    convert([Entry("klue_nli", path=data)], tmp_path / "a", seed=1)
    convert(
        [Entry("klue_nli", "write", path=put(tmp_path / "other", premises))], tmp_path / "b", seed=1
    )
    a, b = (
        {doc_of(row)["premise"] for row in made(tmp_path / name, "validation")} for name in "ab"
    )
    assert a == b


def test_a_smaller_sample_is_the_beginning_of_a_larger_one_on_the_same_validation_rows(
    data: Path, tmp_path: Path
) -> None:
    for samples in (10, 50):
        manifest = convert(
            [Entry("klue_nli", path=data, samples=samples)], tmp_path / str(samples), seed=1
        )
        assert manifest["rows"]["train"] == samples
        entry = manifest["entries"][0]
        assert (
            entry["read"]["train"] == sum(entry["kept"].values()) + entry["dropped"]["not sampled"]
        )
    assert made(tmp_path / "10", "train") == made(tmp_path / "50", "train")[:10]
    assert made(tmp_path / "10", "validation") == made(tmp_path / "50", "validation")
    # Not just the first rows.
    assert len({doc_of(row)["premise"] for row in made(tmp_path / "10", "train")}) > 5


def test_a_source_with_a_validation_split_keeps_it(tmp_path: Path) -> None:
    manifest = convert([Entry("nli_sample")], tmp_path, seed=1, validation_rows=1_000)
    assert manifest["rows"] == {"train": 2_412, "validation": 306}
    assert [file["file"] for file in manifest["entries"][0]["files"]] == [
        "train.json",
        "validation.json",
    ]


def test_several_entries_come_one_after_the_other(data: Path, tmp_path: Path) -> None:
    entries = [Entry("klue_nli", form, data, samples=20) for form in klue_nli.FORMS]
    manifest = convert(entries, tmp_path / "out", seed=1)
    assert [row["form"] for row in made(tmp_path / "out", "train")] == ["label"] * 20 + [
        "write"
    ] * 20
    assert [entry["form"] for entry in manifest["entries"]] == ["label", "write"]


def test_rows_with_an_empty_field_are_dropped_and_counted(tmp_path: Path) -> None:
    data = put(tmp_path / "data", [f"전제 {number}" for number in range(100)] + [" ", ""])
    entry = convert([Entry("klue_nli", path=data)], tmp_path / "out", seed=1)["entries"][0]
    assert entry["dropped"] == {"empty field": 2}
    assert (entry["read"]["train"], sum(entry["kept"].values())) == (102, 100)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (Entry("klue_nil"), "unknown source 'klue_nil'; did you mean klue_nli"),
        (Entry("klue_nli", "labels"), "unknown form 'labels'; did you mean label"),
        (Entry("klue_nli", path="nowhere"), "nowhere: no such folder"),
        (Entry("nli_sample", samples=0), "samples is 0"),
        (
            Entry("nli_sample", samples=3_000),
            "samples is 3,000, but there are only 2,412 train rows",
        ),
    ],
)
def test_a_mistake_is_one_message_and_nothing_is_left_behind(
    tmp_path: Path, entry: Entry, words: str
) -> None:
    with pytest.raises(DataError, match=words):
        convert([Entry("nli_sample"), entry], tmp_path, seed=1)
    assert list(tmp_path.iterdir()) == []


def test_a_fault_in_the_middle_leaves_the_earlier_files_as_they_were(
    data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    convert([Entry("klue_nli", path=data)], out, seed=1)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    file = data / "klue-nli-v1.1_train.json"
    file.write_bytes(file.read_bytes()[:-40])
    with pytest.raises(DataError, match="cut short"):
        convert([Entry("klue_nli", path=data)], out, seed=2)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_data_that_leaves_one_side_empty_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="too few rows"):
        convert(
            [Entry("klue_nli", path=put(tmp_path / "data", ["전제"] * 9))], tmp_path / "out", seed=1
        )


def test_a_small_set_has_one_group_to_validate_on_where_its_draws_alone_would_give_none(
    tmp_path: Path,
) -> None:
    folder = put(tmp_path / "data", [f"전제 {number // 3}" for number in range(12)])
    for seed in range(20):
        assert convert([Entry("klue_nli", path=folder)], tmp_path / "out", seed)["rows"] == {
            "train": 9,
            "validation": 3,
        }


def test_a_small_set_beside_a_larger_one_does_not_widen_the_cut_of_that(
    data: Path, tmp_path: Path
) -> None:
    small = reviews(
        tmp_path / "small", [Item(f"감상 {number}", "", number % 2) for number in range(4)]
    )
    alone, both = (
        [Entry("klue_nli", path=data)],
        [Entry("klue_nli", path=data), Entry("nsmc", path=small)],
    )
    for seed in range(5):
        first, second = (convert(entries, tmp_path / "out", seed) for entries in (alone, both))
        assert (
            second["entries"][0]["kept"]["validation"] <= first["entries"][0]["kept"]["validation"]
        )
        assert second["rows"]["validation"] > 0


def rows_of(folder: Path, *rows: tuple[str, str, str]) -> Path:
    """A chat set with one line for each guid, prompt and answer; and enough others for a validation
    side."""
    folder.mkdir(parents=True)
    others = [(f"o{number}", f"질문 {number}", "답") for number in range(100)]
    lines = [
        json.dumps({"guid": g, "prompt": p, "answer": a, "group": p})
        for g, p, a in [*rows, *others]
    ]
    (folder / "train.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return folder


def premises_with_labels(folder: Path, labels: str) -> Path:
    """The same premise and hypothesis again and again, with these labels, after 300 other rows."""
    put(folder, [f"전제 {number // 3}" for number in range(300)])
    file = folder / "klue-nli-v1.1_train.json"
    again = {"genre": "s", "premise": "또 나온다.", "hypothesis": "가설"}
    rows = json.loads(file.read_text("utf-8"))
    rows += [
        {"guid": f"d{n}", **again, "gold_label": LABELS[int(label)]}
        for n, label in enumerate(labels)
    ]
    file.write_text(json.dumps(rows), encoding="utf-8")
    return folder


def test_a_pair_again_is_dropped_as_a_duplicate_or_for_its_other_label_and_the_first_stays(
    tmp_path: Path,
) -> None:
    folder = premises_with_labels(tmp_path / "data", "10212")
    manifest = convert([Entry("klue_nli", path=folder)], tmp_path / "out", seed=1)
    assert manifest["entries"][0]["dropped"] == {"label conflict": 3, "duplicate": 1}
    kept = [
        row
        for side in output.SPLITS
        for row in made(tmp_path / "out", side)
        if row["guid"].startswith("d")
    ]
    assert [(row["guid"], doc_of(row)["label"]) for row in kept] == [("d0", LABELS[1])]


def test_of_a_written_answer_there_may_be_several(tmp_path: Path) -> None:
    folder = premises_with_labels(tmp_path / "data", "111")
    rows = json.loads((folder / "klue-nli-v1.1_train.json").read_text("utf-8"))
    rows[-1]["hypothesis"] = "다른 가설"
    (folder / "klue-nli-v1.1_train.json").write_text(json.dumps(rows), encoding="utf-8")
    manifest = convert([Entry("klue_nli", "write", folder)], tmp_path / "out", seed=1)
    assert manifest["entries"][0]["dropped"] == {"duplicate": 1}


def test_an_oversized_example_is_dropped_and_control_characters_are_taken_out(
    tmp_path: Path,
) -> None:
    folder = rows_of(
        tmp_path / "data",
        ("long", "가" * 100_001, "답"),
        ("controls", "\x00가\x07 나\r\n다\x7f", "답"),
    )
    manifest = convert([Entry("chat", "chat", folder)], tmp_path / "out", seed=1)
    assert manifest["entries"][0]["dropped"] == {"oversized": 1}
    rows = [
        row
        for side in output.SPLITS
        for row in made(tmp_path / "out", side)
        if row["guid"] == "controls"
    ]
    assert [turn["content"] for turn in rows[0]["messages"]] == ["가 나\n다", "답"]


@pytest.mark.parametrize(
    ("weight", "low", "high"), [(3.0, 3.0, 3.0), (0.5, 0.4, 0.6), (1.5, 1.4, 1.6)]
)
def test_a_weight_repeats_a_sources_rows_or_takes_a_share_of_them(
    data: Path, tmp_path: Path, weight: float, low: float, high: float
) -> None:
    plain = convert([Entry("klue_nli", path=data)], tmp_path / "plain", seed=1)["rows"]
    heavy = convert(
        [Entry("klue_nli", path=data, weight=weight), Entry("nli_sample")], tmp_path / "out", seed=1
    )
    rows = heavy["entries"][0]["kept"]
    assert rows["validation"] == plain["validation"]
    assert low <= rows["train"] / plain["train"] <= high
    convert(
        [Entry("klue_nli", path=data, weight=weight), Entry("nli_sample")],
        tmp_path / "again",
        seed=1,
    )
    assert (tmp_path / "again" / "train.jsonl").read_bytes() == (
        tmp_path / "out" / "train.jsonl"
    ).read_bytes()


@given(st.text(), st.text())
def test_lines_are_the_same_bytes_with_and_without_orjson(first: str, second: str) -> None:
    pytest.importorskip("orjson")
    every = "".join(map(chr, range(0x300))) + "\u2028\u2029\ufeff가😀"
    row: Any = {"messages": [{"content": first + every}], second: {"n": None, "가": second}}
    sly: Any = {"messages": [{"content": '"}},{"messages":'}], "form": '},{"messages":'}
    inner: Any = {"messages": [{}, {"messages": second}]}
    record = {"guid": first + every, second or "text": second}
    likes = {"guid": '"},{"guid":', "text": '},{\\"guid\\":"}'}
    turns = {"guid": "1", "messages": [{}, {"guid": second}]}
    other = {"text": second, "guid": first}  # a record of a source that begins otherwise
    lists: tuple[list[tuple[TrainingRow, Record]], ...] = (
        [],
        [(row, record)],
        [(row, likes), (sly, record), (row, record)],
        [(sly, turns), (inner, likes), (row, likes)],
        [(row, other)],
        [(row, other), (row, record)],
    )
    for rows in lists:
        with pytest.MonkeyPatch.context() as patch:
            fast = output.writer()(rows)
            patch.setitem(sys.modules, "orjson", None)
            assert output.writer()(rows) == fast
        found = [*map(json.loads, fast.decode().split("\n")[:-1])]
        assert [json.loads(each.pop("doc")) for each in found] == [record for _, record in rows]
        assert found == [row for row, _ in rows]


def test_the_fingerprint_changes_with_the_files_and_asks_no_network(data: Path) -> None:
    entry = Entry("klue_nli", path=data)
    before = fingerprint(location_of(entry))
    assert fingerprint(location_of(Entry("klue_nli", "write", data, samples=5))) == before
    train = data / "klue-nli-v1.1_train.json"
    os.utime(train, (1, 1))
    assert fingerprint(location_of(entry)) == before
    train.write_text(train.read_text(encoding="utf-8") + " ", encoding="utf-8")
    assert fingerprint(location_of(entry)) != before
    assert fingerprint(location_of(Entry("klue_nli"))) == f"klue/klue@{klue_nli.CARD.revision}"


def test_validation_has_at_most_its_rows_and_what_it_does_not_need_is_counted(
    tmp_path: Path,
) -> None:
    manifest = convert([Entry("nli_sample")], tmp_path / "a", seed=1)
    assert manifest["rows"] == {"train": 2_412, "validation": 250}
    assert manifest["entries"][0]["dropped"] == {"not needed for validation": 56}
    rows = [
        json.loads(line)["guid"]
        for line in (tmp_path / "a" / "validation.jsonl").read_text("utf-8").splitlines()
    ]
    every = [record["guid"] for record in records_of(SOURCES["nli_sample"].read("validation"))]
    assert rows == [guid for guid in every if guid in set(rows)]  # in file order
    convert([Entry("nli_sample", samples=100)], tmp_path / "b", seed=1)
    assert (tmp_path / "a" / "validation.jsonl").read_bytes() == (
        tmp_path / "b" / "validation.jsonl"
    ).read_bytes()


def test_every_entry_has_its_part_of_the_validation_rows_and_at_least_one_group(
    data: Path, tmp_path: Path
) -> None:
    """The share of a large set is small, so that a small one beside it may have no group below
    it."""
    small = tmp_path / "chat"
    small.mkdir()
    lines = (json.dumps({"prompt": f"질문 {n}", "answer": "네"}) + "\n" for n in range(12))
    (small / "train.jsonl").write_text("".join(lines), encoding="utf-8")
    large = tmp_path / "nsmc"
    large.mkdir()
    rows = (f"{n}\t영화 {n}번을 어제 극장에서 친구와 같이 봤다.\t{n % 2}\n" for n in range(30_000))
    (large / "ratings_train.txt").write_text(
        "id\tdocument\tlabel\n" + "".join(rows), encoding="utf-8"
    )
    entries = [
        Entry("nsmc", path=large),
        Entry("chat", "chat", small),
        Entry("klue_nli", path=data),
    ]
    for seed in range(4):
        kept = [
            part["kept"]["validation"]
            for part in convert(entries, tmp_path / "out", seed=seed)["entries"]
        ]
        assert all(1 <= rows <= 250 // 3 for rows in kept), kept


def test_the_group_that_a_small_set_gives_is_one_that_is_left(tmp_path: Path) -> None:
    """Not one whose rows are too long, emptied, or leaks: then a set had nothing to validate on."""
    spoiled = {"answer": "아" * 100_000}, {"answer": "<|eot_id|>"}
    for at, change in enumerate(spoiled):
        for lost in range(6):
            data = tmp_path / f"{at} {lost}"
            data.mkdir()
            rows = [
                {"prompt": f"질문 {n}", "answer": "네", **(change if n == lost else {})}
                for n in range(6)
            ]
            (data / "train.jsonl").write_text(
                "".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8"
            )
            manifest = convert([Entry("chat", "chat", data)], tmp_path / "out", seed=1)
            assert manifest["rows"] == {"train": 4, "validation": 1}


def test_what_one_source_validates_on_is_trained_on_by_none(tmp_path: Path) -> None:
    chats, films = tmp_path / "chat", tmp_path / "nsmc"
    for folder in (chats, films):
        folder.mkdir()
    (chats / "train.jsonl").write_text('{"prompt": "처음", "answer": "네"}\n', encoding="utf-8")
    (chats / "validation.jsonl").write_text(
        '{"prompt": "바다가 좋다", "answer": "네"}\n', encoding="utf-8"
    )
    rows = "".join(
        f"{n}\t{text}\t{n % 2}\n"
        for n, text in enumerate(["바다가  좋다", "산이 좋다", "강이 좋다"])
    )
    (films / "ratings_train.txt").write_text("id\tdocument\tlabel\n" + rows, encoding="utf-8")
    manifest = convert(
        [Entry("chat", "chat", chats), Entry("nsmc", path=films)], tmp_path / "out", seed=1
    )
    assert manifest["entries"][1]["dropped"] == {"its group is in the validation part": 1}


def test_a_group_of_two_sources_is_on_one_side_though_one_of_them_names_it(tmp_path: Path) -> None:
    """The lowest group of a small set is named where the share of a large one is below it."""
    text = "영화 {}번을 어제 극장에서 친구와 같이 봤다."
    for name, numbers in (("large", range(30_000)), ("small", range(20))):
        (tmp_path / name).mkdir()
        rows = "".join(f"{n}\t{text.format(n)}\t{n % 2}\n" for n in numbers)
        (tmp_path / name / "ratings_train.txt").write_text(
            "id\tdocument\tlabel\n" + rows, encoding="utf-8"
        )
    for seed in range(3):
        convert(
            [Entry("nsmc", path=tmp_path / name) for name in ("large", "small")],
            tmp_path / "out",
            seed=seed,
        )
        train, validation = (
            {doc_of(row)["document"] for row in made(tmp_path / "out", side)}
            for side in output.SPLITS
        )
        assert validation and not train & validation


def test_the_real_train_file_gives_few_of_its_premises_to_validation(
    real_klue: Path, tmp_path: Path
) -> None:
    manifest = convert([Entry("klue_nli", path=real_klue)], tmp_path, seed=42)
    train, validation = (
        {doc_of(row)["premise"] for row in made(tmp_path, side)} for side in output.SPLITS
    )
    assert not train & validation
    assert len(train | validation) == 8_387
    dropped = manifest["entries"][0]["dropped"]
    assert dropped.pop("duplicate") == 2  # as the card says
    assert sum(manifest["rows"].values()) + sum(dropped.values()) == 24_998 - 2
    assert dropped.keys() <= {"not needed for validation"} and sum(dropped.values()) < 80
    assert 150 < manifest["rows"]["validation"] <= 250


def test_the_search_for_circles_goes_on_afterwards(tmp_path: Path) -> None:
    convert([Entry("nli_sample")], tmp_path / "a", seed=1)
    assert gc.isenabled()
    with pytest.raises(DataError):
        convert([Entry("nli_sample", samples=10**6)], tmp_path / "b", seed=1)
    assert gc.isenabled()
