"""Measures whether the answers to several prompts for one question agree. The consistency metrics
use these functions."""

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
BUCKETS = 512


def complete(items: Sequence[Sequence[Any]]) -> list[Answers]:
    """The answers of each item, without incomplete items. An item is incomplete if --limit excluded
    some of its prompts. It is dropped, since fewer answers would look more consistent.

    `items`: (cluster, item, prompts, gold, answer), where `prompts` is the number of prompts of the
    item."""
    by_item: dict[tuple[Hashable, int], Answers] = {}
    for _, item, prompts, gold, answer in items:
        by_item.setdefault((item, prompts), []).append((gold, answer))
    return [answers for (_, prompts), answers in by_item.items() if len(answers) == prompts]


def same(answers: Answers) -> bool:
    """Whether all answers are the same. False if they are empty texts, since these are not
    answers."""
    return len({answer for _, answer in answers}) == 1 and answers[0][1] != ""


def same_and_right(answers: Answers) -> bool:
    """Whether all answers are right."""
    return all(gold == answer for gold, answer in answers)


def same_pairs(answers: Answers) -> float:
    """The share of pairs of answers that are the same."""
    counts = Counter(answer for _, answer in answers).values()
    return sum(n * (n - 1) for n in counts) / (len(answers) * (len(answers) - 1))


def bigrams(text: str) -> "Array":
    """The counts of a text's character bigrams as a vector of length BUCKETS and norm 1; zeros for
    an empty text. The beginning and the end of the text count as characters.

    Bigrams are hashed into buckets with a random sign, which preserves the expected cosine of two
    texts. Weinberger et al. 2009, https://arxiv.org/abs/0902.2206."""
    import numpy as np

    counts = np.zeros(BUCKETS)
    for first, second in pairwise(f"\n{text}\n" if text else ""):
        bucket, sign = _bucket(first + second)
        counts[bucket] += sign
    return counts / (float(np.linalg.norm(counts)) or 1.0)


@lru_cache(maxsize=1 << 16)
def _bucket(bigram: str) -> tuple[int, int]:
    number = int.from_bytes(blake2b(bigram.encode(), digest_size=4).digest())
    return number % BUCKETS, 1 if number >> 31 else -1
