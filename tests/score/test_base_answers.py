"""Base answers are taken over from a run beside this one only where the same base model was asked the same."""

import shutil
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from kotune.runs.folder import Run, read_json, write_json, write_text
from kotune.score import base_answers
from kotune.score.samples import note_path, samples_path
from kotune.score.scoring import _done
from tests.finished import RECORD, Made, finished

TASK = "nli_sample_ko"
ASKED = {"test": {TASK: "x"}, "tasks": {TASK: "m"}}
INPUTS = {"template": "t", "code": "c", "versions": {"torch": "2"}, "device": "cpu", "limit": None, **ASKED}


def record(inputs: dict[str, Any], **facts: Any) -> dict[str, Any]:
    """What run.json says after scoring."""
    train = {**RECORD["stages"]["train"], "inputs": {"model": "m"}}
    stages = {**RECORD["stages"], "train": train, "score": {**RECORD["stages"]["score"], "inputs": inputs}}
    return {**RECORD, "stages": stages, **facts}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A run that is trained and not scored, beside one that is finished."""
    finished(tmp_path / "other", Made(record=record(INPUTS)))
    root = tmp_path / "runs of now"
    trained = record({})
    del trained["stages"]["score"]
    write_json(root / "run.json", trained)
    return root


def taken(root: Path, inputs: dict[str, Any] = INPUTS) -> bool:
    base_answers.take_over(root, inputs)
    return note_path(root, TASK, "base").exists()


def test_the_same_base_asked_the_same_gives_its_answers_and_its_name(root: Path) -> None:
    assert taken(root)
    scores = read_json(root.parent / "other" / "scores.json")[TASK]
    note = _done(root, TASK, "base")
    assert note and note["from"] == "other" and note["n"] == scores["n"] and note["values"] == scores["base"]
    assert (
        samples_path(root, "base", TASK).read_bytes() == samples_path(root.parent / "other", "base", TASK).read_bytes()
    )


@pytest.mark.parametrize(
    "changed",
    [
        {"template": "u"},
        {"code": "d"},
        {"versions": {}},
        {"device": "cuda"},
        {"limit": 3},
        {"test": {TASK: "y"}},
        {"tasks": {TASK: "n"}},
    ],
)
def test_another_question_is_asked_anew(root: Path, changed: dict[str, Any]) -> None:
    assert not taken(root, {**INPUTS, **changed})


@pytest.mark.parametrize(
    "changed", [{"base_precision": "nf4"}, {"compute_dtype": "bfloat16"}, {"model_revision": "1" * 40}]
)
def test_another_base_model_is_asked_anew(root: Path, changed: dict[str, Any]) -> None:
    Run(root).update(**changed)
    assert not taken(root)


def test_another_tokenizer_is_asked_anew(root: Path) -> None:
    write_text(root / "model" / "tokenizer.json", "{}")
    assert not taken(root)


@pytest.mark.parametrize("name", [f"samples/base/{TASK}.jsonl", "scores.json", "run.json"])
def test_answers_that_were_edited_or_lost_are_not_taken(root: Path, name: str) -> None:
    other = root.parent / "other" / name
    other.write_text("{}")
    assert not taken(root)
    other.unlink()
    assert not taken(root)


def test_a_run_that_is_removed_meanwhile_is_no_error(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def copy(*_: object) -> None:
        raise FileNotFoundError

    monkeypatch.setattr(shutil, "copyfileobj", copy)
    assert not taken(root)
    monkeypatch.setattr(base_answers, "_model", copy)
    assert list(base_answers._finished_beside(root)) == []


def test_a_copy_that_was_cut_short_is_not_what_scoring_finds(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def copy(_: BinaryIO, to: BinaryIO) -> None:
        to.write(b"{")
        raise KeyboardInterrupt

    monkeypatch.setattr(shutil, "copyfileobj", copy)
    with pytest.raises(KeyboardInterrupt):
        taken(root)
    assert not samples_path(root, "base", TASK).exists()


def test_a_task_that_scoring_began_with_itself_is_left_to_it(root: Path) -> None:
    write_json(note_path(root, TASK, "base"), {"own": True})
    assert taken(root) and read_json(note_path(root, TASK, "base")) == {"own": True}


def test_answers_that_were_taken_over_keep_the_name_of_the_run_that_gave_them(root: Path) -> None:
    other = root.parent / "other"
    scores = read_json(other / "scores.json")
    scores[TASK]["base_from"] = "first"
    only_tuned = {"value": None, "stderr": None, "n": 0}
    scores[TASK]["base"]["thinking_tokens"] = only_tuned
    write_json(other / "scores.json", scores)
    assert taken(root)
    note = read_json(note_path(root, TASK, "base"))
    assert note["from"] == "first" and "thinking_tokens" not in note["values"]
