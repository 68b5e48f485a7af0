"""Learning curves: fits power laws to the points of a study, and finds where they pass a target or
cross each other.

The law is value(n) = c - a n^-b with b > 0, fitted by generalized least squares. All points are
scored on the same items, so they are correlated. Their covariance has three parts: items (one
cluster bootstrap for all points), seeds at each size, and the effect of a seed that is common to
all sizes, because a smaller sample is the beginning of a larger one.

For a given b the law is linear, so it is solved for a grid of b. An interval is the union over b of
the linear intervals, each shortened by how much worse its b fits. This is the profile likelihood
interval, which holds even if b is unknown. Its quantile is Student's t with Satterthwaite's degrees
of freedom (kotune.compare.seeds). The zeros of a law (against a target or another law) are the n
whose interval contains 0 (Fieller 1954).

Assumption: seeds vary equally at all sizes of an arm. tests/study/test_curves.py checks the
coverage by simulation. Arrays may have leading axes, one element for each case; `...` below."""

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from kotune.compare import seeds

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[np.float64]]

SIZES = 5  # the least number of sizes to fit a law
EXPONENTS = (0.02, 4.0)  # range of b: nearly a logarithm; nearly a step after the smallest size
GRID = {1: 60, 2: 24}  # values of b for each arm, by the number of arms
# b with a larger excess misfit are left out of the fine grid. Above the square of all quantiles.
FAR = 40.0
STEPS = 100  # sizes at which zeros of a law are searched, all within the measured range
AHEAD = 2  # a law is extrapolated to this multiple of the largest size


class Measured(NamedTuple):
    """The means (..., P) of points, and the parts (..., P, P) of their covariance, each with its
    degrees of freedom."""

    means: "Array"
    parts: tuple[tuple["Array", float], ...]

    def through(self, weights: "Array") -> "Measured":
        """Weighted sums of the points. `weights` has the shape (Q, P)."""
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
        """The 95% interval of one point; NaN if unknown."""
        return self.tested(at)[:2]


def measured(values: "Array", resampled: "Array", arms: Sequence[slice], groups: int) -> Measured:
    """The points of one case.

    `values` (P, S) has the value of each point and seed, NaN if there is no run. `resampled`
    (R, P, S) has the same for R resamples of `groups` clusters. `arms` has the points of each arm;
    other points have no seeds."""
    import numpy as np

    means, each = over_seeds(values), over_seeds(resampled)
    parts = [(np.atleast_2d(np.cov(each, rowvar=False)), groups - 1.0)]
    count = np.isfinite(values).sum(axis=-1)
    variances = np.var(resampled - each[..., None], axis=0, ddof=1)
    within = np.nansum(variances, axis=-1) / (count - 1).clip(1)
    for arm in arms:
        for part, free in of_seeds(values[arm], within[arm]):
            whole = np.zeros((len(means), len(means)))
            whole[arm, arm] = part
            parts.append((whole, free))
    return Measured(means, tuple(parts))


def over_seeds(values: "Array") -> "Array":
    """The mean over the seeds that have a run; NaN without any."""
    import numpy as np

    have = np.isfinite(values)
    count = have.sum(axis=-1)
    total = np.where(have, values, 0).sum(axis=-1)
    return np.asarray(np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0))


def of_seeds(values: "Array", within: "Array") -> list[tuple["Array", float]]:
    """The parts of the covariance that come from the seeds of one arm, with their degrees of
    freedom.

    `values` (..., K, S) has K sizes and S seeds, NaN if there is no run, in the same places for all
    cases. `within` (..., K) is the part of a seed's variance that is noise of items, known from
    resampling items. The variance is pooled over sizes. Empty with fewer degrees of freedom than
    three seeds of one size have."""
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
    """Fitted laws of A arms (one or two), for B candidates of their exponents and P points.

    `exponents` (..., B, A): the candidates. `excess` (..., B): the misfit of each, less that of the
    best. `coefficients` (..., B, 2 A): for each arm its value at `start` and its slope there over
    log n; `covariance` is theirs. `weights` (..., B, 2 A, P): the weight of each point in the
    coefficients. `misfit` (...): chi-squared of the best candidate."""

    points: Measured
    start: float
    exponents: "Array"
    excess: "Array"
    coefficients: "Array"
    covariance: "Array"
    weights: "Array"
    misfit: "Array"

    def rows(self, sizes: "Array", signs: Sequence[float] = (1,)) -> "Array":
        """Rows (N, ..., B, 2 A) of weights for coefficients: each gives the sum of the arms' values
        at a size, with these signs."""
        import numpy as np

        column = np.asarray(sizes, float).reshape(-1, *[1] * (self.exponents.ndim - 1))
        blocks = [
            np.stack([np.full_like(g, s), s * g], axis=-1)
            for g, s in zip(self._bent(column), signs, strict=True)
        ]
        return np.concatenate(blocks, axis=-1)

    def _bent(self, sizes: "Array") -> list["Array"]:
        return [
            bent(sizes / self.start, self.exponents[..., arm])
            for arm in range(self.exponents.shape[-1])
        ]

    def span(self, rows: "Array") -> tuple["Array", "Array", "Array"]:
        """The value and both ends of the 95% interval of each weighted sum of coefficients."""
        import numpy as np

        value = (rows * self.coefficients).sum(axis=-1)
        variance = np.einsum("...i,...ij,...j->...", rows, self.covariance, rows)
        remaining = self.quantile(rows)[..., None] ** 2 - self.excess
        half = np.sqrt(remaining.clip(0) * variance)
        low, high = (np.where(remaining < 0, np.nan, value + sign * half) for sign in (-1, 1))
        return self._best(value), np.nanmin(low, axis=-1), np.nanmax(high, axis=-1)

    def _best(self, values: "Array") -> "Array":
        """The value of the best candidate. `values` has the shape (..., B)."""
        import numpy as np

        return np.take_along_axis(
            values,
            self.excess.argmin(-1)[(None,) * (values.ndim - self.excess.ndim)][..., None],
            -1,
        )[..., 0]

    def quantile(self, rows: "Array") -> "Array":
        """Half the width of the 95% interval of each weighted sum of coefficients, in standard
        errors."""
        import numpy as np
        from scipy.special import stdtrit

        each = np.einsum("...i,...ip->...p", rows, self.weights)
        each = np.stack([self._best(each[..., point]) for point in range(each.shape[-1])], axis=-1)
        parts = [
            (np.einsum("...p,...pq,...q->...", each, part, each), free)
            for part, free in self.points.parts
        ]
        return np.asarray(stdtrit(seeds.freedom(parts), 0.975))


def bent(ratio: "Array", exponent: "Array") -> "Array":
    """(1 - ratio^-b) / b. It is near log(ratio) for b near 0."""
    import numpy as np

    return np.asarray(-np.expm1(-exponent * np.log(ratio)) / exponent)


def fit(sizes: Sequence[Sequence[float]], points: Measured) -> Law:
    """Fits the laws of one or two arms together. `sizes` are those of each arm; `points` are in the
    same order. The grid of exponents is first coarse, then fine where the misfit allows it."""
    import numpy as np

    number = GRID[len(sizes)]
    cases = points.means.shape[:-1]
    law = _solve(sizes, points, [np.geomspace(*EXPONENTS, number)] * len(sizes))
    step, grids = (EXPONENTS[1] / EXPONENTS[0]) ** (1 / (number - 1)), []
    for arm in range(len(sizes)):
        near = np.where(law.excess <= FAR, law.exponents[..., arm], np.nan)
        low, high = np.nanmin(near, axis=-1) / step, np.nanmax(near, axis=-1) * step
        grids.append(
            np.geomspace(low.clip(*EXPONENTS), high.clip(*EXPONENTS), number, axis=-1).reshape(
                *cases, number
            )
        )
    return _solve(sizes, points, grids)


def _solve(sizes: Sequence[Sequence[float]], points: Measured, grids: Sequence["Array"]) -> Law:
    """Generalized least squares for every combination of the arms' exponents."""
    import numpy as np

    exponents = _combine(grids)
    start = float(min(map(min, sizes)))
    design = _design(sizes, start, exponents)
    inverse = np.linalg.inv(sum(part for part, _ in points.parts))[..., None, :, :]
    weighted = np.swapaxes(design, -1, -2) @ inverse
    covariance = np.asarray(np.linalg.inv(weighted @ design), float)
    weights = covariance @ weighted
    coefficients = (weights @ points.means[..., None, :, None])[..., 0]
    rest = points.means[..., None, :] - (design @ coefficients[..., None])[..., 0]
    misfit = np.einsum(
        "...p,...pq,...q->...", rest, np.broadcast_to(inverse, (*rest.shape, rest.shape[-1])), rest
    )
    least = misfit.min(axis=-1)
    exponents = np.broadcast_to(exponents, (*misfit.shape, len(sizes)))
    excess = misfit - least[..., None]
    return Law(points, start, exponents, excess, coefficients, covariance, weights, least)


def _combine(grids: Sequence["Array"]) -> "Array":
    """Every combination (..., B, A) of the arms' candidates."""
    import numpy as np

    wide = [
        grid[(..., *(slice(None) if axis == arm else None for axis in range(len(grids))))]
        for arm, grid in enumerate(grids)
    ]
    exponents = np.stack(np.broadcast_arrays(*wide), axis=-1)
    return exponents.reshape(*exponents.shape[: -1 - len(grids)], -1, len(grids))


def _design(sizes: Sequence[Sequence[float]], start: float, exponents: "Array") -> "Array":
    """The design matrices (..., B, P, 2 A)."""
    import numpy as np

    design = np.zeros((*exponents.shape[:-1], sum(map(len, sizes)), 2 * len(sizes)))
    first = 0
    for arm, of_arm in enumerate(sizes):
        rows = slice(first, first + len(of_arm))
        design[..., rows, 2 * arm] = 1
        ratio = np.asarray(of_arm, float) / start
        design[..., rows, 2 * arm + 1] = bent(ratio, exponents[..., arm, None])
        first += len(of_arm)
    return design


class Place(NamedTuple):
    """The range of sizes in which a difference may be 0.

    Up to `low` its sign surely is `first`; from `high` on its sign surely is `last`. An open end
    has None and the sign 0. If the difference surely is 0 nowhere, both ends are None and both
    signs are equal."""

    low: float | None
    high: float | None
    first: int = 0
    last: int = 0

    @property
    def sign(self) -> int:
        """The sign that the difference surely has everywhere; else 0."""
        return self.first if self.low is None and self.high is None else 0

    @property
    def is_sure(self) -> bool:
        """Whether the difference surely is 0 somewhere: it has opposite signs at the ends."""
        return self.first * self.last < 0


OPEN = Place(None, None)  # nothing is known
Ends = list[tuple[float, float]]  # of intervals


def along(law: Law, most: float, signs: Sequence[float] = (1,)) -> tuple[list[float], Ends]:
    """Sizes from the smallest to `most`, and the intervals there of the sum of the arms' values
    with these signs. For one case."""
    import numpy as np

    sizes = np.geomspace(law.start, most, STEPS)
    _, low, high = law.span(law.rows(sizes, signs))
    return sizes.tolist(), list(zip(low.tolist(), high.tolist(), strict=True))


def around(each: Sequence[Ends]) -> Ends:
    """The smallest intervals that contain all of these, at each size; NaN if one is unknown."""
    import numpy as np

    low, high = np.moveaxis(np.array(each), -1, 0)
    return list(zip(low.min(axis=0).tolist(), high.max(axis=0).tolist(), strict=True))


def ranges(sizes: Sequence[float], ends: Ends) -> list[Place]:
    """All ranges of sizes in which a difference may be 0, from its intervals at these sizes. Empty
    if it surely is 0 nowhere."""
    signs = [1 if low > 0 else -1 if high < 0 else 0 for low, high in ends]
    sure = [(index, sizes[index], sign) for index, sign in enumerate(signs) if sign]
    if not sure:
        return [OPEN]
    inner = [
        Place(low, high, first, last)
        for (before, low, first), (after, high, last) in pairwise(sure)
        if after > before + 1 or first != last
    ]
    (_, least, first), (_, most, last) = sure[0], sure[-1]
    head = [] if signs[0] else [Place(None, least, 0, first)]
    return head + inner + ([] if signs[-1] else [Place(most, None, last, 0)])


def bracket(sizes: Sequence[float], ends: Ends) -> Place:
    """The same as ranges(), but as one range without gaps."""
    if not (all_ranges := ranges(sizes, ends)):
        sign = 1 if ends[0][0] > 0 else -1
        return Place(None, None, sign, sign)
    first, last = all_ranges[0], all_ranges[-1]
    return Place(first.low, last.high, first.first, last.last)
