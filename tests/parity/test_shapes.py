"""The rows that are compared: the first of each data entry, and some of every shape, in bound
memory."""

import json

import pytest

from kodata.card import Message, TrainingRow
from kodata.text import with_thought
from kotune.parity import shapes
from kotune.parity.shapes import Sample, shape_of
from kotune.runs.proof import Shapes

SYSTEM: Message = {"role": "system", "content": "짧게"}


def row(*said: str, label: str = "", system: bool = False, train: bool = True) -> TrainingRow:
    turns: list[Message] = [
        {"role": ("user", "assistant")[at % 2], "content": text} for at, text in enumerate(said)
    ]
    if not train:
        turns[-1]["train"] = False
    return {
        "guid": "g",
        "source": "chat",
        "form": "chat",
        "doc": json.dumps({"label": label} if label else {}),
        "messages": [SYSTEM] * system + turns,
    }


PLAIN = row("질문 하나?", "대답 하나")


@pytest.mark.parametrize(
    "other",
    [
        row("질문 하나?", "대답 하나", system=True),
        row("질문?", "네", "또?", "대답 하나"),
        row("질문?", "대답\n하나"),
        row("질문?", with_thought("음", "네")),
        row("질문?", "대답 하나", train=False),
        row("질문 하나?", "대답 하나 "),
        row("질문 하나?", "대답 하나", label="neutral"),
        row("질문 하나?" * 9, "대답 하나"),
        {**PLAIN, "form": "other"},
        {**PLAIN, "source": "other"},
    ],
    ids=[
        "system",
        "turns",
        "lines",
        "thought",
        "not trained",
        "space",
        "label",
        "length",
        "form",
        "source",
    ],
)
def test_rows_that_are_rendered_in_another_way_have_another_shape(other: TrainingRow) -> None:
    assert shape_of(other) != shape_of(PLAIN) == shape_of(row("질문 열 개?", "대답 열 개"))


def test_some_of_every_shape_are_kept_and_the_first_of_every_entry() -> None:
    sample = Sample()
    for _ in range(200):
        sample.takes(PLAIN)
    late = [sample.takes(row("질문?", "네", label=label)) for label in "ab" for _ in range(6)]
    other: TrainingRow = {**PLAIN, "source": "nsmc", "form": "label"}
    assert late == [True] * 4 + [False] * 2 + [True] * 4 + [False] * 2
    assert all(sample.takes(other) for _ in range(128)) and not sample.takes(other)
    assert sample.counts() == Shapes(number=4, rows_kept=128 + 8 + 128, rows_beyond=0)
    assert (sample.forms("nsmc"), sample.forms("klue_nli")) == (["label"], [])


def test_rows_of_shapes_beyond_the_bound_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shapes, "SHAPES", 3)
    monkeypatch.setattr(shapes, "ITEMS", 0)
    sample = Sample()
    for number in range(10):
        sample.takes(row("질문?", "네", label=f"{number % 5}"))
    assert sample.counts() == Shapes(number=3, rows_kept=6, rows_beyond=4)
