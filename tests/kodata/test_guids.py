"""A guid stands once in a split of every source, and where it does not, both places are told; or
the second gets its own name, where the files are a publisher's that nobody else can mend."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kodata import SOURCES, aihub_dialogue, klue_nli, naver_news, nli_sample, records, source
from kodata.errors import DataError
from kodata.prepare.convert import convert
from kodata.prepare.entries import Entry
from tests.conftest import REAL
from tests.source_forms import (
    _hub_klue,
    _klue,
    _korquad,
    _naver,
    _nsmc,
    _question,
    _sns,
    _table,
    parquet,
)

Row = dict[str, Any]


def as_json(rows: list[Row]) -> bytes:
    return json.dumps(rows, ensure_ascii=False).encode()


def as_tsv(rows: list[Row]) -> bytes:
    return _table(rows, "\t")


MADE: dict[str, tuple[str, Callable[[int, str], Row], Callable[[list[Row]], bytes]]] = {
    "klue_nli": ("klue-nli-v1.1_train.json", _klue, as_json),
    "nli_sample": ("train.json", _klue, as_json),
    "korquad": ("KorQuAD_v1.0_train.json", _question, _korquad),
    "nsmc": ("ratings_train.txt", _nsmc, as_tsv),
}


def rows_of(make: Callable[[int, str], Row], name: str, first: int, again: int) -> list[Row]:
    """50 rows, of which the one with the number `again` is called as the one with the number
    `first` is."""
    rows = [make(number, f"{number}번째 장면은 시장이다.") for number in range(1, 51)]
    rows[again - 1][name] = rows[first - 1][name]
    return rows


@pytest.mark.parametrize(("first", "again"), [(1, 2), (3, 41), (32, 33), (49, 50)])
@pytest.mark.parametrize("kind", MADE)
def test_a_guid_that_stands_twice_in_a_split_is_refused_with_both_rows(
    kind: str, first: int, again: int, tmp_path: Path
) -> None:
    name, make, write = MADE[kind]
    field = "guid" if make is _klue else "id"
    rows = rows_of(make, field, first, again)
    (tmp_path / name).write_bytes(write(rows))
    with pytest.raises(DataError) as caught:
        list(source(kind).read("train", tmp_path))
    place, guid = tmp_path / name, rows[first - 1][field]
    message = str(caught.value)
    assert message.startswith(f"{place}: row {again} (guid {guid}): row {first} of {place} ")
    assert "same guid" in message and "copy" not in message


def test_two_copies_of_a_file_are_one_message_that_names_both(tmp_path: Path) -> None:
    rows = [_hub_klue(number, f"{number}번째 장면은 시장이다.") for number in range(1, 51)]
    one, copy = (
        tmp_path / "train-00000-of-00001.parquet",
        tmp_path / "train-00000-of-00001의 사본.parquet",
    )
    for file in (one, copy):
        file.write_bytes(parquet(rows))
    with pytest.raises(DataError) as caught:
        convert([Entry("klue_nli", "label", tmp_path)], tmp_path / "out", 1)
    message = str(caught.value)
    assert message.startswith(f"{copy}: row 1 (guid g1): row 1 of {one} has the same guid")
    assert "copy, remove it" in message
    assert not (tmp_path / "out" / "train.jsonl").exists()


def test_the_same_guid_in_two_splits_or_none_at_all_is_nothing_to_tell(tmp_path: Path) -> None:
    rows = [_klue(number, f"{number}번째 장면") for number in range(3)]
    unnamed = [{**row, "guid": ""} for row in rows]
    for name in ("train", "test"):
        (tmp_path / f"{name}.json").write_bytes(as_json([*rows, *unnamed]))
    assert [len(list(nli_sample.read(split, tmp_path))) for split in ("train", "test")] == [6, 6]


def test_guids_that_have_one_hash_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "hash", lambda text: len(text), raising=False)
    rows = [_klue(number, f"{number}번째 장면") for number in range(100, 200)]
    (tmp_path / "train.json").write_bytes(as_json(rows))
    assert len(list(nli_sample.read("train", tmp_path))) == 100
    (tmp_path / "train.json").write_bytes(as_json([*rows, rows[7]]))
    with pytest.raises(DataError, match=r"row 101 \(guid g107\): row 8 of"):
        list(nli_sample.read("train", tmp_path))


def test_articles_of_one_link_keep_apart_and_none_is_lost(tmp_path: Path) -> None:
    rows = [
        {**_naver(number, f"{number}번째 장면은 시장이다."), "link": "https://a.kr/1"}
        for number in range(3)
    ]
    for name in ("train", "validation"):
        (tmp_path / f"{name}.csv").write_bytes(_table(rows, ","))
    found = [
        record["guid"] for record in naver_news.read("train", tmp_path) if isinstance(record, dict)
    ]
    assert found == ["https://a.kr/1", "https://a.kr/1#2", "https://a.kr/1#3"]


def test_twenty_thousand_rows_of_one_name_take_no_time() -> None:
    found = list(records.with_numbered_guids({"guid": "a"} for _ in range(20_000)))
    assert len({record["guid"] for record in found if isinstance(record, dict)}) == 20_000


def test_dialogues_of_one_number_keep_apart_and_none_is_lost(tmp_path: Path) -> None:
    (tmp_path / "Training").mkdir()
    (tmp_path / "Validation").mkdir()
    rows = [
        {**_sns(1, f"{number}번째 장면"), "header": _sns(1, "")["header"]} for number in range(3)
    ]
    for part, name in (("Training", "a"), ("Training", "b"), ("Validation", "c")):
        own = [
            {
                **row,
                "body": [
                    {**line, "utterance": f"{name}: {line['utterance']}"} for line in row["body"]
                ],
            }
            for row in rows
        ]
        header = {
            "dialogueInfo": {"dialogueID": "d1" if part == "Training" else "d2", "topic": "여가"}
        }
        text = {"numberOfItems": 3, "data": [{**row, "header": header} for row in own]}
        (tmp_path / part / f"{name}.json").write_text(json.dumps(text, ensure_ascii=False))
    found = [
        record["guid"]
        for record in aihub_dialogue.read("train", tmp_path)
        if isinstance(record, dict)
    ]
    assert found == ["sns:d1", *(f"sns:d1#{number}" for number in range(2, 7))]


@pytest.mark.parametrize(
    ("name", "folder", "splits"),
    [
        ("klue_nli", "klue-nli", ("train", "test")),
        ("nsmc", "nsmc", ("train", "test")),
        ("korquad", "korquad", ("test",)),
        ("paraphrases", "parakqc", ("test",)),
    ],
)
def test_the_real_files_have_no_guid_twice(name: str, folder: str, splits: tuple[str, ...]) -> None:
    if not (REAL / folder).exists():
        pytest.skip(f"no real data: {REAL / folder}")
    for split in splits:
        found = [
            record["guid"]
            for record in SOURCES[name].read(split, REAL / folder)
            if isinstance(record, dict)
        ]
        assert len(found) == len({*found})


def test_the_shipped_sets_have_no_guid_twice() -> None:
    for name in ("nli_sample", "paraphrases", "naturalness"):
        for split in SOURCES[name].SPLITS:
            found = [
                record["guid"] for record in SOURCES[name].read(split) if isinstance(record, dict)
            ]
            assert len(found) == len({*found})


def test_what_is_read_is_what_was_read_before_one_by_one() -> None:
    (file,) = nli_sample.files("train")
    assert list(nli_sample.read("train")) == list(klue_nli.records(file))
