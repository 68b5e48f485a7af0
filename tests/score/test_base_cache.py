"""Base answers in the user's cache folder: found from every folder of runs, planted by nobody, and
never a reason to stop."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kodata.reading import digests
from kotune import bodies
from kotune.layout import SCORES, samples
from kotune.runs.folder import Run, read_json, write_json
from kotune.score import base_answers, base_cache
from kotune.score.samples import note_path, samples_path
from kotune.score.scoring import _done, _is_unchecked
from tests.finished import finished, task_scores
from tests.score.test_base_answers import (
    INPUTS,
    OTHER_BASES,
    OTHER_QUESTIONS,
    TASK,
    sealed,
)


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """A finished run in a folder of runs, whose base answers are in the cache."""
    folder = finished(tmp_path / "first" / "other")
    sealed(folder)
    assert base_cache.keep(folder, INPUTS, [TASK]) == []
    return folder


@pytest.fixture
def root(other: Path, tmp_path: Path) -> Path:
    """A run in another folder of runs, which is trained and not scored."""
    root = tmp_path / "second" / "runs of now"
    trained = read_json(other / "run.json")
    del trained["stages"]["score"]
    write_json(root / "run.json", trained)
    return root


def entry() -> Path:
    (path,) = folder().glob("*.jsonl")
    return path


def folder() -> Path:
    return digests.cache_folder() / base_cache.FOLDER


def taken(root: Path, inputs: dict[str, Any] = INPUTS) -> bool:
    base_cache.reuse(root, inputs, [TASK])
    return note_path(root, TASK, "base").exists()


def test_answers_of_another_folder_are_reused_and_not_yet_verified_and_so_not_yet_told(
    root: Path, other: Path
) -> None:
    assert base_cache.reuse(root, INPUTS, [TASK]) == []
    assert samples_path(root, "base", TASK).read_bytes() == (
        (other / samples("base", TASK)).read_bytes()
    )
    note, scores = _done(root, TASK, "base"), read_json(other / SCORES)[TASK]
    assert note and note.origin == "other" and note.n == scores["n"]
    assert note.as_json()["values"] == scores["base"]
    assert _is_unchecked(root, TASK)  # so scoring asks some items again


@pytest.mark.parametrize("changed", OTHER_QUESTIONS)
def test_another_question_is_asked_anew(root: Path, changed: dict[str, Any]) -> None:
    assert not taken(root, {**INPUTS, **changed})


@pytest.mark.parametrize("changed", OTHER_BASES)
def test_another_base_model_is_asked_anew(root: Path, changed: dict[str, Any]) -> None:
    Run(root).update(**changed)
    assert not taken(root)


def test_the_cache_is_for_its_user_alone(root: Path) -> None:
    for path in (digests.cache_folder(), folder()):
        assert path.stat().st_mode & 0o777 == 0o700
    assert entry().stat().st_mode & 0o777 == 0o600
    assert taken(root)


def open_root(_: Path) -> None:
    digests.cache_folder().chmod(0o777)


def open_folder(_: Path) -> None:
    folder().chmod(0o770)


def open_entry(_: Path) -> None:
    entry().chmod(0o666)


def link_of_folder(elsewhere: Path) -> None:
    folder().rename(elsewhere)
    folder().symlink_to(elsewhere)


def link_of_entry(elsewhere: Path) -> None:
    path = entry()
    path.rename(elsewhere)
    path.symlink_to(elsewhere)


def edited(_: Path) -> None:
    entry().write_bytes(entry().read_bytes().replace(b'"acc": 1.0', b'"acc": 0.0'))


def cut_short(_: Path) -> None:
    entry().write_bytes(entry().read_bytes()[:-10])


def empty(_: Path) -> None:
    entry().write_bytes(b"")


def no_json(_: Path) -> None:
    entry().write_bytes(b"\xff{\n")


def without_origin(_: Path) -> None:
    relabelled("from", None)


def name_that_acts(_: Path) -> None:
    relabelled("from", "../\x1b[2J")


def already_checked(_: Path) -> None:
    relabelled("checked", [1])


def pipe(_: Path) -> None:
    path = entry()
    path.unlink()
    os.mkfifo(path, 0o600)


def no_folder(_: Path) -> None:
    shutil.rmtree(digests.cache_folder())
    digests.cache_folder().write_text("a file")


def relabelled(name: str, value: object) -> None:
    head, answers = entry().read_bytes().split(b"\n", 1)
    entry().write_bytes(json.dumps({**json.loads(head), name: value}).encode() + b"\n" + answers)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (open_root, "others may write"),
        (open_folder, "others may write"),
        (open_entry, "others may write"),
        (link_of_folder, "a link"),
        (link_of_entry, "a link"),
        (edited, "changed since it was scored"),
        (cut_short, "changed since it was scored"),
        (empty, "damaged"),
        (no_json, "damaged"),
        (without_origin, "damaged"),
        (name_that_acts, "damaged"),
        (already_checked, "damaged"),
        (pipe, "a pipe"),
        (no_folder, "Not a directory"),
    ],
)
def test_what_may_be_planted_or_is_broken_is_named_and_not_used(
    root: Path, tmp_path: Path, spoil: Callable[[Path], None], told: str
) -> None:
    spoil(tmp_path / "elsewhere")
    (message,) = base_cache.reuse(root, INPUTS, [TASK])
    assert told in message and "not used" in message
    assert not note_path(root, TASK, "base").exists()
    assert not samples_path(root, "base", TASK).exists()


def test_another_users_cache_is_neither_read_nor_written(
    root: Path, other: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    me = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: me + 1)
    for told in (
        base_cache.reuse(root, INPUTS, [TASK]),
        base_cache.keep(other, INPUTS, [TASK]),
    ):
        assert len(told) == 1 and "another user" in told[0]


def test_without_a_place_for_the_cache_a_line_says_so(
    root: Path, other: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(digests.CACHE, str(tmp_path / "file" / "kotune"))
    (message,) = base_cache.keep(other, INPUTS, [TASK])
    assert message.startswith("base answers are not kept in the cache: ")
    assert len(base_cache.reuse(root, INPUTS, [TASK])) == 1


def test_a_cache_that_is_not_there_yet_is_no_matter(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(digests.CACHE, str(tmp_path / "new"))
    assert base_cache.reuse(root, INPUTS, [TASK]) == []
    assert not (tmp_path / "new").exists()


def test_an_entry_is_written_whole_or_not_at_all(
    other: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = entry().read_bytes()

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fchmod", killed)  # the draft is created, and not yet written
    with pytest.raises(KeyboardInterrupt):
        base_cache.keep(other, INPUTS, [TASK])
    assert entry().read_bytes() == before and len(list(folder().iterdir())) == 1


def test_the_oldest_entries_are_removed_above_the_limit(
    other: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size, first = entry().stat().st_size, entry()
    monkeypatch.setattr(base_cache, "MOST", 2 * size + size // 2)
    base_cache.keep(other, {**INPUTS, "code": "1"}, [TASK])
    (second,) = set(folder().iterdir()) - {first}
    os.utime(second, (1, 1))
    os.utime(first, (2, 2))  # it was used later
    base_cache.keep(other, {**INPUTS, "code": "2"}, [TASK])
    assert first.exists() and not second.exists() and len(list(folder().iterdir())) == 2


def test_use_makes_an_entry_young(root: Path) -> None:
    os.utime(entry(), ns=(1, 1))
    assert taken(root) and entry().stat().st_mtime_ns > 1


def test_an_entry_that_was_refused_is_replaced_and_one_that_was_used_is_kept(other: Path) -> None:
    edited(other)
    before = entry().read_bytes()
    scores = read_json(other / SCORES)
    write_json(other / SCORES, {TASK: {**scores[TASK], "base_from": "first"}})
    base_cache.keep(other, INPUTS, [TASK])
    assert entry().read_bytes() == before
    write_json(other / SCORES, scores)
    base_cache.keep(other, INPUTS, [TASK])
    assert entry().read_bytes() != before


def test_answers_that_are_drawn_at_random_are_not_kept(
    other: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(folder())
    assert base_cache._draws("ko_naturalness_sampled") and not base_cache._draws("ko_naturalness")
    monkeypatch.setattr(base_cache, "_draws", lambda _: True)
    assert base_cache.keep(other, INPUTS, [TASK]) == [] and list(folder().iterdir()) == []


def test_nothing_of_the_machine_or_its_secrets_is_kept(other: Path) -> None:
    head, answers = entry().read_bytes().split(b"\n", 1)
    assert json.loads(head).keys() == {"n", "values", "sha256", "from", "batches"}
    assert answers == (other / samples("base", TASK)).read_bytes()


def test_fresh_base_asks_anew_and_forgets_what_was_reused(root: Path, tmp_path: Path) -> None:
    from kotune.runs.job import Job

    recipe: Any = SimpleNamespace(adapter="lora")
    job = Job(recipe, Run(root), "cpu", None, fresh_base=True)
    job.__dict__["tasks"] = {TASK: None}
    assert taken(root)
    assert bodies._reuse(job, INPUTS) == [] and not note_path(root, TASK, "base").exists()
    job = Job(recipe, Run(root), "cpu", None)
    job.__dict__["tasks"] = {TASK: None}
    assert bodies._reuse(job, INPUTS) == [] and note_path(root, TASK, "base").exists()


def test_reused_answers_are_told_once_with_the_run_that_has_them(root: Path) -> None:
    (root.parent / "here").mkdir()
    runs = ("here", "far", "here", None, root.name)
    scores = {f"{at}": task_scores({}, {}, base_from=run) for at, run in enumerate(runs)}
    told, elsewhere = "the base model's answers are reused from", "which is not in this folder"
    assert base_answers.list_reused(root, scores) == [
        f"{told} here",
        f"{told} far, {elsewhere} of runs",
        f"{told} {root.name}, {elsewhere} of runs",
    ]


def test_a_sibling_comes_before_the_cache(root: Path, other: Path) -> None:
    from kotune.runs.job import Job

    sibling = root.parent / "sibling"
    shutil.copytree(other, sibling)
    recipe: Any = SimpleNamespace(adapter="lora")
    job = Job(recipe, Run(root), "cpu", None)
    job.__dict__["tasks"] = {TASK: None}
    assert bodies._reuse(job, INPUTS) == []
    assert read_json(note_path(root, TASK, "base"))["from"] == "sibling"


def test_own_answers_of_an_interrupted_scoring_are_not_forgotten(root: Path) -> None:
    write_json(note_path(root, TASK, "base"), {"n": 1, "values": {}, "sha256": "x"})
    base_answers.forget(root, [TASK])
    assert note_path(root, TASK, "base").exists()
