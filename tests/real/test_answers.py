"""The table of answers before and after."""

from pathlib import Path

import pytest

from kotune.runs.folder import write_text
from kotune.score.samples import samples_path
from tests.real.answers import SHOWN, TASK, Answers, answers, cell, table


def test_answers_before_and_after_stand_beside_their_prompt(tmp_path: Path) -> None:
    for kind, rows in (
        ("items", ['{"doc_hash": "a", "question": "물음"}', '{"doc_hash": "b", "question": "둘"}']),
        (
            "base",
            ['{"doc_hash": "b", "prediction": "나"}', '{"doc_hash": "a", "prediction": "가"}'],
        ),
        ("tuned", ['{"doc_hash": "a", "prediction": "다"}', '{"doc_hash": "b", "prediction": ""}']),
    ):
        write_text(samples_path(tmp_path, kind, TASK), "\n".join(rows) + "\n")
    found = answers(tmp_path)
    assert found == [Answers("물음", "가", "다"), Answers("둘", "나", "")]
    assert table(found).splitlines()[2:] == ["| 물음 | 가 | 다 |", "| 둘 | 나 | (empty) |"]


def test_ten_are_chosen_from_the_first_to_the_last_quarter() -> None:
    lines = table([Answers(f"{number}", "가", "나") for number in range(32)]).splitlines()[2:]
    assert [line.split()[1] for line in lines] == [
        f"{number * 32 // SHOWN}" for number in range(10)
    ]


@pytest.mark.parametrize(
    ("text", "shown"),
    [("가\n나|다", "가 나\\|다"), (" ", "(empty)"), ("가" * 121, "가" * 120 + " ...")],
)
def test_an_answer_is_one_cell(text: str, shown: str) -> None:
    assert cell(text) == shown
