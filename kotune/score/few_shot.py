"""Chooses the examples for the prompt of the base model: rows of the run's own training data, the
same ones for every item of a task. Test data are never used."""

import random
from collections.abc import Iterable, Sequence
from itertools import chain, zip_longest
from pathlib import Path

from kodata.card import Message, TrainingRow
from kodata.prepare.output import doc_of
from kotune.errors import KotuneError
from kotune.layout import FEW_SHOT, TRAIN
from kotune.runs.folder import read_json, write_json
from kotune.runs.reading import rows_of
from kotune.runs.records import parsed
from kotune.runs.unfinished import StoredRow
from kotune_tasks.card import cards

ROWS = 25_000  # training rows of a task among which examples are chosen
NAME = "few_shot"  # the name of the base model with examples, as a baseline
Chosen = dict[str, list[TrainingRow]]  # by task; without rows if too few fit


def write(root: Path, tasks: Iterable[str], number: int | None, seed: int) -> list[str]:
    """Choose `number` examples for each task, and write them into the run folder `root`. None: no
    examples. Returns a message for each task that has too few rows."""
    (root / FEW_SHOT).unlink(missing_ok=True)
    if number is None:
        return []
    chosen = {task: choose(root, task, number, seed) for task in tasks}
    write_json(root / FEW_SHOT, chosen)
    return [
        f"{task}: the base model is not scored with examples; too few training rows fit"
        for task, rows in chosen.items()
        if not rows
    ]


def read(root: Path) -> Chosen:
    """The chosen examples. Empty if there are none. Raises KotuneError if the file is damaged."""
    if not (root / FEW_SHOT).exists():
        return {}
    content = read_json(root / FEW_SHOT)
    if parsed(content, dict[str, list[StoredRow]]) is None:
        raise KotuneError(f"{root / FEW_SHOT}: damaged; remove it and run the same command again")
    chosen: Chosen = content
    return chosen


def turns(rows: Sequence[TrainingRow]) -> list[Message]:
    """The turns of the examples, each with its role and content only."""
    return [
        {"role": turn["role"], "content": turn["content"]}
        for row in rows
        for turn in row["messages"]
    ]


def choose(root: Path, task: str, number: int, seed: int) -> list[TrainingRow]:
    """The `number` training rows that are put before every question of a task. Empty if the run
    has fewer that fit: rows of the task's source and form, with one question and one answer.

    `seed` decides which. The labels are balanced: with three examples of a task with three labels,
    each label occurs once."""
    card = cards()[task]
    rows = (
        row
        for _, row in rows_of(root / TRAIN)
        if (row["source"], row["form"]) == (card.source, card.form)
        and [turn["role"] for turn in row["messages"]] == ["user", "assistant"]
    )
    fitting = [row for row, _ in zip(rows, range(ROWS), strict=False)]
    chooser = random.Random(f"{task} {seed}")
    chooser.shuffle(fitting)
    chosen = balanced(fitting)[:number]
    chooser.shuffle(chosen)
    return chosen if len(chosen) == number else []


def balanced(rows: Sequence[TrainingRow]) -> list[TrainingRow]:
    """The rows in an order in which the labels take turns. Rows without a label keep their
    order."""
    by_label: dict[object, list[TrainingRow]] = {}
    for row in rows:
        by_label.setdefault(doc_of(row).get("label"), []).append(row)
    turns_of_labels: Iterable[TrainingRow | None] = chain.from_iterable(
        zip_longest(*by_label.values())
    )
    return [row for row in turns_of_labels if row is not None]
