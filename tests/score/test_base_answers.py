"""Base answers are taken over from a run beside this one only where the same base model was asked
the same, by this user, and where the run's records agree with its files."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kotune import stages
from kotune.layout import CONFIG, SCORES, TRAIN, VALIDATION
from kotune.runs.folder import Run, read_json, sha256, write_json, write_text
from kotune.runs.job import Job
from kotune.score import base_answers
from kotune.score.samples import note_path, samples_path
from kotune.score.scoring import _done
from tests.finished import RECORD, finished

TASK = "nli_sample_ko"
ASKED = {"test": {TASK: "x"}, "tasks": {TASK: "m"}}
INPUTS = {
    "template": "t",
    "tokenizer": "k",
    "tokenizer_config": "k",
    "adapter": "k",
    "adapter_config": "k",
    "code": "c",
    "versions": {"torch": "2"},
    "device": "cpu",
    "limit": None,
    "data": "d",
    **ASKED,
}
# Changes of a run, with each of which no answer of another run may be reused.
OTHER_QUESTIONS: list[dict[str, Any]] = [
    {"template": "u"},
    {"tokenizer": "t"},
    {"tokenizer_config": "c"},
    {"tokenizer_files": {"model/added_tokens.json": "a"}},
    {"code": "d"},
    {"versions": {}},
    {"device": "cuda"},
    {"limit": 3},
    {"merge": ["chat"]},
    {"test": {TASK: "y"}},
    {"tasks": {TASK: "n"}},
]
OTHER_BASES = [
    {"base_precision": "nf4"},
    {"compute_dtype": "bfloat16"},
    {"model_revision": "1" * 40},
]
SAMPLES = f"samples/base/{TASK}.jsonl"


def sealed(folder: Path) -> None:
    """Write a made run's records anew, so that they agree with each other and with its files."""
    made = {
        "prepare": {TRAIN: "d", VALIDATION: "v"},
        "render": {CONFIG: sha256(folder / CONFIG)},
        "train": {},
    }
    made["score"] = {SCORES: sha256(folder / SCORES)}
    inputs = {"train": {"model": "m", **made["prepare"], **made["render"]}, "score": INPUTS}
    kept = {
        name: {**stage, "made": made[name], "inputs": inputs.get(name, {})}
        for name, stage in RECORD["stages"].items()
    }
    write_json(folder / "run.json", {**RECORD, "stages": kept})


def rewritten(folder: Path, **changed: Any) -> None:
    """Write what scores.json says of the task anew, with the digest of the base samples as they are
    now."""
    scores = read_json(folder / SCORES)
    sums = {**scores[TASK]["sha256"], "base": sha256(folder / SAMPLES)}
    write_json(folder / SCORES, {TASK: {**scores[TASK], "sha256": sums, **changed}})
    sealed(folder)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A run that is trained and not scored, beside one that is finished."""
    sealed(finished(tmp_path / "other"))
    root = tmp_path / "runs of now"
    trained = read_json(tmp_path / "other" / "run.json")
    del trained["stages"]["score"]
    write_json(root / "run.json", trained)
    return root


def taken(root: Path, inputs: dict[str, Any] = INPUTS) -> bool:
    base_answers.reuse(root, inputs, [TASK])
    return note_path(root, TASK, "base").exists()


def test_the_same_base_asked_the_same_gives_its_answers_and_its_name(root: Path) -> None:
    assert taken(root)
    scores = read_json(root.parent / "other" / "scores.json")[TASK]
    note = _done(root, TASK, "base")
    assert (
        note
        and note.origin == "other"
        and note.n == scores["n"]
        and note.as_json()["values"] == scores["base"]
    )
    assert (
        samples_path(root, "base", TASK).read_bytes()
        == samples_path(root.parent / "other", "base", TASK).read_bytes()
    )


@pytest.mark.parametrize("changed", OTHER_QUESTIONS)
def test_another_question_is_asked_anew(root: Path, changed: dict[str, Any]) -> None:
    assert not taken(root, {**INPUTS, **changed})


@pytest.mark.parametrize("changed", OTHER_BASES)
def test_another_base_model_is_asked_anew(root: Path, changed: dict[str, Any]) -> None:
    Run(root).update(**changed)
    assert not taken(root)


@pytest.mark.parametrize("file", ["tokenizer.json", "tokenizer_config.json", "adapter_config.json"])
def test_a_run_whose_model_was_edited_is_not_taken_from(root: Path, file: str) -> None:
    write_text(root.parent / "other" / "model" / file, "{}")
    assert not taken(root)


def test_whatever_scoring_depends_on_is_compared_or_is_of_the_adapter(root: Path) -> None:
    recipe: Any = SimpleNamespace(data=(), data_path={}, tasks=(), leaks="drop", few_shot=None)
    job = Job(recipe, Run(root), "cpu", None)
    known = {*base_answers.BASE_INPUTS, *base_answers.PER_TASK, *base_answers.OTHER_INPUTS}
    assert stages.inputs(job, "score").keys() == known


@pytest.mark.parametrize("name", [SAMPLES, "scores.json", "run.json"])
def test_answers_that_were_edited_or_lost_are_not_taken(root: Path, name: str) -> None:
    other = root.parent / "other" / name
    other.write_text("{}")
    assert not taken(root)
    other.unlink()
    assert not taken(root)


def forged_samples(other: Path) -> None:
    path = other / SAMPLES
    path.write_text(path.read_text("utf-8").replace('"acc": 1.0', '"acc": 0.0'), "utf-8")


def forged_samples_and_digest(other: Path) -> None:
    record = (other / "run.json").read_bytes()
    forged_samples(other)
    rewritten(other)
    (other / "run.json").write_bytes(record)


def forged_scores(other: Path) -> None:
    record = (other / "run.json").read_bytes()
    rewritten(other, n=1)
    (other / "run.json").write_bytes(record)


def no_digest_of_scores(other: Path) -> None:
    record = read_json(other / "run.json")
    record["stages"]["score"]["made"] = {}
    write_json(other / "run.json", record)


def other_data(other: Path) -> None:
    record = read_json(other / "run.json")
    record["stages"]["prepare"]["made"][TRAIN] = "other"
    write_json(other / "run.json", record)


def other_adapter(other: Path) -> None:
    write_text(other / "model" / "adapter_model.safetensors", "other")


def link_of_run(other: Path) -> None:
    other.rename(other.with_name("elsewhere"))
    other.symlink_to(other.with_name("elsewhere"))
    (other.with_name("elsewhere") / "run.json").rename(other.parent / "run.json")
    (other / "run.json").symlink_to(other.parent / "run.json")


def link_of_samples(other: Path) -> None:
    (other / SAMPLES).rename(other.parent / "samples")
    (other / SAMPLES).symlink_to(other.parent / "samples")


def open_to_all(other: Path) -> None:
    (other / SCORES).chmod(0o666)


def pipe(other: Path) -> None:
    (other / SAMPLES).unlink()
    os.mkfifo(other / SAMPLES)


@pytest.mark.parametrize(
    ("forge", "told"),
    [
        (forged_samples, "changed since it was scored"),
        (forged_samples_and_digest, "changed since it was made"),
        (forged_scores, "changed since it was made"),
        (no_digest_of_scores, "no record of its files"),
        (other_data, "than stage prepare made"),
        (other_adapter, "changed since it was scored"),
        (link_of_run, "is a link"),
        (link_of_samples, "a symbolic link"),
        (open_to_all, "writable by everybody"),
        (pipe, "a pipe"),
    ],
)
def test_a_run_whose_files_and_records_disagree_is_named_and_not_taken_from(
    root: Path, forge: Callable[[Path], None], told: str
) -> None:
    forge(root.parent / "other")
    doubts = base_answers.reuse(root, INPUTS, [TASK])
    assert doubts and told in doubts[0] and not note_path(root, TASK, "base").exists()
    assert all(doubt.startswith("base answers of ") for doubt in doubts)


def test_another_users_run_is_not_taken_from(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    me = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: me + 1)
    (doubt,) = base_answers.reuse(root, INPUTS, [TASK])
    assert "another user" in doubt


def test_a_forged_run_does_not_hide_a_sound_one(root: Path) -> None:
    shutil.copytree(root.parent / "other", root.parent / "a forged one")
    forged_samples(root.parent / "a forged one")
    (doubt,) = base_answers.reuse(root, INPUTS, [TASK])
    assert "a forged one" in doubt and read_json(note_path(root, TASK, "base"))["from"] == "other"


@pytest.mark.parametrize("name", ["../x", "\x1b[2J"])
def test_a_name_that_is_none_is_not_shown(root: Path, name: str) -> None:
    rewritten(root.parent / "other", base_from=name)
    assert taken(root) and read_json(note_path(root, TASK, "base"))["from"] == "other"


def test_nothing_is_said_of_runs_that_are_of_no_use(root: Path) -> None:
    forged_samples(root.parent / "other")
    assert base_answers.reuse(root, {**INPUTS, "code": "of today"}, [TASK]) == []


def test_a_run_that_is_removed_meanwhile_is_no_error(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object) -> None:
        raise FileNotFoundError

    for name in ("opened", "_load_trusted", "_require_own"):
        with monkeypatch.context() as patch:
            patch.setattr(base_answers, name, gone)
            assert (
                base_answers.reuse(root, INPUTS, [TASK]) == []
                and not note_path(root, TASK, "base").exists()
            )
    shutil.rmtree(root.parent / "other")
    assert not taken(root)


def test_a_copy_that_was_cut_short_is_not_what_scoring_finds(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def copy(_: object, place: Any) -> None:
        place.write(b"{")
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
    only_tuned = {"value": None, "stderr": None, "n": 0}
    base = {**read_json(other / SCORES)[TASK]["base"], "thinking_tokens": only_tuned}
    rewritten(other, base_from="first", base=base)
    assert taken(root)
    note = read_json(note_path(root, TASK, "base"))
    assert note["from"] == "first" and "thinking_tokens" not in note["values"]


def test_the_batches_of_answers_that_were_taken_over_are_those_of_the_run_that_gave_them(
    root: Path,
) -> None:
    # A run of an earlier version.
    assert taken(root) and read_json(note_path(root, TASK, "base"))["batches"] == []
    note_path(root, TASK, "base").unlink()
    rewritten(root.parent / "other", batches={"base": [64, 256], "tuned": [32]})
    assert taken(root) and read_json(note_path(root, TASK, "base"))["batches"] == [64, 256]
