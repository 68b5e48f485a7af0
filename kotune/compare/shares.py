"""Knows which metrics are shares, from 0 to 1. People read these in percent, and their differences
in percentage points (%p)."""

from kodata.metrics.naturalness.signals import PER_1000
from kotune_tasks.card import cards

# The metrics that are not shares: scores with other ranges, lengths, and numbers per 1,000 words.
OTHER_UNITS = frozenset(
    {
        "brier",
        "fleiss_kappa",
        "function_profile",
        "kiwi_score",
        "length",
        "lm_bits_per_char",
        "thinking_characters",
        *PER_1000,
    }
)


def is_share(task: str, metric: str) -> bool:
    """Whether the values of a task's metric are shares. The task's card decides this for its
    primary metric."""
    card = cards()[task]
    return card.is_share if metric == card.primary else metric not in OTHER_UNITS
