"""Describes how answers changed between two models a and b: the numbers of items won and lost by b,
example answers, and confusion matrices."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from typing import NamedTuple

from kotune.compare.comparison import Comparison, Side
from kotune.compare.differences import shared_items
from kotune.runs.records import Answer, Answers, Item, Items
from kotune_tasks.card import cards

EXAMPLES = 3  # the maximum number of won items that are shown, and of lost items
LONGEST = 600  # the maximum number of characters of a question or an answer that are shown
ELLIPSIS = " … "  # stands for the characters that are left out

RIGHT = "acc"  # the metric that is 1 for a right answer and 0 for a wrong one


class AnswerPiece(NamedTuple):
    """A part of an answer. `is_marked`: whether the part differs from the other model's answer."""

    text: str
    is_marked: bool


class Gain(NamedTuple):
    """The metric by which items count as won or lost.

    `by_item`: how much better the answer of b is than the answer of a, by document hash. It is
    negative if the answer of b is worse."""

    metric: str
    by_item: dict[str, float]


@dataclass(frozen=True)
class Example:
    """One item with the answers of two models. `a` and `b`: the answers in pieces. Long texts are
    shortened."""

    doc_hash: str
    guid: str
    outcome: str  # `won` or `lost` by b; `other` if no metric has a value for single items
    question: str
    gold: str  # the right answer
    a: list[AnswerPiece]
    b: list[AnswerPiece]
    right_a: bool | None  # None if the answer is neither right nor wrong
    right_b: bool | None


@dataclass(frozen=True)
class Confusion:
    """The confusion matrix of one model. Rows are the right answers, and columns are the given
    answers. `counts`: the numbers of items by row and column, in the order of `choices`."""

    task: str
    side: Side
    choices: list[str]
    counts: list[list[int]]


@dataclass(frozen=True)
class Changes:
    """The changed items of a comparison.

    - `metric`: the metric that decides which items are won or lost. Empty if no metric has a value
      for single items.
    - `n`: the number of items that were compared
    - `won`, `lost`: the number of items that b answered better than a, and worse than a
    - `other`: the number of items that a and b answered differently. 0 unless `metric` is empty.
    - `confusions`: the confusion matrices of a and b. Empty unless a and b are one run before and
      after tuning, and all items have the same choices.
    """

    comparison: Comparison
    metric: str
    n: int
    won: int
    lost: int
    other: int
    examples: list[Example]
    confusions: list[Confusion]

    @property
    def is_tuning(self) -> bool:
        return self.comparison.is_tuning


def changes(comparisons: Sequence[Comparison]) -> Iterator[Changes]:
    """The changes of each primary comparison.

    The comparison's own metric decides which items are won or lost. If that metric has no value for
    single items, `acc` decides. If `acc` has no such values either, only different answers are
    counted. Of several seeds, only the first seed's run is used."""
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
    """The answers of each run of side a, and of each run of side b. All runs have the same items in
    the same order."""

    a: list[Answers]
    b: list[Answers]


def paired_answers(comparison: Comparison) -> PairedAnswers:
    """The answers of both sides' runs to the items that all these runs share."""
    a, b = (side.samples(comparison.task) for side in (comparison.a, comparison.b))
    items = shared_items([*a, *b])
    return PairedAnswers(_only(items, a), _only(items, b))


def _only(items: list[str], side: list[Answers]) -> list[Answers]:
    return [{key: answers[key] for key in items} for answers in side]


def _changes(comparison: Comparison, a: Answers, b: Answers, items: Items) -> Changes:
    metric, gains = _available_gain(comparison, a, b)
    won, lost = [key for key in gains if gains[key] > 0], [key for key in gains if gains[key] < 0]
    other = [] if gains else [key for key in a if a[key].prediction != b[key].prediction]
    chosen = {
        "won": _largest(won, gains),
        "lost": _largest(lost, gains),
        "other": _largest(other, gains),
    }
    examples = [
        as_example(name, a[key], b[key], items[key])
        for name, keys in chosen.items()
        for key in keys
    ]
    counts = len(gains or a), len(won), len(lost), len(other)
    confusions = _confusions(comparison, items, a, b) if comparison.is_tuning else []
    return Changes(comparison, metric, *counts, examples, confusions)


def _available_gain(comparison: Comparison, a: Answers, b: Answers) -> Gain:
    """The gain by the comparison's own metric. If this metric is a number for no item, the gain by
    `acc` is returned. If `acc` is a number for no item either, the gain is empty and its metric is
    an empty string."""
    lower_is_better = cards()[comparison.task].lower_is_better
    for metric in (comparison.metric, RIGHT):
        if gains := _gains(metric, lower_is_better, a, b):
            return Gain(metric, gains)
    return Gain("", {})


def _gains(
    metric: str, lower_is_better: frozenset[str], a: Answers, b: Answers
) -> dict[str, float]:
    """How much better the answer of b is by the metric, by document hash. An item is excluded
    unless its value of the metric is a number for both answers."""
    sign = -1 if metric in lower_is_better else 1
    pairs = {key: (a[key].metrics.get(metric), b[key].metrics.get(metric)) for key in a}
    return {
        key: sign * (after - before)
        for key, (before, after) in pairs.items()
        if isinstance(before, (int, float)) and isinstance(after, (int, float))
    }


def _largest(keys: list[str], gains: dict[str, float]) -> list[str]:
    """The EXAMPLES items of `keys` with the largest gains or losses.

    Of items with equal gains, those at regular distances in `keys` come first. Otherwise all
    examples could come from the beginning of the task."""
    spaced_first = keys[:: max(1, len(keys) // EXAMPLES)] + keys
    return sorted(dict.fromkeys(spaced_first), key=lambda key: -abs(gains.get(key, 0)))[:EXAMPLES]


def as_example(outcome: str, a: Answer, b: Answer, item: Item) -> Example:
    """An item as an example, with its answers by two models."""
    # marked() takes time that grows with the square of a text's length. So texts are shortened
    # first.
    pieces = marked(*(shortened(_text(answer.prediction, item)) for answer in (a, b)))
    question, gold = shortened(item.question), _text(a.gold, item)
    return Example(a.doc_hash, a.guid, outcome, question, gold, *pieces, _is_right(a), _is_right(b))


def _is_right(answer: Answer) -> bool | None:
    """Whether an answer is right. None if its value of `acc` is missing or neither 0 nor 1."""
    value = answer.metrics.get(RIGHT)
    return bool(value) if value in (0, 1) else None


def _text(answer: int | str | None, item: Item) -> str:
    """An answer as text. The index of a choice is replaced by the choice's text."""
    return str(item.choices[answer] if item.choices and isinstance(answer, int) else answer).strip()


def shortened(text: str) -> str:
    """The text itself if it has at most LONGEST characters. Otherwise its first and last LONGEST /
    2 characters."""
    half = LONGEST // 2
    return text if len(text) <= LONGEST else text[:half].rstrip() + ELLIPSIS + text[-half:].lstrip()


def marked(a: str, b: str) -> tuple[list[AnswerPiece], list[AnswerPiece]]:
    """Align two texts word by word, and split both into pieces. A piece is marked if it differs
    from the piece of the other text that it is aligned with, or is aligned with none."""
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
    """The confusion matrices of a and of b. Empty if items have no choices or different
    choices."""
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
