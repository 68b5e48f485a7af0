"""Measures the health of generated answers: how many do not end, have foreign script or say
nothing, and how long they are. These faults are faults on any task, so they are measured on every
task with generated answers."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from statistics import fmean
from typing import NamedTuple

from kodata.metrics.naturalness.scripts import foreign_words, words
from kodata.metrics.naturalness.signals import LABELS, is_empty_or_label, repeats
from kodata.scored import final_answer
from kodata.text import clean
from kotune.compare.comparison import Side, sides
from kotune.display.json_rows import JsonRow
from kotune.runs.finished import Finished
from kotune.runs.records import Answer

POOR = 0.1  # at this share of answers with one fault, a report has a note


class Health(NamedTuple):
    """The health of a model's answers to a task. The shares are from 0 to 1.

    - `unended`: the share of answers that the task's limit of tokens cut. None if that is not
      recorded, as in runs of earlier versions.
    - `foreign`: the share of answers with foreign words (kodata.metrics.naturalness.scripts). An
      answer whose right answer has foreign words, too, is not counted.
    - `empty`: the share of answers that say nothing (says_nothing)
    - `length`: the mean number of characters, without thoughts
    """

    unended: float | None
    foreign: float
    empty: float
    length: float

    def poor(self) -> list[str]:
        """The names of the shares that are at least POOR."""
        shares = {"unended": self.unended, "foreign": self.foreign, "empty": self.empty}
        return [name for name, share in shares.items() if share is not None and share >= POOR]


class TaskHealth(NamedTuple):
    """The health of the answers of one side to one task, over all its seeds. `n`: the number of
    answers of a seed."""

    task: str
    side: Side
    n: int
    health: Health

    @property
    def is_poor(self) -> bool:
        """Whether a report has a note on these answers. It has none on base models."""
        return self.side.variant == "tuned" and bool(self.health.poor())

    def row(self) -> JsonRow:
        """The health as --json prints it."""
        named = {"task": self.task, "model": self.side.name, "n": self.n}
        return {**named, **self.health._asdict()}


def healths(runs: Sequence[Finished]) -> Iterator[TaskHealth]:
    """The health of each base and each tuned model's answers, for tasks with generated answers.
    Runs of one recipe with several seeds count as one model."""
    for last in sides(runs, ()):
        for task in last.run.scores:
            if all(task in run.scores for run in last.runs) and _generates(last.run, task):
                for variant in dict.fromkeys(("base", last.variant)):
                    yield _measured(task, replace(last, variant=variant))


def _generates(run: Finished, task: str) -> bool:
    """Whether the answers to a task are generated. False for a task without items."""
    return any(item.choices is None for item in run.items(task).values())


def _measured(task: str, side: Side) -> TaskHealth:
    seeds, items = side.samples(task), side.run.items(task)
    answers = [pair for of_seed in seeds for pair in of_seed.items()]
    questions = [items[key].question if key in items else "" for key, _ in answers]
    return TaskHealth(task, side, len(seeds[0]), health([each for _, each in answers], questions))


def health(answers: Sequence[Answer], questions: Sequence[str]) -> Health:
    """The health of generated answers to these questions; there must be at least one."""
    texts = [final_answer(str(answer.prediction)) or "" for answer in answers]
    pairs = [(text, str(answer.gold or "")) for text, answer in zip(texts, answers, strict=True)]
    ended = [answer.ended for answer in answers]
    return Health(
        None if None in ended else fmean(not is_end for is_end in ended),
        fmean(is_foreign(*pair) for pair in pairs),
        fmean(
            says_nothing(*pair, question) for pair, question in zip(pairs, questions, strict=True)
        ),
        fmean(map(len, texts)),
    )


def is_foreign(text: str, gold: str) -> bool:
    """Whether an answer has foreign words and the right answer has none."""
    return bool(foreign_words(clean(text))) and not foreign_words(clean(gold))


def says_nothing(text: str, gold: str, question: str) -> bool:
    """Whether an answer is empty, only a label such as 함의, or the question again. `gold`: the
    right answer; empty if there is none.

    If there is a right answer, a short answer may be right, so that one word is not empty, and it
    may stand in the question. A label is then counted only if the right answer is not a label."""
    if not gold:
        return is_empty_or_label(text) or repeats(text, question)
    return not any(map(str.isalnum, text)) or (_is_label(text) and not _is_label(gold))


def _is_label(text: str) -> bool:
    """Whether a text has words, and all of them are labels."""
    stripped = {re.sub(r"\W", "", word) for word in words(text)}
    return bool(stripped) and stripped <= LABELS
