"""Answers that a page shows side by side: written ones first, won and lost in turn, every model's
answers before and after tuning."""

from dataclasses import replace
from pathlib import Path

import pytest

from kotune.compare import paired
from kotune.compare.answers import changes
from kotune.compare.comparison import comparisons
from kotune.compare.side_by_side import SHOWN, SideBySide, side_by_side
from kotune.runs.finished import load
from kotune.runs.folder import read_json, sha256, write_json, write_text
from tests.finished import Made, finished

pytest.importorskip("scipy")
LLAMA, DEEPSEEK = Made(premises=20), Made(model="quickstart-deepseek", premises=20)
WRITTEN = "nli_sample_ko_gen"


@pytest.fixture(autouse=True)
def _fewer_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paired, "RESAMPLES", 200)


def chosen(*folders: Path) -> list[SideBySide]:
    return side_by_side(list(changes(comparisons(load(folders)))))


def with_written(folder: Path, made: Made) -> Path:
    """A run that was also scored on a task whose answers are generated."""
    first = read_json(finished(folder, made) / "scores.json")
    finished(folder, replace(made, task=WRITTEN))
    scores = {**first, **read_json(folder / "scores.json")}
    path = folder / "samples" / "items" / f"{WRITTEN}.jsonl"
    choices = '"choices": ["함의", "중립", "모순"]'
    text = path.read_text(encoding="utf-8")
    assert choices in text
    write_text(path, text.replace(choices, '"choices": null'))
    scores[WRITTEN]["sha256"]["items"] = sha256(path)
    write_json(folder / "scores.json", scores)
    return folder


def test_one_run_shows_its_base_and_its_tuned_answers(tmp_path: Path) -> None:
    found = chosen(finished(tmp_path / "a", LLAMA))
    assert [each.item.outcome for each in found] == ["won", "lost"] * 2
    assert len(found) == SHOWN
    for each in found:
        (answers,) = each.answers
        right = each.item.outcome == "won"
        assert (answers.example.right_a, answers.example.right_b) == (not right, right)
        shown = answers.example.b if right else answers.example.a
        assert "".join(piece.text for piece in shown) == each.item.gold


def test_two_models_show_four_answers_to_an_item_on_which_the_tuned_ones_differ(
    tmp_path: Path,
) -> None:
    folders = [finished(tmp_path / "a", LLAMA), finished(tmp_path / "b", DEEPSEEK)]
    other_seed = replace(DEEPSEEK, seed=9, record={"seed": 9})
    found = chosen(*folders, finished(tmp_path / "c", other_seed))
    for each in found:
        assert [answers.run.name for answers in each.answers] == ["a", "b"]
        first, second = (answers.example for answers in each.answers)
        assert (first.guid, first.question) == (second.guid, second.question)
        assert (first.right_b, second.right_b) == {
            "won": (False, True),
            "lost": (True, False),
        }[each.item.outcome]
    assert len({each.item.guid for each in found}) == SHOWN


def test_written_answers_come_first(tmp_path: Path) -> None:
    found = chosen(with_written(tmp_path / "a", LLAMA))
    assert [(each.task, each.is_written) for each in found] == [(WRITTEN, True)] * SHOWN


def test_nothing_is_shown_if_no_answer_changed(tmp_path: Path) -> None:
    assert chosen(finished(tmp_path / "a", replace(LLAMA, rates=(1.0, 1.0)))) == []
