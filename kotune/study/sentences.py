"""Writes sentences about the findings of a study on one task."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from kotune.compare.efficiency import Price, cost
from kotune.compare.paired import FEWEST_CLUSTERS
from kotune.compare.verdict import claim, of_adapters
from kotune.display.figures import level
from kotune.display.phrases import Phrases
from kotune.display.words import amount
from kotune.report.sentences import Verdict
from kotune.study.curves import AHEAD, OPEN, Place
from kotune.study.findings import BASELINE, Curve, Estimate, Findings, Pair, Passing, Target
from kotune_tasks.card import cards


@dataclass(frozen=True)
class Sentences:
    """The sentences about one task, in the language of `say`. `price`: the price of a GPU hour;
    None if no costs are shown."""

    findings: Findings
    say: Phrases
    price: Price | None

    @property
    def of(self) -> dict[str, str]:
        """The values of the placeholders that all sentences and titles share."""
        task = self.findings.scores.task
        criterion = self.say.word("criteria", cards()[task].criterion)
        return {"criterion": criterion, "task": task, "metric": self.findings.scores.metric}

    @property
    def is_share(self) -> bool:
        """Whether the metric is a share. Differences are then shown in percentage points."""
        return cards()[self.findings.scores.task].is_share

    def level(self, value: float) -> str:
        """A value of the metric as text."""
        return level(value, self.is_share)

    def verdicts(self) -> Iterator[Verdict]:
        """The verdicts: which arm gains more by training, at which sizes arms differ, how many rows
        each target needs, and what more data would add. The last one is left out for an arm with
        too few sizes or seeds."""
        pairs, curves = self.findings.pairs, self.findings.curves.values()
        yield from (self._learns(pair, pair.more) for pair in pairs if pair.more)
        yield from map(self._differs, pairs)
        yield from (Verdict("same", self._passes(arm)) for arm in self.findings.scores.arms)
        yield from (self.doubles(curve) for curve in curves if curve.why != "few")

    def _learns(self, pair: Pair, more: Estimate) -> Verdict:
        """A verdict on which arm gains more by training; this arm comes first. `more`: the
        difference (Pair.more). If the variation between seeds is unknown, it is about the adapters.
        Nothing is claimed if there are too few clusters, as in verdict.outcome()."""
        first, second = (pair.b, pair.a) if more.value >= 0 else (pair.a, pair.b)
        if more.value < 0:
            more = Estimate(-more.value, -more.high, -more.low)
        result = _result(more) if pair.includes_seeds else of_adapters(_result(more))
        groups = self.findings.scores.groups
        if groups < FEWEST_CLUSTERS and result != "undefined":
            result = "few"
        text = self.say.phrase(
            "study_learns",
            result,
            **self.of,
            first=first,
            second=second,
            rows=f"{pair.sizes[-1][0]:,}",
            groups=f"{groups:,}",
            fewest=f"{FEWEST_CLUSTERS}",
            **self._figures(more, more.value),
        )
        return Verdict(result, text)

    def _figures(self, estimate: Estimate, value: float) -> dict[str, str]:
        """The placeholders for a difference: `value` with its unit, and both ends of the
        interval."""
        by = amount(value, self.is_share)
        low, high = (amount(end, self.is_share) for end in (estimate.low, estimate.high))
        return {"by": self.say("points", n=by) if self.is_share else by, "low": low, "high": high}

    def _differs(self, pair: Pair) -> Verdict:
        """A verdict on the sizes at which an arm is better or worse than the other, and on where
        the curves cross. The arm that is better at more sizes comes first."""
        results = {rows: claim(comparison) for rows, comparison in pair.sizes}
        first, second = pair.b, pair.a
        told = [*results.values()]
        if told.count("worse") > told.count("better"):
            first, second = second, first
            turned = {"better": "worse", "worse": "better"}
            results = {rows: turned.get(result, result) for rows, result in results.items()}
        sizes = {
            kind: [rows for rows, result in results.items() if result == kind]
            for kind in self.say.words("study_differs")
        }
        parts = "; ".join(
            self.say.phrase("study_differs", kind, rows=", ".join(f"{rows:,}" for rows in of_kind))
            for kind, of_kind in sizes.items()
            if of_kind
        )
        about = "models" if pair.includes_seeds else "adapters"
        text = self.say.phrase(
            "study_pair", about, **self.of, first=first, second=second, told=parts
        )
        whole = [kind for kind, of_kind in sizes.items() if len(of_kind) == len(results)]
        return Verdict(whole[0] if whole else "same", f"{text} {self.crosses(pair)}".strip())

    def crosses(self, pair: Pair) -> str:
        """Sentences about where the curves of two arms cross; empty if they share only one size."""
        if len(pair.sizes) < 2:
            return ""
        if not pair.crossings:
            return self.say(
                "study_no_crossing", least=f"{pair.sizes[0][0]:,}", most=f"{pair.sizes[-1][0]:,}"
            )
        if OPEN in pair.crossings:
            return self.say("study_crossing_open")
        sure, unsure = (
            [self._range(place) for place in pair.crossings if place.is_sure is is_sure]
            for is_sure in (True, False)
        )
        sentences = [self.say("study_crossing", where=self.say("and").join(sure))] if sure else []
        kind = "study_crossing_also" if sure else "study_crossing_if"
        sentences += [self.say(kind, where=self.say("or").join(unsure))] if unsure else []
        return " ".join(sentences)

    def _range(self, place: Place) -> str:
        """A range of sizes as text: between two sizes, or above or below one."""
        kind = "between" if place.low and place.high else "above" if place.low else "below"
        return self.say.phrase(
            "study_range", kind, low=rounded(place.low), high=rounded(place.high)
        )

    def _passes(self, arm: str) -> str:
        """A sentence about the number of rows that an arm needs for each target. Targets with the
        same result are named together."""
        same: dict[str, list[str]] = {}
        for passing in self.findings.passings:
            if passing.arm == arm:
                target = passing.target
                value = self.level(target.value)
                aim = self.say("study_aim", target=self.named(target), value=value)
                same.setdefault(self._passing(passing), []).append(aim)
        parts = "; ".join(f"{', '.join(aims)}: {where}" for where, aims in same.items())
        about = "models" if self._holds_for_models(arm) else "adapters"
        return self.say.phrase("study_passes", about, **self.of, arm=arm, told=parts)

    def _holds_for_models(self, arm: str) -> bool:
        """Whether the sentence about an arm and its targets holds for the tuned models, not only
        for these adapters. It needs the variation between seeds of this arm, and of all arms that a
        target depends on."""
        points = self.findings.scores.points
        targets = (target.weights for target in self.findings.targets)
        indices = (index for weights in targets for each in weights for index in each)
        arms = {arm, *(points[index].arm for index in indices if index < len(points))}
        return all(map(self.findings.scores.has_seeds, arms))

    def _passing(self, passing: Passing) -> str:
        """A part of a sentence: where an arm passes a target, and the time and cost of training."""
        place, spent = passing.place, self.spent(passing)
        sizes = self.findings.scores.sizes(passing.arm)
        return self.say.phrase(
            "study_passing",
            state(place),
            least=f"{sizes[0]:,}",
            most=f"{sizes[-1]:,}",
            low=rounded(place.low),
            high=rounded(place.high),
            spent=self.say("study_in_brackets", spent=spent) if spent else "",
        )

    def spent(self, passing: Passing) -> str:
        """The minutes and won of training at both ends of the range in which an arm passes a
        target. Empty if the times are unknown, or if the arm does not pass the target in a
        range."""
        ends = [seconds for seconds in passing.seconds if seconds is not None]
        kind = state(passing.place)
        if not ends or kind not in self.say.words("study_spending"):
            return ""
        prices = [spent.won for seconds in ends if (spent := cost(seconds, self.price))]
        parts = [self.say("study_minutes", n=_ends([f"{seconds / 60:,.1f}" for seconds in ends]))]
        if prices:
            parts.append(self.say("study_won", n=_ends([f"{won:,.0f}" for won in prices])))
        return self.say.phrase("study_spending", kind, spent=", ".join(parts))

    def named(self, target: Target) -> str:
        """The name of a target in the reader's language."""
        return (
            self.say.word("lines", BASELINE)
            if target.name == BASELINE
            else self.say("study_share", n=target.name)
        )

    def doubles(self, curve: Curve) -> Verdict:
        """A verdict on what training on AHEAD times the largest size would add."""
        if curve.why:
            why = self.say.word("study_why", curve.why)
            return Verdict("undefined", self.say("study_no_law", **self.of, arm=curve.arm, why=why))
        most, better = self.findings.scores.sizes(curve.arm)[-1], self.findings.scores.better
        low, high = sorted((better * curve.more.low, better * curve.more.high))
        gain = Estimate(better * curve.more.value, low, high)
        result = _result(gain)
        text = self.say.phrase(
            "study_doubles",
            "flat" if curve.is_flat else result,
            **self.of,
            arm=curve.arm,
            rows=f"{most:,}",
            twice=f"{AHEAD * most:,}",
            **self._figures(gain, gain.value),
        )
        return Verdict(result, text)


# How a curve passes a target, by the signs of curve minus target below and above a range of sizes.
# 0 is an unknown sign.
STATES = {
    (-1, 1): "between",
    (1, -1): "falls",
    (-1, 0): "above",
    (0, 1): "below",
    (-1, -1): "between or not",
}


def state(place: Place) -> str:
    """How a curve passes a target, as a key of the phrases. `place`: the range of sizes in which
    the difference between curve and target may be 0. A positive difference means that the curve is
    better."""
    # The curve is better with the fewest rows and is not certainly worse with the most.
    is_always_better = place.first == 1 and place.last != -1
    if place.sign or is_always_better:
        return {1: "always", -1: "never"}[place.first]
    return STATES.get((place.first, place.last), "open")


def rounded(size: float | None) -> str:
    """A number of rows as text; empty for None, which is an open end. A measured size is exact. A
    calculated one, which is a float, is rounded to two digits."""
    if size is None:
        return ""
    return f"{size:,}" if isinstance(size, int) else f"{float(f'{size:.2g}'):,.0f}"


def _ends(ends: list[str]) -> str:
    """Both ends of a range as text; one number if they are equal."""
    return " ~ ".join(dict.fromkeys(ends))


def _result(difference: Estimate) -> str:
    """The kind of a difference: better, worse, same, or undefined if its interval is unknown."""
    if math.isnan(difference.low):
        return "undefined"
    return {1: "better", -1: "worse", 0: "same"}[difference.sign]
