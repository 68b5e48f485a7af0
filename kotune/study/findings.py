"""What a study finds on one task: how sizes, arms and seeds differ, where targets are passed, what
more data would buy.

A target is a reference line, or a share of the best gain: so far on the way from the mean of the
untuned models to the best arm trained on the most rows. It is measured on the same items as the
curves, so that both move together when other items are asked. The best of several is partly so by
luck: an arm passes a target where it passes that of every arm that may be the best."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

from kotune.compare import seeds
from kotune.compare.comparison import Comparison
from kotune.compare.paired import Paired, holm
from kotune.compare.verdict import outcome
from kotune.study import curves
from kotune.study.curves import Law, Measured, Place
from kotune.study.file import ARMS
from kotune.study.points import Scores
from kotune_tasks.card import cards

if TYPE_CHECKING:
    from kotune.study.curves import Array

LINE = "hypothesis_only"
SHARES = (0.8, 0.9)  # of the best gain
UNLIKELY = 0.01  # the p of a misfit below which the points are no power law
# As an interval.
CLAIMED = {
    "better": (1, 1),
    "worse": (-1, -1),
    "same": (-1, 1),
    "undefined": (-1, 1),
    "void": (-1, 1),
}
SINGULAR = 1e-14  # variances below it are none
ADAPTER = ARMS.index("adapter")


class Estimate(NamedTuple):
    value: float
    low: float
    high: float

    @property
    def sign(self) -> int:
        """Of a difference whose interval leaves out 0; else 0."""
        return 1 if self.low > 0 else -1 if self.high < 0 else 0


UNKNOWN = Estimate(math.nan, math.nan, math.nan)


@dataclass(frozen=True)
class Target:
    """`name`: of a line, or a share in percent. `weights`: of the points that make its value, and
    as many more as there are points that may be the best."""

    name: str
    value: float
    weights: tuple[dict[int, float], ...]


@dataclass(frozen=True)
class Curve:
    """The fitted law of an arm. `why` there is none: few (sizes or seeds), undefined (values or
    their spread), misfit. `is_flat`: no rise is found over the measured sizes, so that no exponent
    is told. `more`: what AHEAD times the largest size would add."""

    arm: str
    why: str = ""
    law: Law | None = None
    is_flat: bool = False
    exponent: tuple[float, float] = (math.nan, math.nan)
    more: Estimate = UNKNOWN

    def at(self, sizes: Sequence[float]) -> list[Estimate]:
        """The fitted values at these sizes; none without a law."""
        if self.law is None:
            return []
        import numpy as np

        return [
            Estimate(*map(float, told))
            for told in zip(*self.law.span(self.law.rows(np.array(sizes))), strict=True)
        ]


@dataclass(frozen=True)
class Passing:
    """Where an arm passes a target, and the seconds of training at both ends, None beyond what was
    measured."""

    arm: str
    target: Target
    place: Place
    is_fitted: bool
    seconds: tuple[float | None, float | None]


@dataclass(frozen=True)
class Pair:
    """Two arms. `sizes`: where both were measured, with b against a; `more`: what b gained more
    than a by training on the most rows that both have, None where their adapters differ, whose
    untuned models are not the same; `crossings`: the ranges of sizes in which they may cross."""

    a: str
    b: str
    sizes: Sequence[tuple[int, Comparison]]
    more: Estimate | None
    crossings: list[Place]
    is_fitted: bool


@dataclass(frozen=True)
class Floor:
    """How far seeds alone bring two runs of an arm and size apart: their pooled standard deviation,
    and the difference that two runs stay under in 95% of cases."""

    arm: str
    deviation: float
    degrees: int
    difference: float


@dataclass(frozen=True)
class Findings:
    """All that is found on a task."""

    scores: Scores

    def estimate(self, at: int) -> Estimate:
        """Of a point, base or line by its place."""
        measured = self.scores.measured
        return Estimate(float(measured.means[at]), *measured.interval(at))

    @cached_property
    def lines(self) -> dict[str, float]:
        """What a curve is held against: chance, where the metric has it, and the lines of the
        items."""
        of = self.scores
        chance = cards()[of.task].chance.get(of.metric)
        told = {"chance": chance} if chance is not None else {}
        return told | {name: float(of.measured.means[of.line(name)]) for name in of.lines}

    def _difference(self, weights: dict[int, float]) -> Estimate:
        found = self.scores.measured.through(self.scores.sum(weights)[None])
        return Estimate(float(found.means[0]), *found.interval(0))

    @cached_property
    def curves(self) -> dict[str, Curve]:
        return {arm: self._curve(arm) for arm in self.scores.arms}

    def _curve(self, arm: str) -> Curve:
        places, sizes = self.scores.arms[arm], self.scores.sizes(arm)
        if (
            len(sizes) < curves.SIZES
            or min(len(self.scores.points[at].runs) for at in places) < seeds.ENOUGH
        ):
            return Curve(arm, "few")
        found = self.scores.measured.through(self._rows(arm))
        if not _is_defined(found):
            return Curve(arm, "undefined")
        law = curves.fit([sizes], found)
        if _p_of(law, sizes) < UNLIKELY:
            return Curve(arm, "misfit")
        rows = law.rows([sizes[0], sizes[-1], curves.AHEAD * sizes[-1]])  # type: ignore[arg-type]
        told = [
            Estimate(*(float(end[0]) for end in law.span(rows[b : b + 1] - rows[a])))
            for a, b in ((0, 1), (1, 2))
        ]
        near = law.exponents[law.excess <= law.quantile(rows[1:2] - rows[0])[0] ** 2, 0]
        return Curve(
            arm, "", law, told[0].sign == 0, (float(near.min()), float(near.max())), told[1]
        )

    def _rows(self, arm: str, less: dict[int, float] | None = None, sign: float = 1) -> "Array":
        """Weights of an arm's points, each less a sum of others."""
        import numpy as np

        rows = [
            self.scores.sum({at: 1}) - self.scores.sum(less or {}) for at in self.scores.arms[arm]
        ]
        return sign * np.array(rows)

    @cached_property
    def targets(self) -> list[Target]:
        scores = self.scores
        worth = scores.better * scores.measured.means
        bases = [scores.base(arm) for arm in scores.arms]
        best = max((places[-1] for places in scores.arms.values()), key=lambda at: worth[at])
        able = [
            best,
            *(places[-1] for places in scores.arms.values() if self._may_be(best, places[-1])),
        ]
        found: list[tuple[str, tuple[dict[int, float], ...]]] = []
        if LINE in scores.lines:
            found.append((LINE, ({scores.line(LINE): 1.0},)))
        if worth[best] > worth[bases].mean() and len(scores.points) > len(scores.arms):
            for share in SHARES:
                start = dict.fromkeys(bases, (1 - share) / len(bases))
                found.append((f"{100 * share:.0f}", tuple({at: share, **start} for at in able)))
        return [
            Target(name, float(scores.sum(each[0]) @ scores.measured.means), each)
            for name, each in found
        ]

    def _may_be(self, best: int, other: int) -> bool:
        """Whether another point may be the better one."""
        less = self._difference({best: self.scores.better, other: -self.scores.better})
        return other != best and less.sign != 1

    @cached_property
    def passings(self) -> list[Passing]:
        return [self._passing(arm, target) for target in self.targets for arm in self.scores.arms]

    def _passing(self, arm: str, target: Target) -> Passing:
        sizes: Sequence[float] = self.scores.sizes(arm)
        each = [
            self.scores.measured.through(self._rows(arm, less, self.scores.better))
            for less in target.weights
        ]
        if is_fitted := not self.curves[arm].why and all(map(_is_defined, each)):
            followed = [curves.along(curves.fit([sizes], found), sizes[-1]) for found in each]
            sizes, ends = followed[0][0], [ends for _, ends in followed]
        else:
            ends = [[found.interval(at) for at in range(len(sizes))] for found in each]
        place = curves.bracket(sizes, curves.around(ends))
        spent = [self._seconds(arm, end) for end in (place.low, place.high)]
        return Passing(arm, target, place, is_fitted, (spent[0], spent[1]))

    def _seconds(self, arm: str, size: float | None) -> float | None:
        """Of training on so many rows, between the measured sizes."""
        import numpy as np

        points = [self.scores.points[at] for at in self.scores.arms[arm]]
        if size is None or not points[0].rows <= size <= points[-1].rows:
            return None
        return float(np.interp(size, [one.rows for one in points], [one.seconds for one in points]))

    @cached_property
    def pairs(self) -> list[Pair]:
        """But for those between which another arm stands, as LoRA of one model between QLoRA of it
        and LoRA of another."""
        kinds = self.scores.kinds

        def apart(a: str, b: str) -> int:
            return sum(one != other for one, other in zip(kinds[a], kinds[b], strict=True))

        direct = [
            (a, b)
            for a, b in combinations(kinds, 2)
            if not any(max(apart(a, c), apart(c, b)) < apart(a, b) for c in kinds)
        ]
        return [pair for a, b in direct for pair in self._pair(a, b)]

    def _pair(self, a: str, b: str) -> Iterator[Pair]:
        scores = self.scores
        of = [{scores.points[at].rows: at for at in scores.arms[arm]} for arm in (a, b)]
        shared = sorted(of[0].keys() & of[1].keys())
        if not shared:
            return
        found = [self._against(of[0][n], of[1][n]) for n in shared]
        adjusted = holm([one.found.p_value for one in found])
        found = [replace(one, p_holm=p) for one, p in zip(found, adjusted, strict=True)]
        most, told = shared[-1], None
        if scores.kinds[a][ADAPTER] == scores.kinds[b][ADAPTER]:
            gained = {
                of[1][most]: 1.0,
                scores.base(b): -1.0,
                of[0][most]: -1.0,
                scores.base(a): 1.0,
            }
            told = self._difference({at: scores.better * weight for at, weight in gained.items()})
        crossings, is_fitted = (
            curves.ranges(shared, [CLAIMED[outcome(one)] for one in found]),
            False,
        )
        both = scores.measured.through(self._both(a, b))
        if not self.curves[a].why and not self.curves[b].why and _is_defined(both):
            sizes = [scores.sizes(arm) for arm in (a, b)]
            law = curves.fit(sizes, both)
            crossings, is_fitted = (
                curves.ranges(*curves.along(law, min(of[-1] for of in sizes), (-1, 1))),
                True,
            )
        yield Pair(a, b, list(zip(shared, found, strict=True)), told, crossings, is_fitted)

    def _against(self, a: int, b: int) -> Comparison:
        """Two points, b against a, as kotune.compare.seeds compares runs, but for seeds whose
        variance is pooled over an arm's sizes."""
        import numpy as np

        scores = self.scores
        value_a, value_b = (float(scores.measured.means[at]) for at in (a, b))
        low, high, p_value, seen = scores.measured.through(scores.sum({b: 1, a: -1})[None]).tested(
            0
        )
        counts = (scores.n, scores.groups)
        told = Paired(value_a, value_b, value_b - value_a, low, high, p_value, None, *counts, seen)
        each = [tuple(values[np.isfinite(values)].tolist()) for values in scores.values[[a, b]]]
        sides = [scores.points[at].side for at in (a, b)]
        return Comparison(
            scores.task, scores.metric, sides[0], sides[1], told, values=(each[0], each[1])
        )

    def _both(self, a: str, b: str) -> "Array":
        import numpy as np

        return np.concatenate([self._rows(a), self._rows(b)])

    @cached_property
    def floors(self) -> list[Floor]:
        """Of each arm that has two seeds at a size."""
        import numpy as np

        found = []
        for arm, places in self.scores.arms.items():
            values = self.scores.values[places]
            count = np.isfinite(values).sum(axis=-1)
            degrees = int((count - 1).clip(0).sum())
            if degrees:
                spread = np.nansum((values - curves.over_seeds(values)[:, None]) ** 2)
                deviation = math.sqrt(float(spread) / degrees)
                found.append(
                    Floor(arm, deviation, degrees, _student(degrees) * math.sqrt(2) * deviation)
                )
        return found


def _is_defined(found: Measured) -> bool:
    """Whether values and covariance are known and no sum of points is free of error."""
    import numpy as np

    whole = sum(part for part, _ in found.parts)
    return bool(
        np.isfinite(found.means).all()
        and np.isfinite(whole).all()
        and np.linalg.eigvalsh(whole)[0] > SINGULAR
    )


def _p_of(law: Law, sizes: Sequence[float]) -> float:
    """Of the law's misfit, under a covariance that is estimated: Hotelling's T², with
    Satterthwaite's degrees of freedom of what the law leaves over."""
    import numpy as np
    from scipy.special import fdtrc

    best = law.excess.argmin()
    rest = np.eye(len(sizes)) - law.rows(np.array(sizes))[:, best] @ law.weights[best]
    free = float(
        seeds.freedom([(np.trace(rest @ part @ rest.T), of) for part, of in law.found.parts])
    )
    degrees = len(sizes) - 3
    left = free - degrees + 1
    return (
        float(fdtrc(degrees, left, float(law.misfit) * left / (degrees * free)))
        if left > 0
        else 1.0
    )


def _student(degrees: int) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(degrees, 0.975))
