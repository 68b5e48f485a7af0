"""Scores and comparisons computed once more, from a run folder's raw files.

It is written from the documentation alone (docs/statistics.md, tasks/README.md), with numpy and the
standard library, and shares no line with what it checks. It reads predictions from log-likelihoods,
premises from the questions and labels from the training rows, never the per-item `metrics` of a
sample.
"""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from math import comb
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
CHOICES = 3


class Answers(NamedTuple):
    """A variant's answers, an item a row. `premises` and `clusters` number the groups of items."""

    keys: list[tuple[str, str]]  # doc hash and question
    gold: Integers
    said: (
        Integers  # the likeliest choice; of a baseline, which has no log-likelihoods, what it says
    )
    logprobs: Floats  # items x choices; NaN for a baseline
    premises: Integers
    clusters: Integers

    @property
    def right(self) -> NDArray[np.bool_]:
        return self.said == self.gold

    @property
    def probabilities(self) -> Floats:
        odds = np.exp(self.logprobs - self.logprobs.max(axis=1, keepdims=True))
        return odds / odds.sum(axis=1, keepdims=True)


# A metric takes answers and weights (worlds x items: how often a world has an item), and returns a
# value a world.
Metric = Callable[[Answers, Floats], Floats]


def answers(run: Path, variant: str, task: str) -> Answers:
    """What `variant` (base, tuned or a baseline) answered to a task whose choices are scored."""
    rows = _rows(run / "samples" / variant / f"{task}.jsonl")
    asked = {row["doc_hash"]: row["question"] for row in _rows(_items(run, task))}
    questions = [asked[row["doc_hash"]] for row in rows]
    unsaid = [np.nan] * CHOICES
    logprobs = np.array([row.get("logprobs", unsaid) for row in rows], dtype=float)
    told = np.array([row["prediction"] for row in rows])
    return Answers(
        keys=[(row["doc_hash"], asked[row["doc_hash"]]) for row in rows],
        gold=np.array([row["gold"] for row in rows]),
        said=np.where(np.isnan(logprobs[:, 0]), told, logprobs.argmax(axis=1)),
        logprobs=logprobs,
        premises=_numbered([question.split("\n")[0] for question in questions]),
        clusters=_numbered([row["cluster"] for row in rows]),
    )


def shared(a: Answers, b: Answers) -> tuple[Answers, Answers]:
    """The items that both were asked in the same words, in the order of `a`."""
    at = {key: number for number, key in enumerate(b.keys)}
    of_a = [number for number, key in enumerate(a.keys) if key in at]
    return _taken(a, of_a), _taken(b, [at[a.keys[number]] for number in of_a])


def label_shares(run: Path, task: str) -> Floats:
    """How often each choice of the task is the answer of a training row, as shares."""
    choices = _rows(_items(run, task))[0]["choices"]
    said = Counter(
        row["messages"][-1]["content"].strip() for row in _rows(run / "data" / "train.jsonl")
    )
    counts = np.array([said[choice] for choice in choices], dtype=float)
    return counts / counts.sum()


def accuracy(of: Answers, weights: Floats) -> Floats:
    return _mean(of.right.astype(float), weights)


def brier(of: Answers, weights: Floats) -> Floats:
    truth = np.eye(CHOICES)[of.gold]
    return _mean(((of.probabilities - truth) ** 2).sum(axis=1), weights)


def macro_f1(of: Answers, weights: Floats) -> Floats:
    """The unweighted mean of the F1 of the labels that occur as gold or as predicted."""
    labels = np.arange(CHOICES)
    gold = of.gold[:, None] == labels
    said = of.said[:, None] == labels
    hits, golds, saids = (weights @ one.astype(float) for one in (gold & said, gold, said))
    occurring = golds + saids > 0
    f1 = 2 * hits / np.where(occurring, golds + saids, 1)
    return np.asarray(f1.sum(axis=1) / occurring.sum(axis=1))


def triple_accuracy(of: Answers, weights: Floats) -> Floats:
    """The share of right premises among those whose items have all three labels."""
    counted, first, right = [], [], []
    for premise in np.unique(of.premises):
        (own,) = np.nonzero(of.premises == premise)
        counted.append(set(of.gold[own]) == {0, 1, 2})
        first.append(own[0])  # a world has a premise as often as any of its items
        right.append(of.right[own].all())
    times = weights[:, first] * np.array(counted)
    with np.errstate(invalid="ignore"):
        return np.asarray(times @ np.array(right, dtype=float) / times.sum(axis=1))


def calibration_error(of: Answers, weights: Floats) -> Floats:
    """Over ten bins of the likeliest choice's probability: |share right - mean probability|."""
    sure = of.probabilities.max(axis=1)
    bins = np.minimum((sure * 10).astype(int), 9)
    too_right = (bins[:, None] == np.arange(10)) * (of.right - sure)[:, None]
    return np.asarray(np.abs(weights @ too_right).sum(axis=1) / weights.sum(axis=1))


METRICS: dict[str, Metric] = {
    "acc": accuracy,
    "macro_f1": macro_f1,
    "triple_acc": triple_accuracy,
    "brier": brier,
    "ece": calibration_error,
}


def value(metric: Metric, of: Answers) -> float:
    return float(metric(of, np.ones((1, len(of.gold))))[0])


def difference(metric: Metric, a: Answers, b: Answers) -> float:
    return value(metric, b) - value(metric, a)


def worlds(of: Answers, draws: int, rng: np.random.Generator) -> Floats:
    """Weights of bootstrap resamples of whole clusters, as many clusters as there are."""
    count = of.clusters.max() + 1
    drawn = rng.multinomial(count, np.full(count, 1 / count), size=draws)
    return drawn[:, of.clusters].astype(float)


def flipped(metric: Metric, a: Answers, b: Answers, signs: NDArray[np.bool_]) -> Floats:
    """Differences after the two models' answers to some clusters change places (draws x
    clusters)."""
    both = Answers(
        keys=a.keys + b.keys,
        gold=np.concatenate([a.gold, b.gold]),
        said=np.concatenate([a.said, b.said]),
        logprobs=np.concatenate([a.logprobs, b.logprobs]),
        premises=np.concatenate([a.premises, b.premises + a.premises.max() + 1]),
        clusters=np.concatenate([a.clusters, b.clusters]),
    )
    moved = signs[:, a.clusters].astype(float)
    of_a, of_b = np.hstack([1 - moved, moved]), np.hstack([moved, 1 - moved])
    return metric(both, of_b) - metric(both, of_a)


class Estimate(NamedTuple):
    """A probability from random draws."""

    p: float
    draws: int


def sign_flip(
    metric: Metric, a: Answers, b: Answers, draws: int, rng: np.random.Generator
) -> Estimate:
    """The two-sided p: how often exchanged answers lie as far apart. The data count as a draw."""
    signs = rng.random((draws, a.clusters.max() + 1)) < 0.5
    far = np.abs(flipped(metric, a, b, signs)) >= abs(difference(metric, a, b)) - 1e-9
    return Estimate((1 + int(far.sum())) / (1 + draws), draws)


def exact_sign_flip(a: Answers, b: Answers) -> float:
    """The same p of accuracy with every pattern of signs, by the distribution of their sum."""
    return _exact_sign_flip(b.right.astype(int) - a.right.astype(int), a.clusters)


def gain(base: Answers, tuned: Answers) -> Integers:
    """What each item gained by tuning: -1, 0 or 1."""
    return tuned.right.astype(int) - base.right.astype(int)


def exact_gain_p(gain_a: Integers, gain_b: Integers, clusters: Integers) -> float:
    """The two-sided p of two gains in accuracy, when they are exchanged within clusters."""
    return _exact_sign_flip(gain_b - gain_a, clusters)


def _exact_sign_flip(won: Integers, clusters: Integers) -> float:
    sums = np.abs(np.bincount(clusters, weights=won)).astype(int)
    ways = {0: 1}  # how many patterns end at a sum: whole numbers of any size
    for size in sums:
        after: Counter[int] = Counter()
        for total, many in ways.items():
            after[total + size] += many
            after[total - size] += many
        ways = dict(after)
    far = sum(many for total, many in ways.items() if abs(total) >= abs(int(won.sum())))
    return far / sum(ways.values())


def mcnemar(a: Answers, b: Answers) -> float:
    """The exact two-sided p: a fair coin for each item that one of the two has right."""
    won, lost = int((b.right & ~a.right).sum()), int((a.right & ~b.right).sum())
    tail = sum(comb(won + lost, times) for times in range(min(won, lost) + 1))
    return min(1.0, 2 * tail / 2 ** (won + lost))


def holm(ps: Sequence[float]) -> list[float]:
    """Holm's adjusted p of each: times the number of those that are not smaller, never falling."""
    adjusted, largest = [0.0] * len(ps), 0.0
    for rank, at in enumerate(sorted(range(len(ps)), key=lambda number: ps[number])):
        largest = max(largest, min(1.0, ps[at] * (len(ps) - rank)))
        adjusted[at] = largest
    return adjusted


class Range(NamedTuple):
    """Where a figure from other random draws lies, but for one of some 16,000 cases: four
    Monte-Carlo standard errors about it, of both sets of draws together."""

    low: float
    high: float


SIGMAS = 4


def quantile(drawn: Floats, level: float, others: int) -> Range:
    """Of the `level` quantile of `others` draws: order statistics, whatever the distribution."""
    error = SIGMAS * np.sqrt(level * (1 - level) * (1 / len(drawn) + 1 / others))
    low, high = np.nanquantile(drawn, [max(level - error, 0.0), min(level + error, 1.0)])
    return Range(float(low), float(high))


def stderr(drawn: Floats, others: int) -> Range:
    """Of the standard deviation of `others` draws, by the fourth moment."""
    apart = drawn[~np.isnan(drawn)]
    apart = apart - apart.mean()
    variance, fourth = float((apart**2).mean()), float((apart**4).mean())
    error = np.sqrt((fourth / variance - variance) / 4 * (1 / len(drawn) + 1 / others))
    return Range(variance**0.5 - SIGMAS * float(error), variance**0.5 + SIGMAS * float(error))


def p_value(own: Estimate, others: int) -> Range:
    """Of the p of `others` draws: binomial, and the smallest p that so many draws can give."""
    error = SIGMAS * np.sqrt(own.p * (1 - own.p) * (1 / own.draws + 1 / others))
    least = 1 / (1 + own.draws) + 1 / (1 + others)
    return Range(own.p - float(error) - least, own.p + float(error) + least)


def _mean(of: Floats, weights: Floats) -> Floats:
    return np.asarray(weights @ of / weights.sum(axis=1))


def _taken(of: Answers, at: list[int]) -> Answers:
    return Answers(
        keys=[of.keys[number] for number in at],
        gold=of.gold[at],
        said=of.said[at],
        logprobs=of.logprobs[at],
        premises=_numbered(of.premises[at].tolist()),
        clusters=_numbered(of.clusters[at].tolist()),
    )


def _numbered(names: Sequence[object]) -> Integers:
    numbers: dict[object, int] = {}
    return np.array([numbers.setdefault(name, len(numbers)) for name in names])


def _items(run: Path, task: str) -> Path:
    return run / "samples" / "items" / f"{task}.jsonl"


def _rows(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]
