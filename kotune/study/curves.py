"""Learning curves: power laws through the points of a study, and where they pass a target or each
other.

value(n) = c - a n^-b with b > 0, by generalized least squares. All points are scored on the same
items, which moves them together, so their covariance has parts: items (one bootstrap over clusters
for all points), seeds at each size, and what a seed has in common at all sizes, where a smaller
sample is the beginning of a larger one. For a given b the law is a line, so the law is solved for a
grid of b, and an interval is the union over b of the lines' intervals, each as much shorter as its
b fits worse: the profile likelihood's, which also holds where b is not known at all. Its quantile
is Student's with Satterthwaite's degrees of freedom (kotune.compare.seeds). Where a law is 0 (a
target, another law) is the set of n whose interval holds 0 (Fieller 1954).

Cover of the truth by simulation: tests/study/test_curves.py. What it stands on: seeds spread alike
at all sizes of an arm. Arrays may have leading axes, one element a case; `...` below."""

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from kotune.compare import seeds

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[np.float64]]

SIZES = 5  # from which on a law is fitted
EXPONENTS = (0.02, 4.0)  # b: nearly a logarithm; nearly a step after the smallest size
GRID = {1: 60, 2: 24}  # values of b for each arm, by the number of arms
# excess of misfit beyond which no b is looked at closely: above the square of every quantile here
FAR = 40.0
STEPS = 100  # sizes at which it is looked at where a law is 0: none beyond the measured ones
AHEAD = 2  # times the largest size: as far as a law is followed, to say what more data would add


class Measured(NamedTuple):
    """Means (..., P) of points, and the parts (..., P, P) of their covariance, each with its
    degrees of freedom."""

    means: "Array"
    parts: tuple[tuple["Array", float], ...]

    def through(self, weights: "Array") -> "Measured":
        """Sums of the points; weights: (Q, P)."""
        return Measured(
            self.means @ weights.T,
            tuple((weights @ part @ weights.T, free) for part, free in self.parts),
        )

    def tested(self, at: int) -> seeds.Tested:
        """The test of one point against 0."""
        parts = [
            seeds.Part(float(part[at, at]), free) for part, free in self.parts if part[at, at] != 0
        ]
        return seeds.interval(float(self.means[at]), parts or [seeds.Part(0.0, 1.0)])

    def interval(self, at: int) -> tuple[float, float]:
        """The 95% interval of one point; NaN where unknown."""
        return self.tested(at)[:2]


def measured(values: "Array", found: "Array", arms: Sequence[slice], groups: int) -> Measured:
    """Points of one case. values: (P, S), each seed's, NaN where there is no run; found: (R, P, S),
    the same over resamples of `groups` clusters; arms: which points are the sizes of one arm; the
    others have no seeds."""
    import numpy as np

    means, each = over_seeds(values), over_seeds(found)
    parts = [(np.atleast_2d(np.cov(each, rowvar=False)), groups - 1.0)]
    count = np.isfinite(values).sum(axis=-1)
    within = np.nansum(np.var(found - each[..., None], axis=0, ddof=1), axis=-1) / (count - 1).clip(
        1
    )
    for arm in arms:
        for part, free in of_seeds(values[arm], within[arm]):
            whole = np.zeros((len(means), len(means)))
            whole[arm, arm] = part
            parts.append((whole, free))
    return Measured(means, tuple(parts))


def over_seeds(values: "Array") -> "Array":
    """The mean over the seeds that there are; NaN without any."""
    import numpy as np

    have = np.isfinite(values)
    count = have.sum(axis=-1)
    total = np.where(have, values, 0).sum(axis=-1)
    return np.asarray(np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0))


def of_seeds(values: "Array", within: "Array") -> list[tuple["Array", float]]:
    """The parts that the seeds of one arm add. values: (..., K, S), sizes and seeds, NaN where
    there is no run, the same for all cases; within: (..., K), what of a seed's variance is noise of
    items, which resampling items shows. The variance is pooled over sizes. None with fewer degrees
    of freedom than three seeds of one size have."""
    import numpy as np

    have = np.isfinite(values).reshape(-1, *values.shape[-2:])[0].astype(float)
    both = have @ have.T
    count = both.diagonal()
    free, common = float((count - 1).clip(0).sum()), values.shape[-1] - 1.0
    if free < seeds.ENOUGH - 1:
        return []
    moved = np.nan_to_num(values - over_seeds(values)[..., None])
    products = moved @ np.swapaxes(moved, -1, -2)
    own = np.diagonal(products, axis1=-2, axis2=-1)
    pooled = ((own - (count - 1) * within).sum(axis=-1) / free).clip(0)[..., None, None]
    apart, pairs = np.eye(len(count)) / count, ((both - 1).clip(0) * (1 - np.eye(len(count)))).sum()
    if common < seeds.ENOUGH - 1 or free <= common or not pairs:
        return [(pooled * apart, free)]
    shared = ((products.sum(axis=(-1, -2)) - own.sum(axis=-1)) / pairs)[..., None, None].clip(
        0, pooled
    )
    return [
        ((pooled - shared) * apart, free - common),
        (shared * both / np.outer(count, count), common),
    ]


class Law(NamedTuple):
    """Fitted laws of one arm or two. `exponents`: (..., B, A), candidates; `excess`: (..., B), by
    how much each fits worse than the best; `coefficients`: (..., B, 2 A), of each arm its value at
    `start` and how steeply it rises there over log n; their `covariance`; `weights`: (..., B, 2 A,
    P), what each point adds to them; `misfit`: (...), chi-squared of the best."""

    found: Measured
    start: float
    exponents: "Array"
    excess: "Array"
    coefficients: "Array"
    covariance: "Array"
    weights: "Array"
    misfit: "Array"

    def rows(self, sizes: "Array", signs: Sequence[float] = (1,)) -> "Array":
        """What makes of coefficients the sum of the arms' values at each size, with these signs:
        (N, ..., B, 2 A)."""
        import numpy as np

        at = np.asarray(sizes, float).reshape(-1, *[1] * (self.exponents.ndim - 1))
        made = [
            np.stack([np.full_like(g, s), s * g], axis=-1)
            for g, s in zip(self._bent(at), signs, strict=True)
        ]
        return np.concatenate(made, axis=-1)

    def _bent(self, at: "Array") -> list["Array"]:
        return [
            bent(at / self.start, self.exponents[..., arm])
            for arm in range(self.exponents.shape[-1])
        ]

    def span(self, rows: "Array") -> tuple["Array", "Array", "Array"]:
        """Value and both ends of the 95% interval of each sum of coefficients."""
        import numpy as np

        value = (rows * self.coefficients).sum(axis=-1)
        variance = np.einsum("...i,...ij,...j->...", rows, self.covariance, rows)
        left = self.quantile(rows)[..., None] ** 2 - self.excess
        half = np.sqrt(left.clip(0) * variance)
        low, high = (np.where(left < 0, np.nan, value + sign * half) for sign in (-1, 1))
        return self._best(value), np.nanmin(low, axis=-1), np.nanmax(high, axis=-1)

    def _best(self, values: "Array") -> "Array":
        """Of (..., B) that of the best candidate."""
        import numpy as np

        return np.take_along_axis(
            values,
            self.excess.argmin(-1)[(None,) * (values.ndim - self.excess.ndim)][..., None],
            -1,
        )[..., 0]

    def quantile(self, rows: "Array") -> "Array":
        """How many standard errors the 95% interval of each sum of coefficients goes to either
        side."""
        import numpy as np
        from scipy.special import stdtrit

        each = np.einsum("...i,...ip->...p", rows, self.weights)
        each = np.stack([self._best(each[..., at]) for at in range(each.shape[-1])], axis=-1)
        parts = [
            (np.einsum("...p,...pq,...q->...", each, part, each), free)
            for part, free in self.found.parts
        ]
        return np.asarray(stdtrit(seeds.freedom(parts), 0.975))


def bent(ratio: "Array", exponent: "Array") -> "Array":
    """(1 - ratio^-b) / b: log(ratio) where b is near 0."""
    import numpy as np

    return np.asarray(-np.expm1(-exponent * np.log(ratio)) / exponent)


def fit(sizes: Sequence[Sequence[float]], found: Measured) -> Law:
    """The laws of arms side by side. sizes: of each arm; found: its points one after another.
    Twice: over all exponents, then closely over those that are not out of the question."""
    import numpy as np

    number = GRID[len(sizes)]
    cases = found.means.shape[:-1]
    law = _solved(sizes, found, [np.geomspace(*EXPONENTS, number)] * len(sizes))
    step, grids = (EXPONENTS[1] / EXPONENTS[0]) ** (1 / (number - 1)), []
    for arm in range(len(sizes)):
        near = np.where(law.excess <= FAR, law.exponents[..., arm], np.nan)
        low, high = np.nanmin(near, axis=-1) / step, np.nanmax(near, axis=-1) * step
        grids.append(
            np.geomspace(low.clip(*EXPONENTS), high.clip(*EXPONENTS), number, axis=-1).reshape(
                *cases, number
            )
        )
    return _solved(sizes, found, grids)


def _solved(sizes: Sequence[Sequence[float]], found: Measured, grids: Sequence["Array"]) -> Law:
    import numpy as np

    # Every combination of the arms' candidates.
    wide = [
        grid[(..., *(slice(None) if at == arm else None for at in range(len(grids))))]
        for arm, grid in enumerate(grids)
    ]
    exponents = np.stack(np.broadcast_arrays(*wide), axis=-1)
    exponents = exponents.reshape(*exponents.shape[: -1 - len(grids)], -1, len(grids))
    start = float(min(map(min, sizes)))
    design, at = np.zeros((*exponents.shape[:-1], sum(map(len, sizes)), 2 * len(sizes))), 0
    for arm, of in enumerate(sizes):
        place = slice(at, at := at + len(of))
        design[..., place, 2 * arm] = 1
        design[..., place, 2 * arm + 1] = bent(
            np.asarray(of, float) / start, exponents[..., arm, None]
        )
    inverse = np.linalg.inv(sum(part for part, _ in found.parts))[..., None, :, :]
    turned = np.swapaxes(design, -1, -2) @ inverse
    covariance = np.linalg.inv(turned @ design)
    weights = covariance @ turned
    coefficients = (weights @ found.means[..., None, :, None])[..., 0]
    rest = found.means[..., None, :] - (design @ coefficients[..., None])[..., 0]
    misfit = np.einsum(
        "...p,...pq,...q->...", rest, np.broadcast_to(inverse, (*rest.shape, rest.shape[-1])), rest
    )
    least = misfit.min(axis=-1)
    exponents = np.broadcast_to(exponents, (*misfit.shape, len(sizes)))
    return Law(
        found, start, exponents, misfit - least[..., None], coefficients, covariance, weights, least
    )


class Place(NamedTuple):
    """Where a difference may be 0: above `low`, up to which it surely stays on the side `first`,
    and below `high`, from which on it surely stays on the side `last`. None and 0 for an open end.
    Nowhere: no ends, but two sides that are the same."""

    low: float | None
    high: float | None
    first: int = 0
    last: int = 0

    @property
    def sign(self) -> int:
        """The side on which the difference surely is everywhere; else 0."""
        return self.first if self.low is None and self.high is None else 0

    @property
    def is_sure(self) -> bool:
        """Whether it surely is 0 somewhere: it begins on one side and ends on the other."""
        return self.first * self.last < 0


OPEN = Place(None, None)  # nothing is known
Ends = list[tuple[float, float]]  # of intervals


def along(law: Law, most: float, signs: Sequence[float] = (1,)) -> tuple[list[float], Ends]:
    """Sizes from the smallest to `most`, and there the intervals of the sum of the arms' values
    with these signs; one case."""
    import numpy as np

    sizes = np.geomspace(law.start, most, STEPS)
    _, low, high = law.span(law.rows(sizes, signs))
    return sizes.tolist(), list(zip(low.tolist(), high.tolist(), strict=True))


def around(each: Sequence[Ends]) -> Ends:
    """The smallest intervals that hold all of these, size by size; NaN where one is unknown."""
    import numpy as np

    low, high = np.moveaxis(np.array(each), -1, 0)
    return list(zip(low.min(axis=0).tolist(), high.max(axis=0).tolist(), strict=True))


def ranges(sizes: Sequence[float], ends: Ends) -> list[Place]:
    """Where a difference may be 0, from its intervals at these sizes alone: all such ranges. None
    where it surely is nowhere."""
    sides = [1 if low > 0 else -1 if high < 0 else 0 for low, high in ends]
    sure = [(at, sizes[at], side) for at, side in enumerate(sides) if side]
    if not sure:
        return [OPEN]
    found = [
        Place(low, high, first, last)
        for (before, low, first), (after, high, last) in pairwise(sure)
        if after > before + 1 or first != last
    ]
    (_, least, first), (_, most, last) = sure[0], sure[-1]
    head = [] if sides[0] else [Place(None, least, 0, first)]
    return head + found + ([] if sides[-1] else [Place(most, None, last, 0)])


def bracket(sizes: Sequence[float], ends: Ends) -> Place:
    """The same as one range, without gaps; nowhere: with the side on which the difference is."""
    if not (found := ranges(sizes, ends)):
        side = 1 if ends[0][0] > 0 else -1
        return Place(None, None, side, side)
    return Place(found[0].low, found[-1].high, found[0].first, found[-1].last)
