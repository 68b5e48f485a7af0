"""The run folder: a record that is written last, files that are whole, inputs that decide what is
done again."""

import os
from pathlib import Path

import pytest

from kotune.errors import StageError
from kotune.runs.folder import Run, read_json, sha256, write_json, write_text


def finish(run: Run, stage: str, **inputs: object) -> None:
    with run.stage(stage, inputs):
        pass


def test_a_stage_is_done_only_with_the_same_inputs(tmp_path: Path) -> None:
    run = Run(tmp_path)
    assert not run.is_done("prepare", {"a": 1})
    finish(run, "prepare", a=1)
    assert run.is_done("prepare", {"a": 1})
    assert not run.is_done("prepare", {"a": 2})
    assert run.changed_inputs("prepare", {"a": 2, "b": 1}) == ["a", "b"]
    assert run.changed_inputs("train", {"a": 2}) == []


def test_a_stage_that_fails_leaves_no_record(tmp_path: Path) -> None:
    run = Run(tmp_path)
    for stage in ("prepare", "render", "train"):
        finish(run, stage, a=1)
    with pytest.raises(RuntimeError), run.stage("render", {"a": 2}):
        raise RuntimeError
    assert list(run.record().stages) == ["prepare", "train"]


def test_facts_are_kept_beside_the_stages(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.update(seed=1)
    finish(run, "prepare", a=1)
    run.update(device="cpu")
    assert (read_json(tmp_path / "run.json")["seed"], run.record().device) == (1, "cpu")
    assert run.is_done("prepare", {"a": 1})


def test_a_file_is_replaced_whole_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    for text in ("one", "two"):
        write_text(tmp_path / "deep" / "file.txt", text)
    with pytest.raises(TypeError):
        write_json(tmp_path / "deep" / "file.txt", {"not": object()})
    assert [(path.name, path.read_text()) for path in (tmp_path / "deep").iterdir()] == [
        ("file.txt", "two")
    ]


def test_a_damaged_record_is_told(tmp_path: Path) -> None:
    write_text(tmp_path / "run.json", "{")
    with pytest.raises(StageError, match="damaged JSON"):
        Run(tmp_path).record()


def test_two_runs_do_not_work_in_one_folder(tmp_path: Path) -> None:
    with (
        Run(tmp_path).lock(),
        pytest.raises(StageError, match="another process is using this run folder"),
        Run(tmp_path).lock(),
    ):
        pass
    with Run(tmp_path).lock():
        pass


def test_a_digest_depends_on_contents_and_their_order(tmp_path: Path) -> None:
    write_text(tmp_path / "a", "1")
    write_text(tmp_path / "b", "2")
    write_text(tmp_path / "c", "12")
    a, b, c = (tmp_path / name for name in "abc")
    assert len({sha256(a, b), sha256(b, a), sha256(c), sha256(a)}) == 4


def test_a_stage_answers_for_files_of_its_own_alone(tmp_path: Path) -> None:
    """A record that names others is a stranger's: they may lie anywhere, and some of the system's
    have no end."""
    run = Run(tmp_path / "run")
    write_text(tmp_path / "outside", "1")
    write_text(run.path("a.json"), "1")
    for name, is_done in (
        ("a.json", True),
        ("../outside", False),
        (str(tmp_path / "outside"), False),
    ):
        digest = sha256(run.path(name))
        run.update(
            stages={"prepare": {"inputs": {}, "seconds": 1, "finished": 1, "made": {name: digest}}}
        )
        assert run.is_done("prepare", {}, ("a.json",)) is is_done
    run.update(
        stages={
            "prepare": {
                "inputs": {},
                "seconds": 1,
                "finished": 1,
                "made": {"/proc/self/pagemap": "x"},
            }
        }
    )
    assert not run.is_done("prepare", {}, ("a.json",))


def test_a_digest_ends(tmp_path: Path) -> None:
    """Whatever a file says of its size: a hole of terabytes, or one of the system's that is endless
    and says 0."""
    write_text(tmp_path / "a", "12")
    assert sha256(tmp_path / "a", most=2) == sha256(tmp_path / "a")
    (tmp_path / "hole").touch()
    os.truncate(tmp_path / "hole", 4 << 40)
    for path, most in (
        (tmp_path / "hole", None),
        (tmp_path / "a", 1),
        (Path("/proc/self/maps"), 10),
    ):
        with pytest.raises(OSError, match=r"over .* bytes") as told:
            sha256(path, **({"most": most} if most else {}))
        assert told.value.filename == str(path)
