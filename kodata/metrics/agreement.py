"""Measures whether a model's answers to several prompts agree. The prompts of one item ask the same
question in different ways. The metrics of consistency use these functions."""

from collections import Counter
from collections.abc import Hashable, Sequence
from functools import lru_cache
from hashlib import blake2b
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[np.float64]]

Answers = list[tuple[Any, Any]]  # (gold, answer) for each prompt of one item
BUCKETS = 512  # the length of the vectors of bigrams()


def complete(items: Sequence[Sequence[Any]]) -> list[Answers]:
    """The answers of each complete item. An item is incomplete if --limit excluded some of its
    prompts. Incomplete items are dropped, since fewer answers agree more easily.

    `items` has one (cluster, item, prompts, gold, answer) for each answer. `prompts` is the number
    of prompts of the item, and `gold` the right answer."""
    by_item: dict[tuple[Hashable, int], Answers] = {}
    for _, item, prompts, gold, answer in items:
        by_item.setdefault((item, prompts), []).append((gold, answer))
    return [answers for (_, prompts), answers in by_item.items() if len(answers) == prompts]


def same(answers: Answers) -> bool:
    """Whether all answers of an item are the same. False if all are empty texts, since an empty
    text is not an answer."""
    return len({answer for _, answer in answers}) == 1 and answers[0][1] != ""


def same_and_right(answers: Answers) -> bool:
    """Whether all answers of an item are right, and therefore the same."""
    return all(gold == answer for gold, answer in answers)


def same_pairs(answers: Answers) -> float:
    """The share of the pairs of an item's answers in which both answers are the same."""
    counts = Counter(answer for _, answer in answers).values()
    return sum(n * (n - 1) for n in counts) / (len(answers) * (len(answers) - 1))


def bigrams(text: str) -> "Array":
    """The counts of a text's character bigrams as a vector of length BUCKETS and norm 1. All zeros
    for an empty text. The beginning and the end of the text count as characters.

    A hash assigns each bigram to a component of the vector, and gives it the sign + or -. On
    average, bigrams that share a component do not change the cosine of two texts. Weinberger et al.
    2009, https://arxiv.org/abs/0902.2206."""
    import numpy as np

    counts = np.zeros(BUCKETS)
    for first, second in pairwise(f"\n{text}\n" if text else ""):
        bucket, sign = _bucket(first + second)
        counts[bucket] += sign
    return counts / (float(np.linalg.norm(counts)) or 1.0)


@lru_cache(maxsize=1 << 16)
def _bucket(bigram: str) -> tuple[int, int]:
    """Returns the component of a bigram, and its sign (1 or -1)."""
    number = int.from_bytes(blake2b(bigram.encode(), digest_size=4).digest())
    return number % BUCKETS, 1 if number >> 31 else -1
