"""How well each signal ranks the two texts of a pair, and whole against damaged text."""

from collections.abc import Callable, Iterable, Iterator
from functools import cache

from benchmarks.naturalness_texts import DAMAGE, damaged, faults, read_pairs
from kodata.metrics.naturalness.signals import Signal, measure
from kodata.metrics.naturalness.translationese import TRANSLATIONESE

# Which end of a signal is the unnatural one.
HIGHER_IS_WORSE = {
    "lm_bits_per_char": True,
    "kiwi_score": False,
    "function_profile": False,
    "spacing_errors": True,
    "repetition_4gram": True,
    "speech_clash": True,
}
HIGHER_IS_WORSE |= dict.fromkeys(TRANSLATIONESE, True)
BY_FAULT = ("function_profile", "kiwi_score", "repetition_4gram", "speech_clash")
ALL_COUNTS = "(all counts together)"
FLUENCY = ("lm_bits_per_char", "kiwi_score", "spacing_errors")
Signals = dict[str, Signal]
Score = Callable[[Signals], float]


@cache
def measured(text: str) -> Signals:
    """Each text is read once for all tables."""
    return measure(text)


def rate(name: str) -> Score:
    """The score of a signal: its value in a text, with the sign that makes more of it less
    natural; 0 if it is out of nothing."""
    sign = 1 if HIGHER_IS_WORSE[name] else -1
    return lambda signals: (
        sign * signals[name].amount / signals[name].out_of if signals[name].out_of else 0.0
    )


def any_count(signals: Signals) -> float:
    """All counts of translationese together: for this page alone, no metric."""
    return sum(rate(name)(signals) for name in TRANSLATIONESE)


def length(signals: Signals) -> float:
    """The length of the text, which should rank nothing: also for this page alone."""
    return signals["lm_bits_per_char"].out_of


def scores() -> dict[str, Score]:
    """The rows of the tables."""
    return {
        **{name: rate(name) for name in HIGHER_IS_WORSE},
        ALL_COUNTS: any_count,
        "(characters)": length,
    }


def ranked(score: Score, pairs: Iterable[tuple[str, str]]) -> tuple[int, int, int]:
    """The numbers of (natural, unnatural) pairs in which the unnatural text scores more, the same,
    and less."""
    gaps = [score(measured(unnatural)) - score(measured(natural)) for natural, unnatural in pairs]
    return sum(gap > 0 for gap in gaps), gaps.count(0), sum(gap < 0 for gap in gaps)


def pair_table() -> Iterator[str]:
    """Rank accuracy on both halves of the pairs."""
    yield (
        "| signal | development: right | tied | reversed | held out: right | tied | reversed |"
        " held-out rank accuracy |"
    )
    yield "|---|---|---|---|---|---|---|---|"
    halves = read_pairs(held_out=False), read_pairs(held_out=True)
    for name, score in scores().items():
        (right, *rest), held = ranked(score, halves[0]), ranked(score, halves[1])
        cells = [name, right, *rest, *held, accuracy(held[0], len(halves[1]))]
        yield "| " + " | ".join(map(str, cells)) + " |"


def accuracy(right: int, out_of: int) -> str:
    """A share with its 95% interval (Wilson 1927)."""
    from scipy.stats import binomtest

    low, high = binomtest(right, out_of).proportion_ci(method="wilson")
    return f"{right / out_of:.2f} ({low:.2f} to {high:.2f})"


def fault_table() -> Iterator[str]:
    """Rank accuracy by the fault that a pair is about: right of all, on both halves."""
    names = (*BY_FAULT, ALL_COUNTS)
    yield f"| fault | {' | '.join(names)} |"
    yield "|---|" + "---|" * len(names)
    for fault in faults():
        halves = read_pairs(False, fault), read_pairs(True, fault)
        cells = [
            " + ".join(f"{ranked(scores()[name], half)[0]}/{len(half)}" for half in halves)
            for name in names
        ]
        yield f"| {fault} | {' | '.join(cells)} |"


def damage_table() -> Iterator[str]:
    """Rank accuracy of the fluency signals on whole against damaged text."""
    yield f"| damage | texts | {' | '.join(FLUENCY)} |"
    yield "|---|---|" + "---|" * len(FLUENCY)
    for damage in DAMAGE:
        texts = damaged(damage)
        cells = [accuracy(ranked(rate(name), texts)[0], len(texts)) for name in FLUENCY]
        yield f"| {damage.__name__} | {len(texts)} | {' | '.join(cells)} |"
