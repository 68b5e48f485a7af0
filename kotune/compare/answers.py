"""Lists the items whose answers changed between two models: items won and lost, confusion matrices,
and example answers."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from typing import NamedTuple

from kotune.compare.comparison import Comparison, Side
from kotune.compare.matching import shared_items
from kotune.runs.records import Answer, Answers, Item, Items
from kotune_tasks.card import cards

EXAMPLES = 3  # the most won items that are shown, and the most lost items
LONGEST = 600  # the most characters of a question or an answer that are shown
ELLIPSIS = " … "

RIGHT = "acc"


class AnswerPiece(NamedTuple):
    """A part of an answer. `is_marked`: whether the part is missing from the other answer."""

    text: str
    is_marked: bool


class Gain(NamedTuple):
    """The metric by which items count as won or lost. `by_item`: for each item, how much better the
    answer of b is than the answer of a."""

    metric: str
    by_item: dict[str, float]


@dataclass(frozen=True)
class Example:
    """One item with the answers of two models. `a` and `b`: the answers in pieces."""

    guid: str
    outcome: str  # `won` or `lost` by b; `other` if no metric has a value for single items
    question: str
    gold: str
    a: list[AnswerPiece]
    b: list[AnswerPiece]
    right_a: bool | None  # None if an answer cannot be right or wrong
    right_b: bool | None


@dataclass(frozen=True)
class Confusion:
    """A confusion matrix: how often each right answer (row) was answered with each choice
    (column)."""

    task: str
    side: Side
    choices: list[str]
    counts: list[list[int]]


@dataclass(frozen=True)
class Changes:
    """The changed items of a comparison.

    - `won`, `lost`: the number of items that are better or worse with b by `metric`
    - `other`: the number of items with another answer, if no metric has a value for single items
    """

    comparison: Comparison
    metric: str
    n: int
    won: int
    lost: int
    other: int
    examples: list[Example]
    confusions: list[Confusion]  # of a and of b, if they are one run before and after tuning

    @property
    def is_tuning(self) -> bool:
        return self.comparison.is_tuning


def changes(comparisons: Sequence[Comparison]) -> Iterator[Changes]:
    """The changes of each primary comparison.

    Changed items are counted by the comparison's metric, or by `acc` if that metric has no value
    for single items. If `acc` has no such values either, no item is won or lost, but answers can
    still differ. If there are several seeds, only the run of the first seed is used."""
    for comparison in map(of_first_seed, comparisons):
        if comparison.is_primary:
            both = paired_answers(comparison)
            yield _changes(
                comparison, both.a[0], both.b[0], comparison.a.run.items(comparison.task)
            )


def of_first_seed(comparison: Comparison) -> Comparison:
    """The comparison with only the first run of each side."""
    return replace(
        comparison, a=replace(comparison.a, others=()), b=replace(comparison.b, others=())
    )


class PairedAnswers(NamedTuple):
    """For each run of side a and for each run of side b, its answers. All have the same items in
    the same order."""

    a: list[Answers]
    b: list[Answers]


def paired_answers(comparison: Comparison) -> PairedAnswers:
    """The answers of all runs to the items that they have in common."""
    a, b = (side.samples(comparison.task) for side in (comparison.a, comparison.b))
    items = shared_items([*a, *b])
    return PairedAnswers(_of_items(items, a), _of_items(items, b))


def _of_items(items: list[str], side: list[Answers]) -> list[Answers]:
    return [{key: answers[key] for key in items} for answers in side]


def _changes(comparison: Comparison, a: Answers, b: Answers, items: Items) -> Changes:
    metric, gains = _followed(comparison, a, b)
    won, lost = [key for key in gains if gains[key] > 0], [key for key in gains if gains[key] < 0]
    other = [] if gains else [key for key in a if a[key].prediction != b[key].prediction]
    sides = {
        "won": _largest(won, gains),
        "lost": _largest(lost, gains),
        "other": _largest(other, gains),
    }
    examples = [
        _example(name, a[key], b[key], items[key]) for name, keys in sides.items() for key in keys
    ]
    counts = len(gains or a), len(won), len(lost), len(other)
    confusions = _confusions(comparison, items, a, b) if comparison.is_tuning else []
    return Changes(comparison, metric, *counts, examples, confusions)


def _followed(comparison: Comparison, a: Answers, b: Answers) -> Gain:
    """The gains by the comparison's own metric. If that metric is a number for none of the items,
    the gains by `acc`. If `acc` is not a number either, there are no gains and the metric is an
    empty string."""
    lower_is_better = cards()[comparison.task].lower_is_better
    for metric in (comparison.metric, RIGHT):
        if gains := _gains(metric, lower_is_better, a, b):
            return Gain(metric, gains)
    return Gain("", {})


def _gains(
    metric: str, lower_is_better: frozenset[str], a: Answers, b: Answers
) -> dict[str, float]:
    """For each item, how much better the answer of b is by the metric. An item is excluded unless
    its ingredient of the metric is a number in both answers."""
    sign = -1 if metric in lower_is_better else 1
    pairs = {key: (a[key].metrics.get(metric), b[key].metrics.get(metric)) for key in a}
    return {
        key: sign * (after - before)
        for key, (before, after) in pairs.items()
        if isinstance(before, (int, float)) and isinstance(after, (int, float))
    }


def _largest(keys: list[str], gains: dict[str, float]) -> list[str]:
    """The EXAMPLES items with the largest gains or losses. Items that change equally are taken from
    all parts of the task."""
    spread = keys[:: max(1, len(keys) // EXAMPLES)] + keys
    return sorted(dict.fromkeys(spread), key=lambda key: -abs(gains.get(key, 0)))[:EXAMPLES]


def _example(outcome: str, a: Answer, b: Answer, item: Item) -> Example:
    # The texts are shortened before they are compared, because the time of a comparison grows with
    # the square of their length.
    pieces = marked(*(shortened(_text(answer.prediction, item)) for answer in (a, b)))
    question, gold = shortened(item.question), _text(a.gold, item)
    return Example(a.guid, outcome, question, gold, *pieces, _is_right(a), _is_right(b))


def _is_right(answer: Answer) -> bool | None:
    value = answer.metrics.get(RIGHT)
    return bool(value) if value in (0, 1) else None


def _text(answer: int | str | None, item: Item) -> str:
    """An answer as text. The index of a choice is replaced by the choice's text."""
    return str(item.choices[answer] if item.choices and isinstance(answer, int) else answer).strip()


def shortened(text: str) -> str:
    """The text itself, or its beginning and its end if it is longer than LONGEST characters."""
    half = LONGEST // 2
    return text if len(text) <= LONGEST else text[:half].rstrip() + ELLIPSIS + text[-half:].lstrip()


def marked(a: str, b: str) -> tuple[list[AnswerPiece], list[AnswerPiece]]:
    """Split both texts into pieces by comparing them word by word. A piece is marked if the other
    text lacks it."""
    words_a, words_b = a.split(" "), b.split(" ")
    pieces_a: list[AnswerPiece] = []
    pieces_b: list[AnswerPiece] = []
    matcher = SequenceMatcher(None, words_a, words_b, autojunk=False)
    for kind, a_from, a_to, b_from, b_to in matcher.get_opcodes():
        if a_from < a_to:
            pieces_a.append(AnswerPiece(" ".join(words_a[a_from:a_to]), kind != "equal"))
        if b_from < b_to:
            pieces_b.append(AnswerPiece(" ".join(words_b[b_from:b_to]), kind != "equal"))
    return pieces_a, pieces_b


def _confusions(comparison: Comparison, items: Items, a: Answers, b: Answers) -> list[Confusion]:
    """The confusion matrices of a and b. Empty unless all items have the same choices."""
    choices = {tuple(items[key].choices or ()) for key in a}
    if len(choices) != 1 or choices == {()}:
        return []
    names = list(choices.pop())
    return [
        _confusion(comparison.task, comparison.a, names, a),
        _confusion(comparison.task, comparison.b, names, b),
    ]


def _confusion(task: str, side: Side, choices: list[str], answers: Answers) -> Confusion:
    counts = Counter((answer.gold, answer.prediction) for answer in answers.values())
    indices = range(len(choices))
    return Confusion(
        task,
        side,
        choices,
        [[counts[gold, predicted] for predicted in indices] for gold in indices],
    )
