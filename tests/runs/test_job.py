"""What of a recipe is scored, and how the data of each task are read."""

import json
from pathlib import Path

import pytest

from kodata.errors import DataError
from kotune.errors import RecipeError
from kotune.recipe import reading
from kotune.runs.folder import Run
from kotune.runs.job import Job
from kotune.runs.manifest import NotScored
from kotune.runs.task_data import TaskData
from tests.conftest import write_recipe


def job(folder: Path, groups: int, more: str = "") -> Job:
    """A run on so many chats of one turn each."""
    data = folder / "chats"
    data.mkdir(parents=True)
    rows = (
        json.dumps({"prompt": f"질문 {n}", "answer": f"대답 {n}"}, ensure_ascii=False) + "\n"
        for n in range(groups)
    )
    (data / "train.jsonl").write_text("".join(rows), encoding="utf-8")
    text = f"model: quickstart-llama\ndata:\n  - source: chat\n    path: {data}\n{more}"
    return Job(reading.load(write_recipe(folder, text)), Run(folder / "run"), "cpu", None)


def test_chats_without_a_test_part_are_scored_on_a_part_that_is_kept(tmp_path: Path) -> None:
    found = job(tmp_path, 80, "    system: merge\n    test_share: 0.25\n")
    assert found.tasks == {"chat_ko": TaskData((tmp_path / "chats").resolve(), 0.25, True)}
    assert found.trained_tasks() == ["chat_ko"] and not found.not_scored
    manifest = found.prepare()
    assert manifest.scored["chat_ko"].test_share == 0.25 and manifest.not_scored == {}
    assert sum(manifest.rows.both()) == 60
    assert (
        TaskData.from_json(json.loads(json.dumps(found.tasks, default=str))["chat_ko"])
        == found.tasks["chat_ko"]
    )


@pytest.mark.parametrize(
    ("groups", "more", "told"), [(59, "", 59), (80, "    test_share: 0\n", None)]
)
def test_what_cannot_be_scored_is_trained_on_whole_and_recorded(
    tmp_path: Path, groups: int, more: str, told: int | None
) -> None:
    found = job(tmp_path, groups, more + "tasks: [chat_ko, nli_sample_ko]\n")
    assert list(found.tasks) == ["nli_sample_ko"] and found.not_scored == {"chat_ko": told}
    manifest = found.prepare()
    assert manifest.not_scored == {"chat_ko": NotScored(groups=told, needed=60)}
    assert list(manifest.scored) == ["nli_sample_ko"] and sum(manifest.rows.both()) == groups


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("test_share: 1.0", "data.0.test_share: "),
        ("test_share: -0.1", "data.0.test_share: "),
        ("test_share: 10%", "data.0.test_share: "),
        ("test_share: true", "data.0.test_share: "),
    ],
)
def test_a_share_that_is_none_is_refused(tmp_path: Path, key: str, words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        job(tmp_path, 1, f"    {key}\n")


def test_a_share_of_a_source_with_a_test_part_is_refused(tmp_path: Path) -> None:
    text = "model: quickstart-llama\ndata:\n  - {source: nli_sample, test_share: 0.1}\n"
    with pytest.raises(
        RecipeError,
        match=r"data\.0\.test_share: nli_sample has a test part of its own; leave it out",
    ):
        reading.load(write_recipe(tmp_path, text))


@pytest.mark.parametrize("value", ["0", "-1", "2.5", "100_001", "all"])
def test_validation_rows_that_are_no_number_of_rows_are_refused(tmp_path: Path, value: str) -> None:
    text = f"model: quickstart-llama\ndata: [{{source: nli_sample}}]\nvalidation_rows: {value}\n"
    with pytest.raises(RecipeError, match="validation_rows: "):
        reading.load(write_recipe(tmp_path, text))


def test_validation_rows_are_enough_for_every_entry(tmp_path: Path) -> None:
    entries = "[{source: nli_sample}, {source: klue_nli}]"
    with pytest.raises(
        RecipeError, match=r"validation_rows: 1 rows for 2 data entries, .* set 2 or more"
    ):
        reading.load(
            write_recipe(
                tmp_path, f"model: quickstart-llama\ndata: {entries}\nvalidation_rows: 1\n"
            )
        )
    assert reading.load(
        write_recipe(tmp_path, f"model: quickstart-llama\ndata: {entries}\nvalidation_rows: 2\n")
    )


def test_a_share_beside_chats_for_test_is_told_where_the_data_are_read(tmp_path: Path) -> None:
    found = job(tmp_path, 80, "    test_share: 0.25\n")
    (tmp_path / "chats" / "test.jsonl").write_text(
        '{"prompt": "시험", "answer": "네"}\n', encoding="utf-8"
    )
    with pytest.raises(DataError, match="test_share, but there are chats for test; leave it out"):
        found.prepare()
