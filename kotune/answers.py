"""What tuning changed, item by item: won and lost, which answer was mistaken for which, and examples to read."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from kotune.compare import Comparison, Finished, Sample
from tasks.card import cards

EXAMPLES = 3  # won, and as many lost
LONGEST = 600  # characters of a question that are shown
ELLIPSIS = " … "

RIGHT = "acc"
Samples = dict[str, Sample]
Piece = tuple[str, bool]  # text, and whether the other answer has it not


@dataclass(frozen=True)
class Example:
    """One item before and after. `base` and `tuned`: the answers in pieces."""

    guid: str
    outcome: str  # `won`, `lost`, or `other` where it has no figure of its own
    question: str
    gold: str
    base: list[Piece]
    tuned: list[Piece]


@dataclass(frozen=True)
class Confusion:
    """How often each right answer (a row) was answered with each choice (a column)."""

    task: str
    variant: str
    choices: list[str]
    counts: list[list[int]]


@dataclass(frozen=True)
class Changes:
    """Items of one task that `metric` finds better (won) or worse (lost) after tuning, or answered in other words."""

    task: str
    metric: str
    n: int
    won: int
    lost: int
    other: int
    examples: list[Example]
    confusions: list[Confusion]


def changes(run: Finished, found: Sequence[Comparison]) -> Iterator[Changes]:
    """For each task: by its judged metric, or by `acc` where that one is made of several items. Where both are, no item is
    won or lost, but answers are other ones."""
    for one in found:
        if one.p_holm is not None:
            base, tuned, items = (run.samples(one.task, kind) for kind in ("base", "tuned", "items"))
            found_gains = (
                _gains(metric, cards()[one.task].lower_is_better, base, tuned) for metric in (one.metric, RIGHT)
            )
            named = zip((one.metric, RIGHT), found_gains, strict=True)
            metric, gains = next(((metric, gains) for metric, gains in named if gains), ("", {}))
            yield _changes(one.task, metric, gains, (base, tuned, items))


def _changes(task: str, metric: str, gains: dict[str, float], samples: tuple[Samples, Samples, Samples]) -> Changes:
    base, tuned, items = samples
    won, lost = [key for key in gains if gains[key] > 0], [key for key in gains if gains[key] < 0]
    other = [] if gains else [key for key in base if base[key]["prediction"] != tuned[key]["prediction"]]
    sides = {"won": _largest(won, gains), "lost": _largest(lost, gains), "other": _largest(other, gains)}
    examples = [_example(name, base[key], tuned[key], items[key]) for name, keys in sides.items() for key in keys]
    counts = len(gains or base), len(won), len(lost), len(other)
    return Changes(task, metric, *counts, examples, _confusions(task, items, base, tuned))


def _gains(metric: str, lower_is_better: frozenset[str], base: Samples, tuned: Samples) -> dict[str, float]:
    """How much better each item is after tuning; items whose ingredient is no number are left out."""
    sign = -1 if metric in lower_is_better else 1
    pairs = {key: (base[key]["metrics"].get(metric), tuned[key]["metrics"].get(metric)) for key in base}
    return {
        key: sign * (b - a)
        for key, (a, b) in pairs.items()
        if isinstance(a, (int, float)) and isinstance(b, (int, float))
    }


def _largest(keys: list[str], gains: dict[str, float]) -> list[str]:
    """Those that changed most; among equals, from all over the task."""
    spread = keys[:: max(1, len(keys) // EXAMPLES)] + keys
    return sorted(dict.fromkeys(spread), key=lambda key: -abs(gains.get(key, 0)))[:EXAMPLES]


def _example(outcome: str, base: Sample, tuned: Sample, item: dict[str, Any]) -> Example:
    said = [_text(sample["prediction"], item) for sample in (base, tuned)]
    before, after = marked(*said)
    return Example(base["guid"], outcome, shortened(item["question"]), _text(base["gold"], item), before, after)


def _text(answer: object, item: dict[str, Any]) -> str:
    """An answer as a person reads it: a choice by its words."""
    return str(item["choices"][answer] if item["choices"] and isinstance(answer, int) else answer).strip()


def shortened(text: str) -> str:
    """At most LONGEST characters, with the middle left out."""
    half = LONGEST // 2
    return text if len(text) <= LONGEST else text[:half].rstrip() + ELLIPSIS + text[-half:].lstrip()


def marked(a: str, b: str) -> tuple[list[Piece], list[Piece]]:
    """Both texts in pieces, each marked where the other has it not; compared word by word."""
    words = a.split(" "), b.split(" ")
    sides: tuple[list[Piece], list[Piece]] = ([], [])
    for kind, a_from, a_to, b_from, b_to in SequenceMatcher(None, *words, autojunk=False).get_opcodes():
        for side, some in zip(sides, (words[0][a_from:a_to], words[1][b_from:b_to]), strict=True):
            if some:
                side.append((" ".join(some), kind != "equal"))
    return sides


def _confusions(task: str, items: Samples, base: Samples, tuned: Samples) -> list[Confusion]:
    """Of base and tuned, where all items have the same choices; else none."""
    choices = {tuple(item["choices"] or ()) for item in items.values()}
    if len(choices) != 1 or choices == {()}:
        return []
    named = list(choices.pop())
    return [_confusion(task, variant, named, side) for variant, side in (("base", base), ("tuned", tuned))]


def _confusion(task: str, variant: str, choices: list[str], samples: Samples) -> Confusion:
    counts = Counter((sample["gold"], sample["prediction"]) for sample in samples.values())
    places = range(len(choices))
    return Confusion(task, variant, choices, [[counts[gold, said] for said in places] for gold in places])
