"""The health of generated answers is that of the samples, and poor answers are said."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kotune.compare.health import POOR, Health, health, healths, is_foreign, says_nothing
from kotune.compare.result import Result
from kotune.display.phrases import LANGUAGES, Phrases
from kotune.report.report import Report
from kotune.report.scored_tables import health as tables
from kotune.report.sentences import notes
from kotune.runs.finished import load
from kotune.runs.folder import read_json, sha256, write_json, write_text
from kotune.runs.reading import lines_of
from kotune.runs.records import Answer
from tests.finished import Made, finished

TASK = "nli_sample_ko_gen"
MADE = Made(task=TASK, premises=4, rates=(0.0, 1.0))
GOOD, CUT = "비가 오는 날입니다.", "비가 오는 날에는 <think>잠깐"


def answer(text: str, gold: str = "", ended: bool | None = True) -> Answer:
    return Answer("g", "d", "c", "q", "t", {}, text, gold, ended=ended)


def generated(folder: Path, made: Made, said: Mapping[str, Sequence[dict[str, Any]]]) -> Path:
    """A run whose answers are generated: those of `said` by variant, in turn."""
    finished(folder, made)
    scores = read_json(folder / "scores.json")
    for kind in ("items", "base", "tuned"):
        path = folder / "samples" / kind / f"{made.task}.jsonl"
        rows = lines_of(path)
        for at, row in enumerate(rows):
            more = said[kind][at % len(said[kind])] if kind in said else {"choices": None}
            row.update(more)
        write_text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
        scores[made.task]["sha256"][kind] = sha256(path)
    write_json(folder / "scores.json", scores)
    return folder


def said(text: str, ended: bool | None = True) -> dict[str, Any]:
    known = {} if ended is None else {"ended": ended}
    return {"prediction": text, "gold": "함의", **known}


def of_seed(seed: int) -> Made:
    return replace(MADE, seed=seed, record={"seed": seed})


@pytest.mark.parametrize(
    ("text", "gold", "empty"),
    [
        ("", "", True),
        ("함의", "", True),
        ("좋습니다.", "", True),  # a prompt without a right answer asks for more than a word
        (GOOD, "", False),
        ("함의", "함의", False),  # what was asked
        ("함의", "1980년", True),
        ("모순 입니다", "1980년", False),
        ("1980", "1980년", False),
        ("서울", "서울", False),
        (" .\n", "서울", True),
        ("…", "함의", True),
    ],
)
def test_an_answer_says_nothing_if_it_is_empty_or_a_label_that_was_not_asked(
    text: str, gold: str, empty: bool
) -> None:
    assert says_nothing(text, gold, "") is empty


def test_a_question_that_is_said_again_says_nothing_unless_it_has_the_right_answer() -> None:
    question = "서울은 어느 나라의 수도입니까?"
    assert says_nothing(question, "", question)
    assert not says_nothing("서울은 대한민국의 수도입니다.", "", question)
    assert not says_nothing("어느 나라의 수도", "수도", question)


def test_foreign_words_of_the_right_answer_may_be_answered() -> None:
    assert is_foreign("매우 必要합니다", "") and is_foreign("매우 必要합니다", "서울")
    assert not is_foreign("매우 必要합니다", "必要합니다") and not is_foreign(GOOD, "")


def test_shares_and_length_are_of_the_answers_without_their_thoughts() -> None:
    texts = ["<think>긴 생각</think>짧은 답", "<think>끝나지 않는 생각", GOOD, "아주 重要한 일"]
    found = health([answer(text, ended=text != texts[1]) for text in texts], [""] * len(texts))
    assert found == Health(0.25, 0.25, 0.25, (len("짧은 답") + len(GOOD) + 8) / 4)
    assert found.poor() == ["unended", "foreign", "empty"]
    unknown = health([answer(GOOD), answer(GOOD, ended=None)], ["", ""])
    assert unknown.unended is None and unknown.poor() == []
    assert Health(POOR, 0, 0, 1).poor() == ["unended"]


def test_every_generating_task_has_a_row_before_and_after_over_all_seeds(tmp_path: Path) -> None:
    base, first, second = [said(CUT, False)], [said("함의")], [said("함의", False), said("중립")]
    folders = [
        generated(
            tmp_path / name,
            of_seed(seed),
            {"base": base, "tuned": tuned},
        )
        for name, seed, tuned in (("a", 1, first), ("b", 2, second))
    ]
    choices = finished(tmp_path / "choices", Made(premises=4))
    found = list(healths(load(folders)))
    assert [each.side.variant for each in found] == ["base", "tuned"]
    assert [each.health.unended for each in found] == [1.0, 0.25]
    assert [each.n for each in found] == [12, 12]
    assert found[0].health.empty == 1.0 and found[1].health.length == 2.0
    assert list(healths(load([choices]))) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_report_has_the_table_and_a_note_on_poor_answers(tmp_path: Path, language: str) -> None:
    sides = {"base": [said(CUT, None)], "tuned": [said("함의"), said("함의"), said("함의", False)]}
    result = Result.of(load([generated(tmp_path / "a", MADE, sides)]))
    phrases = Phrases(language)
    (table,) = tables(result, phrases)
    assert [row[-4:] for row in table.rows] == [
        (phrases("not_recorded"), "0.0%", "100.0%", "0.0"),
        ("33.3%", "0.0%", "0.0%", "2.0"),
    ]
    assert table.alert and table in Report(result, phrases).results()
    (note,) = [note for note in notes(result, phrases) if TASK in note]
    assert "33.3%" in note
    rows: Any = result.as_json()["health"]
    assert [row["unended"] for row in rows] == [None, pytest.approx(1 / 3)]


def test_good_answers_have_no_note(tmp_path: Path) -> None:
    sides = {"base": [said(CUT, False)], "tuned": [said("함의")]}
    result = Result.of(load([generated(tmp_path / "a", MADE, sides)]))
    (table,) = tables(result, Phrases("en"))
    assert not table.alert
    assert not [note for note in notes(result, Phrases("en")) if TASK in note]
