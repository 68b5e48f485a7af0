"""The findings of a study on one task: how arms, sizes and seeds differ, which sizes reach a
target, and what more data would add. A size is a number of training rows.

A target is the value of a baseline, or a share of the best gain. The best gain is the difference
between the mean of the untuned models and the best arm at its largest size. Targets and curves are
measured on the same items, so their errors are correlated.

Which arm is the best is partly chance. So a share of the best gain is calculated once for each arm
that may be the best. An arm passes the target only if its value is better than all of these."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

from kotune.compare import seeds
from kotune.compare.comparison import Comparison
from kotune.compare.paired import Paired, holm
from kotune.compare.verdict import claim
from kotune.study import curves
from kotune.study.curves import Law, Measured, Place
from kotune.study.file import ARMS
from kotune.study.points import Scores
from kotune_tasks.card import cards

if TYPE_CHECKING:
    from kotune.study.curves import Array

BASELINE = "hypothesis_only"  # the baseline that is a target, on tasks that have it
SHARES = (0.8, 0.9)  # shares of the best gain that are used as targets
UNLIKELY = 0.01  # a power law whose misfit has a smaller p-value is rejected
# For each claim about two models, an interval that stands for the interval of the difference. Only
# the signs of its ends are used. For every other claim, the sign is UNSURE.
CLAIMED = {"better": (1, 1), "worse": (-1, -1)}
UNSURE = (-1, 1)
SINGULAR = 1e-14  # a covariance with a smaller eigenvalue is treated as singular
ADAPTER = ARMS.index("adapter")


class Estimate(NamedTuple):
    """A value and its 95% confidence interval."""

    value: float
    low: float
    high: float

    @property
    def sign(self) -> int:
        """The sign of a difference; 0 if its interval contains 0 or is NaN."""
        return 1 if self.low > 0 else -1 if self.high < 0 else 0


UNKNOWN = Estimate(math.nan, math.nan, math.nan)


@dataclass(frozen=True)
class Target:
    """A target.

    - `name`: the name of a baseline, or a share of the best gain in percent
    - `value`: the value of the baseline, or the share for the arm with the best value
    - `weights`: the target as weighted sums: dicts from an index of Scores.measured to its weight.
      A share has one dict for each arm that may be the best, a baseline has one dict.
    """

    name: str
    value: float
    weights: tuple[dict[int, float], ...]


@dataclass(frozen=True)
class Curve:
    """The power law that was fitted to an arm (kotune.study.curves).

    - `why`: the reason if there is no law: `few` sizes or seeds, `undefined` values or variances,
      or `misfit`; empty if there is a law
    - `is_flat`: whether the interval of the law's change over the measured sizes contains 0. The
      exponent is then not reported.
    - `exponent`: both ends of the 95% interval of b
    - `more`: the change of the value from the largest size to AHEAD times the largest size
    """

    arm: str
    why: str = ""
    law: Law | None = None
    is_flat: bool = False
    exponent: tuple[float, float] = (math.nan, math.nan)
    more: Estimate = UNKNOWN

    def at(self, sizes: Sequence[float]) -> list[Estimate]:
        """The values of the law at these sizes; empty if there is no law."""
        if self.law is None:
            return []
        import numpy as np

        spans = self.law.span(self.law.rows(np.array(sizes)))
        return [Estimate(*map(float, span)) for span in zip(*spans, strict=True)]


@dataclass(frozen=True)
class Passing:
    """Where an arm passes a target.

    - `place`: the range of sizes in which the arm's value may equal the target
    - `is_fitted`: whether the range comes from fitted laws, not from the measured sizes alone
    - `seconds`: the training time at both ends of `place`; None for an open end, or an end outside
      the measured sizes
    """

    arm: str
    target: Target
    place: Place
    is_fitted: bool
    seconds: tuple[float | None, float | None]


@dataclass(frozen=True)
class Pair:
    """A pair of arms, a and b.

    - `sizes`: every size that both arms have, with the comparison of b with a
    - `more`: the gain of b by training minus the gain of a, at the largest size that both have.
      None if their adapters differ, because then their untuned models differ.
    - `crossings`: the ranges of sizes in which the curves may cross
    - `is_fitted`: whether the ranges come from fitted laws, not from the measured sizes alone
    """

    a: str
    b: str
    sizes: Sequence[tuple[int, Comparison]]
    more: Estimate | None
    crossings: list[Place]
    is_fitted: bool

    @property
    def includes_seeds(self) -> bool:
        """Whether the variation between seeds is known for both arms. If not, what is found holds
        only for these adapters."""
        return self.sizes[0][1].includes_seeds


@dataclass(frozen=True)
class Floor:
    """The variation between the seeds of an arm.

    - `deviation`: the standard deviation between seeds, pooled over sizes
    - `degrees`: the degrees of freedom of `deviation`
    - `difference`: two runs of the same size differ by less than this in 95% of cases
    """

    arm: str
    deviation: float
    degrees: int
    difference: float


@dataclass(frozen=True)
class Findings:
    """All findings of a study on one task."""

    scores: Scores

    def estimate(self, at: int) -> Estimate:
        """The estimate of a point, a base model or a baseline. `at`: its index in
        Scores.measured."""
        measured = self.scores.measured
        return Estimate(float(measured.means[at]), *measured.interval(at))

    @cached_property
    def baselines(self) -> dict[str, float]:
        """The values of the baselines by name: those that were scored on the items, and `chance` if
        the card of the task has the value of guessing for the metric."""
        scores = self.scores
        chance = cards()[scores.task].chance.get(scores.metric)
        baselines = {"chance": chance} if chance is not None else {}
        means = scores.measured.means
        return baselines | {name: float(means[scores.baseline(name)]) for name in scores.baselines}

    def _difference(self, weights: dict[int, float]) -> Estimate:
        """The estimate of a weighted sum. `weights`: as in Scores.sum()."""
        total = self.scores.measured.through(self.scores.sum(weights)[None])
        return Estimate(float(total.means[0]), *total.interval(0))

    @cached_property
    def curves(self) -> dict[str, Curve]:
        """For each arm, its law or the reason why there is none."""
        return {arm: self._curve(arm) for arm in self.scores.arms}

    def _curve(self, arm: str) -> Curve:
        indices, sizes = self.scores.arms[arm], self.scores.sizes(arm)
        fewest_seeds = min(len(self.scores.points[index].runs) for index in indices)
        if len(sizes) < curves.SIZES or fewest_seeds < seeds.ENOUGH:
            return Curve(arm, "few")
        points = self.scores.measured.through(self._rows(arm))
        if not _is_defined(points):
            return Curve(arm, "undefined")
        law = curves.fit([sizes], points)
        if _misfit_p(law, sizes) < UNLIKELY:
            return Curve(arm, "misfit")
        rows = law.rows([sizes[0], sizes[-1], curves.AHEAD * sizes[-1]])  # type: ignore[arg-type]
        rise, more = (
            Estimate(*(float(end[0]) for end in law.span(rows[b : b + 1] - rows[a])))
            for a, b in ((0, 1), (1, 2))
        )
        # An exponent is likely if its excess misfit is at most the square of the rise's quantile.
        likely = law.exponents[law.excess <= law.quantile(rows[1:2] - rows[0])[0] ** 2, 0]
        exponent = (float(likely.min()), float(likely.max()))
        return Curve(arm, "", law, rise.sign == 0, exponent, more)

    def _rows(self, arm: str, less: dict[int, float] | None = None, sign: float = 1) -> "Array":
        """Weights for Measured.through(), with a row for each point of an arm. A row gives the
        value of the point minus the weighted sum `less`, all multiplied by `sign`."""
        import numpy as np

        rows = [
            self.scores.sum({index: 1}) - self.scores.sum(less or {})
            for index in self.scores.arms[arm]
        ]
        return sign * np.array(rows)

    @cached_property
    def targets(self) -> list[Target]:
        """The targets: BASELINE, if the task has it, and SHARES of the best gain. The shares are
        omitted if the best arm is not better than the mean of the untuned models, or if no arm has
        more than one size."""
        scores = self.scores
        worth = scores.better * scores.measured.means
        bases = [scores.base(arm) for arm in scores.arms]
        largest = [indices[-1] for indices in scores.arms.values()]
        best = max(largest, key=lambda index: worth[index])
        candidates = [best, *(index for index in largest if self._may_be_better(index, best))]
        weights: list[tuple[str, tuple[dict[int, float], ...]]] = []
        if BASELINE in scores.baselines:
            weights.append((BASELINE, ({scores.baseline(BASELINE): 1.0},)))
        if worth[best] > worth[bases].mean() and len(scores.points) > len(scores.arms):
            for share in SHARES:
                start = dict.fromkeys(bases, (1 - share) / len(bases))
                each = tuple({index: share, **start} for index in candidates)
                weights.append((f"{100 * share:.0f}", each))
        return [
            Target(name, float(scores.sum(each[0]) @ scores.measured.means), each)
            for name, each in weights
        ]

    def _may_be_better(self, other: int, best: int) -> bool:
        """Whether `other` is a point that may be better than the point `best`, which has the best
        value."""
        difference = self._difference({best: self.scores.better, other: -self.scores.better})
        return other != best and difference.sign != 1

    @cached_property
    def passings(self) -> list[Passing]:
        """Where each arm passes each target."""
        return [self._passing(arm, target) for target in self.targets for arm in self.scores.arms]

    def _passing(self, arm: str, target: Target) -> Passing:
        sizes: Sequence[float] = self.scores.sizes(arm)
        above_target = [
            self.scores.measured.through(self._rows(arm, less, self.scores.better))
            for less in target.weights
        ]
        if is_fitted := not self.curves[arm].why and all(map(_is_defined, above_target)):
            laws = [curves.fit([sizes], points) for points in above_target]
            followed = [curves.along(law, sizes[-1]) for law in laws]
            sizes, ends = followed[0][0], [ends for _, ends in followed]
        else:
            ends = [
                [points.interval(index) for index in range(len(sizes))] for points in above_target
            ]
        place = curves.bracket(sizes, curves.around(ends))
        low, high = (self._seconds(arm, end) for end in (place.low, place.high))
        return Passing(arm, target, place, is_fitted, (low, high))

    def _seconds(self, arm: str, size: float | None) -> float | None:
        """The seconds of training on `size` rows, interpolated between the measured sizes. None if
        `size` is None or outside the measured sizes."""
        import numpy as np

        points = [self.scores.points[index] for index in self.scores.arms[arm]]
        if size is None or not points[0].rows <= size <= points[-1].rows:
            return None
        rows, seconds = [point.rows for point in points], [point.seconds for point in points]
        return float(np.interp(size, rows, seconds))

    @cached_property
    def pairs(self) -> list[Pair]:
        """All pairs of arms that have no other arm between them and a size in common. For example,
        LoRA of model A is between QLoRA of A and LoRA of B."""
        kinds = self.scores.kinds

        def distance(a: str, b: str) -> int:
            """The number of keys in which two arms differ."""
            return sum(key_a != key_b for key_a, key_b in zip(kinds[a], kinds[b], strict=True))

        direct = [
            (a, b)
            for a, b in combinations(kinds, 2)
            if not any(max(distance(a, c), distance(c, b)) < distance(a, b) for c in kinds)
        ]
        return [pair for a, b in direct for pair in self._pair(a, b)]

    def _pair(self, a: str, b: str) -> Iterator[Pair]:
        """Yields the pair of two arms; nothing if they have no size in common."""
        index_a, index_b = self._indices(a), self._indices(b)
        shared = sorted(index_a.keys() & index_b.keys())
        if not shared:
            return
        unadjusted = [self._compare(index_a[rows], index_b[rows]) for rows in shared]
        adjusted = holm([comparison.paired.p_value for comparison in unadjusted])
        comparisons = [
            replace(comparison, p_holm=p)
            for comparison, p in zip(unadjusted, adjusted, strict=True)
        ]
        more = None
        if self.scores.kinds[a][ADAPTER] == self.scores.kinds[b][ADAPTER]:
            most = shared[-1]
            gain_b = {index_b[most]: 1.0, self.scores.base(b): -1.0}
            gain_a = {index_a[most]: -1.0, self.scores.base(a): 1.0}
            weights = {index: self.scores.better * w for index, w in (gain_b | gain_a).items()}
            more = self._difference(weights)
        crossings = self._fitted_crossings(a, b)
        is_fitted = crossings is not None
        if crossings is None:
            crossings = curves.ranges(
                shared, [CLAIMED.get(claim(each), UNSURE) for each in comparisons]
            )
        sizes = list(zip(shared, comparisons, strict=True))
        yield Pair(a, b, sizes, more, crossings, is_fitted)

    def _indices(self, arm: str) -> dict[int, int]:
        """For each size of an arm, the index of its point."""
        return {self.scores.points[index].rows: index for index in self.scores.arms[arm]}

    def _fitted_crossings(self, a: str, b: str) -> list[Place] | None:
        """The ranges of sizes in which the laws of two arms may cross. None if an arm has no law,
        or if the covariance of their points is unknown or singular."""
        import numpy as np

        rows = np.concatenate([self._rows(a), self._rows(b)])
        both = self.scores.measured.through(rows)
        if self.curves[a].why or self.curves[b].why or not _is_defined(both):
            return None
        sizes = [self.scores.sizes(arm) for arm in (a, b)]
        most = min(of_arm[-1] for of_arm in sizes)
        return curves.ranges(*curves.along(curves.fit(sizes, both), most, (-1, 1)))

    def _compare(self, a: int, b: int) -> Comparison:
        """The comparison of point b with point a, given by their indices. It is calculated as in
        kotune.compare.seeds, but the variance between seeds is pooled over the sizes of an arm."""
        import numpy as np

        scores = self.scores
        value_a, value_b = (float(scores.measured.means[index]) for index in (a, b))
        difference = scores.measured.through(scores.sum({b: 1, a: -1})[None])
        low, high, p_value, seen = difference.tested(0)
        counts = (scores.n, scores.groups)
        test = Paired(value_a, value_b, value_b - value_a, low, high, p_value, None, *counts, seen)
        each = [tuple(values[np.isfinite(values)].tolist()) for values in scores.values[[a, b]]]
        variant_a, variant_b = (scores.points[index].variant for index in (a, b))
        return Comparison(
            scores.task,
            scores.metric,
            variant_a,
            variant_b,
            test,
            values=(each[0], each[1]),
            includes_seeds=all(scores.has_seeds(scores.points[index].arm) for index in (a, b)),
        )

    @cached_property
    def floors(self) -> list[Floor]:
        """The variation between seeds, for each arm with two or more seeds at a size."""
        import numpy as np

        floors = []
        for arm, indices in self.scores.arms.items():
            values = self.scores.values[indices]
            count = np.isfinite(values).sum(axis=-1)
            degrees = int((count - 1).clip(0).sum())
            if degrees:
                squares = np.nansum((values - curves.over_seeds(values)[:, None]) ** 2)
                deviation = math.sqrt(float(squares) / degrees)
                difference = _student(degrees) * math.sqrt(2) * deviation
                floors.append(Floor(arm, deviation, degrees, difference))
        return floors


def _is_defined(points: Measured) -> bool:
    """Whether the values and the covariance of points are known, and the covariance is not
    singular."""
    import numpy as np

    whole = sum(part for part, _ in points.parts)
    return bool(
        np.isfinite(points.means).all()
        and np.isfinite(whole).all()
        and np.linalg.eigvalsh(whole)[0] > SINGULAR
    )


def _misfit_p(law: Law, sizes: Sequence[float]) -> float:
    """The p-value of the misfit of one arm's law; 1 if it cannot be tested.

    The covariance of the points is estimated, so the test is Hotelling's T². Its degrees of freedom
    are Satterthwaite's for the residuals."""
    import numpy as np
    from scipy.special import fdtrc

    best = law.excess.argmin()
    # The matrix that gives the residuals of the points.
    rest = np.eye(len(sizes)) - law.rows(np.array(sizes))[:, best] @ law.weights[best]
    free = float(
        seeds.freedom([(np.trace(rest @ part @ rest.T), of) for part, of in law.points.parts])
    )
    degrees = len(sizes) - 3
    left = free - degrees + 1
    return (
        float(fdtrc(degrees, left, float(law.misfit) * left / (degrees * free)))
        if left > 0
        else 1.0
    )


def _student(degrees: int) -> float:
    """The 97.5% quantile of Student's t."""
    from scipy.special import stdtrit

    return float(stdtrit(degrees, 0.975))
