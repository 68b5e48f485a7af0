"""The names and numbers in the sentences about comparisons. The better model comes first."""

import math
from collections import Counter
from dataclasses import dataclass
from functools import cached_property

from kotune.compare.comparison import Comparison, Side
from kotune.compare.gains import GainComparison
from kotune.compare.paired import FEWEST_CLUSTERS
from kotune.compare.result import Result
from kotune.compare.verdict import claim
from kotune.display.figures import change, level
from kotune.display.phrases import Phrases
from kotune.display.words import amount, p_text
from kotune_tasks.card import cards

CLAIMED = ("better", "worse", "adapters_differ")  # the claims that there is a difference
Places = dict[str, str]  # the placeholders of a phrase, with their values


def equals(p_value: float | None) -> str:
    """A p-value as the end of a formula: `= .004` or `< .001`."""
    text = p_text(p_value)
    return text if text.startswith("<") else f"= {text}"


@dataclass(frozen=True)
class Wording:
    """The placeholders of the phrases about the comparisons of `result`."""

    result: Result
    phrases: Phrases

    @cached_property
    def tasks(self) -> Counter[str]:
        """The number of tasks of each criterion."""
        compared = (*self.result.comparisons, *self.result.baselines)
        return Counter(cards()[task].criterion for task in {each.task for each in compared})

    def name(self, side: Side) -> str:
        return self.result.models[side.run.folder]

    def about(self, comparison: Comparison) -> str:
        """The criterion of a comparison. The task is added if several tasks have this criterion,
        and the metric if lower values are better."""
        card = cards()[comparison.task]
        more = [comparison.task] if self.tasks[card.criterion] > 1 else []
        if comparison.metric in card.lower_is_better:
            more.append(self.phrases("lower_is_better", metric=comparison.metric))
        criterion = self.phrases.word("criteria", card.criterion)
        if not more:
            return criterion
        return self.phrases("about", criterion=criterion, more=", ".join(more))

    def places(self, comparison: Comparison) -> Places:
        """The placeholders of a verdict on two variants of a model, or on two models. `first` is
        the better model, unless the variants of one model are compared."""
        paired, share = comparison.paired, comparison.is_share
        values = (level(paired.value_a, share), level(paired.value_b, share))
        first, second = (1, 0) if comparison.is_tuning or is_ahead(comparison) else (0, 1)
        sides = (comparison.a, comparison.b)
        number = "more" if any(side.others for side in sides) else "two"
        are_tuned = all(side.run.is_tuned for side in sides)
        return {
            **self._difference(comparison, 1 if first else -1),
            "about": self.about(comparison),
            "first": self.name(sides[first]),
            "second": self.name(sides[second]),
            "value_first": values[first],
            "value_second": values[second],
            "adapters": self.phrases.word("adapters", number if are_tuned else "model"),
            "sample": self._sample(comparison, sides[first], sides[second]),
            "groups": f"{paired.groups:,}",
            "fewest": f"{FEWEST_CLUSTERS}",
        }

    def of_gains(self, gain: GainComparison) -> Places:
        """The placeholders of a verdict on gains. `first` is the model that gained more."""
        gained = (gain.paired.value_a, gain.paired.value_b)
        first, second = (1, 0) if is_ahead(gain) else (0, 1)
        bases = [level(base, gain.is_share) for base in gain.bases]
        points = [change(value, gain.is_share, self.phrases, sign="") for value in gained]
        return {
            **self.places(gain),
            "base_first": bases[first],
            "base_second": bases[second],
            "gain_first": points[first],
            "gain_second": points[second],
        }

    def _difference(self, comparison: Comparison, sign: int) -> Places:
        """The difference with its interval and p-value. With `sign` -1, it is a minus b. The
        interval of a claimed difference has enough digits to show that it excludes 0."""
        paired, share = comparison.paired, comparison.is_share
        low, high = sorted((sign * paired.ci_low, sign * paired.ci_high))
        is_claimed = claim(comparison) in CLAIMED
        nearest = min(abs(low), abs(high)) if is_claimed else math.inf
        return {
            "by": change(sign * paired.difference, share, self.phrases, nearest),
            "low": amount(low, share, nearest),
            "high": amount(high, share, nearest),
            "p": equals(comparison.p_holm),
            "detectable": change(paired.detectable, share, self.phrases, sign=""),
        }

    def _sample(self, comparison: Comparison, first: Side, second: Side) -> str:
        """The numbers of seeds and items."""
        counts = [len(side.runs) for side in (first, second)]
        kind = "several" if max(counts) > 1 else "one"
        if not comparison.is_tuning:
            kind = "unequal" if counts[0] != counts[1] else f"{kind}_each"
        seeds = {"seeds": str(counts[0]), "others": str(counts[1])}
        return self.phrases.phrase("sample", kind, n=f"{comparison.paired.n:,}", **seeds)


def is_ahead(comparison: Comparison) -> bool:
    """Whether b is better than a, significantly or not."""
    difference = comparison.paired.difference
    return difference < 0 if comparison.is_lower_better else difference > 0
