"""Whether the answers to one question, asked in several ways, agree: what the metrics of
consistency are made of."""

from collections import Counter
from collections.abc import Hashable, Sequence
from functools import lru_cache
from hashlib import blake2b
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[np.float64]]

Answers = list[tuple[Any, Any]]  # (gold, said) of one item, asked in several ways
BUCKETS = 512


def whole(items: Sequence[Sequence[Any]]) -> list[Answers]:
    """The answers to each item that was asked in all its ways: one that --limit cut through would
    look consistent.

    `items`: (cluster, item, ways, gold, said), `ways` the number of prompts that ask the same.
    """
    asked: dict[tuple[Hashable, int], Answers] = {}
    for _, item, ways, gold, said in items:
        asked.setdefault((item, ways), []).append((gold, said))
    return [answers for (_, ways), answers in asked.items() if len(answers) == ways]


def same(answers: Answers) -> bool:
    """Whether all answers are one; an empty text is no answer."""
    return len({said for _, said in answers}) == 1 and answers[0][1] != ""


def same_and_right(answers: Answers) -> bool:
    """Whether all answers are right."""
    return all(gold == said for gold, said in answers)


def same_pairs(answers: Answers) -> float:
    """The share of pairs of answers that are the same."""
    counts = Counter(said for _, said in answers).values()
    return sum(n * (n - 1) for n in counts) / (len(answers) * (len(answers) - 1))


def bigrams(text: str) -> "Array":
    """A text's counts of character bigrams, its two ends being characters too, at length 1; zeros
    where it is empty.

    Counts are added up in BUCKETS with a sign each, which keeps the expected value of the cosine of
    two texts. Weinberger et al. 2009, https://arxiv.org/abs/0902.2206."""
    import numpy as np

    counts = np.zeros(BUCKETS)
    for one, other in pairwise(f"\n{text}\n" if text else ""):
        bucket, sign = _bucket(one + other)
        counts[bucket] += sign
    return counts / (float(np.linalg.norm(counts)) or 1.0)


@lru_cache(maxsize=1 << 16)
def _bucket(bigram: str) -> tuple[int, int]:
    drawn = int.from_bytes(blake2b(bigram.encode(), digest_size=4).digest())
    return drawn % BUCKETS, 1 if drawn >> 31 else -1
