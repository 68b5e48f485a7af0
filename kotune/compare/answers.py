"""What changed between two models, item by item: won and lost, which answer was mistaken for which,
and examples to read."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from typing import Any

from kotune.compare.comparison import Comparison, Side
from kotune.runs.finished import Sample
from kotune_tasks.card import cards

EXAMPLES = 3  # won, and as many lost
LONGEST = 600  # characters of a question or an answer that are shown
ELLIPSIS = " … "

RIGHT = "acc"
Samples = dict[str, Sample]
Piece = tuple[str, bool]  # text, and whether the other answer has it not


@dataclass(frozen=True)
class Example:
    """One item answered twice. `a` and `b`: the answers in pieces."""

    guid: str
    outcome: str  # `won` by b, `lost`, or `other` where it has no figure of its own
    question: str
    gold: str
    a: list[Piece]
    b: list[Piece]
    # Whether a's and b's answers are; None where that is no question of yes or no.
    right: tuple[bool | None, bool | None]


@dataclass(frozen=True)
class Confusion:
    """How often each right answer (a row) was answered with each choice (a column)."""

    task: str
    side: Side
    choices: list[str]
    counts: list[list[int]]


@dataclass(frozen=True)
class Changes:
    """Items of a comparison that `metric` finds better (won) or worse (lost) with b, or answered in
    other words."""

    one: Comparison
    metric: str
    n: int
    won: int
    lost: int
    other: int
    examples: list[Example]
    confusions: list[Confusion]  # of a and b, before and after tuning

    @property
    def is_tuning(self) -> bool:
        return self.one.a.run is self.one.b.run


def changes(found: Sequence[Comparison]) -> Iterator[Changes]:
    """For each judged comparison: by its metric, or by `acc` where that one is made of several
    items. Where both are, no item is won or lost, but answers are other ones. Of several seeds the
    first is shown."""
    for one in map(of_first_seed, found):
        if one.p_holm is not None:
            (a, *_), (b, *_) = asked(one)
            yield _changes(one, a, b, one.a.run.samples(one.task, "items"))


def of_first_seed(one: Comparison) -> Comparison:
    """The comparison with the first run alone on each side."""
    return replace(one, a=replace(one.a, others=()), b=replace(one.b, others=()))


def asked(one: Comparison) -> tuple[list[Samples], list[Samples]]:
    """What each run of a and each of b made of the items that all were asked, in the same order."""
    ours, theirs = (side.samples(one.task) for side in (one.a, one.b))
    first, *rest = (*ours, *theirs)
    question = {key: first[key]["question_hash"] for key in first}
    both = [
        key
        for key in first
        if all(key in s and s[key]["question_hash"] == question[key] for s in rest)
    ]
    return [{key: s[key] for key in both} for s in ours], [
        {key: s[key] for key in both} for s in theirs
    ]


def _changes(one: Comparison, a: Samples, b: Samples, items: Samples) -> Changes:
    metric, gains = _followed(one, a, b)
    won, lost = [key for key in gains if gains[key] > 0], [key for key in gains if gains[key] < 0]
    other = [] if gains else [key for key in a if a[key]["prediction"] != b[key]["prediction"]]
    sides = {
        "won": _largest(won, gains),
        "lost": _largest(lost, gains),
        "other": _largest(other, gains),
    }
    examples = [
        _example(name, a[key], b[key], items[key]) for name, keys in sides.items() for key in keys
    ]
    counts = len(gains or a), len(won), len(lost), len(other)
    confusions = _confusions(one, items, a, b) if one.a.run is one.b.run else []
    return Changes(one, metric, *counts, examples, confusions)


def _followed(one: Comparison, a: Samples, b: Samples) -> tuple[str, dict[str, float]]:
    """The metric that items are followed by, and what each gained."""
    lower_is_better = cards()[one.task].lower_is_better
    found = ((metric, _gains(metric, lower_is_better, a, b)) for metric in (one.metric, RIGHT))
    return next(((metric, gains) for metric, gains in found if gains), ("", {}))


def _gains(
    metric: str, lower_is_better: frozenset[str], a: Samples, b: Samples
) -> dict[str, float]:
    """How much better each item is with b; items whose ingredient is no number are left out."""
    sign = -1 if metric in lower_is_better else 1
    pairs = {key: (a[key]["metrics"].get(metric), b[key]["metrics"].get(metric)) for key in a}
    return {
        key: sign * (after - before)
        for key, (before, after) in pairs.items()
        if isinstance(before, (int, float)) and isinstance(after, (int, float))
    }


def _largest(keys: list[str], gains: dict[str, float]) -> list[str]:
    """Those that changed most; among equals, from all over the task."""
    spread = keys[:: max(1, len(keys) // EXAMPLES)] + keys
    return sorted(dict.fromkeys(spread), key=lambda key: -abs(gains.get(key, 0)))[:EXAMPLES]


def _example(outcome: str, a: Sample, b: Sample, item: dict[str, Any]) -> Example:
    # Comparing takes time by its square.
    said = marked(*(shortened(_text(side["prediction"], item)) for side in (a, b)))
    right = _is_right(a), _is_right(b)
    return Example(
        a["guid"], outcome, shortened(item["question"]), _text(a["gold"], item), *said, right
    )


def _is_right(sample: Sample) -> bool | None:
    told = sample["metrics"].get(RIGHT)
    return bool(told) if told in (0, 1) else None


def _text(answer: object, item: dict[str, Any]) -> str:
    """An answer as a person reads it: a choice by its words."""
    return str(
        item["choices"][answer] if item["choices"] and isinstance(answer, int) else answer
    ).strip()


def shortened(text: str) -> str:
    """At most LONGEST characters, with the middle left out."""
    half = LONGEST // 2
    return text if len(text) <= LONGEST else text[:half].rstrip() + ELLIPSIS + text[-half:].lstrip()


def marked(a: str, b: str) -> tuple[list[Piece], list[Piece]]:
    """Both texts in pieces, each marked where the other has it not; compared word by word."""
    words = a.split(" "), b.split(" ")
    sides: tuple[list[Piece], list[Piece]] = ([], [])
    for kind, a_from, a_to, b_from, b_to in SequenceMatcher(
        None, *words, autojunk=False
    ).get_opcodes():
        for side, some in zip(sides, (words[0][a_from:a_to], words[1][b_from:b_to]), strict=True):
            if some:
                side.append((" ".join(some), kind != "equal"))
    return sides


def _confusions(one: Comparison, items: Samples, a: Samples, b: Samples) -> list[Confusion]:
    """Of a and b, where all items have the same choices; else none."""
    choices = {tuple(items[key]["choices"] or ()) for key in a}
    if len(choices) != 1 or choices == {()}:
        return []
    named = list(choices.pop())
    return [_confusion(one.task, side, named, said) for side, said in ((one.a, a), (one.b, b))]


def _confusion(task: str, side: Side, choices: list[str], samples: Samples) -> Confusion:
    counts = Counter((sample["gold"], sample["prediction"]) for sample in samples.values())
    places = range(len(choices))
    return Confusion(
        task, side, choices, [[counts[gold, said] for said in places] for gold in places]
    )
