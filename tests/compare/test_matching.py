"""Items of two runs are the same where their documents, questions and right answers are."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from kotune.compare import paired
from kotune.compare.answers import changes
from kotune.compare.comparison import comparisons
from kotune.compare.differences import shared_items
from kotune.runs.finished import load
from kotune.runs.folder import read_json, sha256, write_json, write_text
from kotune.runs.records import Answer
from tests.finished import Made, finished

pytest.importorskip("scipy")
TASK = "nli_sample_ko"
ANSWER = Answer("g", "doc", "cluster", "question", "target", {"acc": 1.0})


@pytest.mark.parametrize(
    ("other", "is_shared"),
    [
        (ANSWER, True),
        (replace(ANSWER, prediction=2, metrics={}), True),
        (replace(ANSWER, question_hash="another"), False),
        (replace(ANSWER, target_hash="another"), False),
    ],
    ids=["same", "another answer", "another question", "another right answer"],
)
def test_an_item_is_shared_with_the_same_question_and_right_answer(
    other: Answer, is_shared: bool
) -> None:
    items = {"doc": ANSWER, "first alone": ANSWER}
    assert shared_items([items, {"doc": other}]) == ["doc"] * is_shared
    assert shared_items([items, items, {"doc": other}]) == ["doc"] * is_shared
    assert shared_items([items]) == ["doc", "first alone"]


def test_changes_leave_out_an_item_whose_right_answer_differs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paired, "RESAMPLES", 200)
    folders = [finished(tmp_path / "a"), finished(tmp_path / "b", Made(model="other"))]
    for variant in ("base", "tuned"):
        path = folders[1] / "samples" / variant / f"{TASK}.jsonl"
        first, *rest = path.read_text(encoding="utf-8").splitlines(keepends=True)
        corrected = {**json.loads(first), "target_hash": "corrected"}
        write_text(path, "".join([json.dumps(corrected, ensure_ascii=False) + "\n", *rest]))
        scores = read_json(folders[1] / "scores.json")
        scores[TASK]["sha256"][variant] = sha256(path)
        write_json(folders[1] / "scores.json", scores)
    compared = comparisons(load(folders))
    *_, between = changes(compared)
    assert between.n == compared[-1].paired.n == 3 * Made().premises - 1
    assert not between.is_tuning
