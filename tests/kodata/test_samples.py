"""The small sets in kodata/samples: in each source's own form, whole, and nothing of a test part in
a train part."""

import json
import re
import unicodedata
from collections import Counter
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

import kodata
from kodata import nsmc
from kodata.card import Record, Refused
from kodata.control_text import records_of
from kodata.prepare import convert
from kodata.prepare.entries import Entry, Scored, location_of
from tests.conftest import ROOT

SAMPLES = ROOT / "kodata" / "samples"
ROWS = {
    "aihub_dialogue": {"train": 16, "test": 12},
    "chat": {"train": 24, "validation": 4, "test": 16},
    "korquad": {"train": 24, "test": 40},
    "naver_news": {"train": 12, "validation": 4, "test": 12},
    "nsmc": {"train": 60, "test": 40},
}
FORMS = [(name, form) for name in ROWS for form in kodata.SOURCES[name].FORMS]


def records(name: str, split: str) -> list[Record]:
    found = list(kodata.SOURCES[name].read(split, SAMPLES / name))
    assert not [record for record in found if isinstance(record, Refused)]
    return list(records_of(found))


def sentences(text: str) -> int:
    return len(re.findall(r"다\.(?: |$)", text))


def test_every_set_is_counted_here() -> None:
    assert {path.name for path in SAMPLES.iterdir() if path.is_dir()} == set(ROWS)


@pytest.mark.parametrize("name", ROWS)
def test_a_set_has_the_rows_that_its_readme_states(name: str) -> None:
    assert {split: len(records(name, split)) for split in kodata.SOURCES[name].SPLITS} == ROWS[name]
    row = next(
        line
        for line in (SAMPLES / "README.md").read_text("utf-8").splitlines()
        if line.startswith(f"| `{name}`")
    )
    assert [int(number) for number in re.findall(r"\b\d+\b", row.split("|")[3])] == list(
        ROWS[name].values()
    )


@pytest.mark.parametrize(("name", "form"), FORMS)
def test_a_set_is_trained_on_whole_and_has_something_to_validate_on_with_any_seed(
    name: str, form: str, tmp_path: Path
) -> None:
    for seed in range(5):
        manifest = convert.convert([Entry(name, form, SAMPLES / name)], tmp_path, seed)
        assert sum(manifest["rows"].values()) == sum(
            rows for split, rows in ROWS[name].items() if split != "test"
        )
        assert (
            manifest["rows"]["train"] > 5 * manifest["rows"]["validation"]
            or "validation" in ROWS[name]
        )
        assert manifest["entries"][0]["dropped"] == {}


def test_no_training_text_stands_in_any_test_part(tmp_path: Path) -> None:
    entries = [Entry(name, kodata.SOURCES[name].FORMS[0], SAMPLES / name) for name in ROWS]
    entries.append(Entry("nli_sample"))
    tasks = {kodata.SOURCES[entry.source].CARD.task: location_of(entry) for entry in entries}
    leaks = convert.convert(entries, tmp_path, 42, Scored(tasks))["leaks"]
    # One training premise of the NLI sample differs from a test premise by the name alone.
    assert [(leak["source"], leak["kind"], leak["rows"]) for leak in leaks["found"]] == [
        ("nli_sample", "near", 3)
    ]
    assert leaks["between_tests"] == []


@pytest.mark.parametrize(
    "file", [path for path in SAMPLES.rglob("*") if path.is_file()], ids=lambda path: path.name
)
def test_a_file_is_composed_text_without_faults(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert unicodedata.is_normalized("NFC", text)
    assert text.endswith("\n") and "\r" not in text and "\ufffd" not in text


@pytest.mark.parametrize(("part", "paragraphs", "questions"), [("train", 8, 3), ("dev", 10, 4)])
def test_korquad_answers_stand_where_the_file_says(
    part: str, paragraphs: int, questions: int
) -> None:
    articles = json.loads((SAMPLES / "korquad" / f"KorQuAD_v1.0_{part}.json").read_text("utf-8"))[
        "data"
    ]
    found = [paragraph for article in articles for paragraph in article["paragraphs"]]
    assert [len(paragraph["qas"]) for paragraph in found] == [questions] * paragraphs
    for paragraph in found:
        for qa in paragraph["qas"]:
            (answer,) = qa["answers"]
            start = answer["answer_start"]
            assert paragraph["context"][start : start + len(answer["text"])] == answer["text"], qa[
                "id"
            ]


@pytest.mark.parametrize("split", ["train", "test"])
def test_reviews_are_balanced_and_quotes_are_text(split: str) -> None:
    found = records("nsmc", split)
    assert Counter(record["label"] for record in found) == dict.fromkeys(
        nsmc.LABELS, len(found) // 2
    )
    assert any('"""' in record["document"] for record in found)


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_articles_are_short_and_summaries_shorter(split: str) -> None:
    for record in records("naver_news", split):
        assert 4 <= sentences(record["document"]) <= 7, record["guid"]
        assert 1 <= sentences(record["summary"]) <= 2, record["guid"]
        assert 2 * len(record["summary"]) < len(record["document"])


@pytest.mark.parametrize("split", ["train", "test"])
def test_dialogues_have_turns_groups_and_summaries(split: str) -> None:
    found = records("aihub_dialogue", split)
    assert all(4 <= len(record["messages"]) <= 8 and record["summary"] for record in found)
    assert len({record["group"] for record in found}) == len(found)


def test_every_dialogue_of_the_test_part_has_four_turns_to_choose_from() -> None:
    spec = spec_from_file_location(
        "aihub_dialogue_ko", ROOT / "tasks" / "aihub_dialogue_ko" / "aihub_dialogue_ko.py"
    )
    assert spec and spec.loader
    spec.loader.exec_module(task := module_from_spec(spec))
    docs = task.dataset("aihub_dialogue", str(SAMPLES / "aihub_dialogue"))["test"]
    assert [len(set(doc["choices"])) for doc in docs] == [4] * 12


def test_chats_are_of_every_shape_and_some_of_several_turns() -> None:
    for split in ("train", "test"):
        rows = [
            json.loads(line)
            for line in (SAMPLES / "chat" / f"{split}.jsonl").read_text("utf-8").splitlines()
        ]
        assert {next(iter(row)) for row in rows} == {"messages", "prompt", "instruction"}
        assert any("input" in row for row in rows)
        assert max(len(record["messages"]) for record in records("chat", split)) >= 4
