"""Learning curves. Fits power laws to the points of a study, and finds where they pass a target or
cross each other.

The law is value(n) = c - a n^-b with b > 0. Here n is the size, which is a number of training rows,
c is the limit for large n, and b is the exponent. The law is fitted by generalized least squares.
All points are scored on the same items, so they are correlated. Their covariance has three parts:

- the variation between items, from one cluster bootstrap for all points
- the variation between seeds at each size
- the effect of a seed that is common to all sizes, because a smaller sample is the first part of a
  larger one

For a given b the law is linear in c and a. So it is solved for each b of a grid, with an interval
for the value. The excess misfit of a b is its misfit minus that of the best b, and it shortens the
interval. The union of these intervals over all b is the profile likelihood interval, which is valid
even if b is unknown. Its quantile is that of Student's t with Satterthwaite's degrees of freedom
(kotune.compare.seeds).

A curve passes a target, or crosses another curve, where their difference is 0. The possible sizes
are those at which the interval of the difference contains 0 (Fieller 1954).

The variance between seeds is assumed to be equal at all sizes of an arm. A simulation in
tests/study/test_curves.py checks how often the intervals contain the true value.

Shapes of arrays are in parentheses: P points, A arms, B candidate exponents, S seeds, R resamples.
`...` stands for leading axes, with one element for each case; they may be absent."""

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from kotune.compare import seeds

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[np.float64]]

SIZES = 5  # a law is fitted to at least this number of sizes
# The range of b. With the smallest b the law is nearly a logarithm. With the largest b it is nearly
# a step after the smallest size.
EXPONENTS = (0.02, 4.0)
GRID = {1: 60, 2: 24}  # the number of values of b for each arm, by the number of arms
# Values of b with a larger excess misfit are not in the fine grid. They cannot affect an interval,
# because FAR is larger than the square of every quantile (Law.span).
FAR = 40.0
# The number of sizes in the measured range at which along() calculates an interval.
STEPS = 100
AHEAD = 2  # a law is extrapolated to this multiple of the largest size


class Measured(NamedTuple):
    """P values, called points. `means` (..., P) has the values. The sum of `parts` (..., P, P) is
    their covariance. Each part comes with its degrees of freedom."""

    means: "Array"
    parts: tuple[tuple["Array", float], ...]

    def through(self, weights: "Array") -> "Measured":
        """Q weighted sums of the points, as points. `weights` has the shape (Q, P)."""
        return Measured(
            self.means @ weights.T,
            tuple((weights @ part @ weights.T, free) for part, free in self.parts),
        )

    def tested(self, at: int) -> seeds.Tested:
        """The test of whether the point with the index `at` differs from 0."""
        parts = [
            seeds.Part(float(part[at, at]), free) for part, free in self.parts if part[at, at] != 0
        ]
        return seeds.interval(float(self.means[at]), parts or [seeds.Part(0.0, 1.0)])

    def interval(self, at: int) -> tuple[float, float]:
        """The 95% interval of the point with the index `at`; NaN if unknown."""
        return self.tested(at)[:2]


def measured(values: "Array", resampled: "Array", arms: Sequence[slice], groups: int) -> Measured:
    """The points of one case, each with the mean over its seeds.

    - `values` (P, S): the value of each point and seed; NaN if there is no run
    - `resampled` (R, P, S): the same values for R bootstrap samples
    - `arms`: for each arm, the indices of its points. The other points are base models and
      baselines, which have no seeds.
    - `groups`: the number of clusters of items
    """
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
    """The mean of `values` (..., S) over the seeds that have a run; NaN if there is no run."""
    import numpy as np

    have = np.isfinite(values)
    count = have.sum(axis=-1)
    total = np.where(have, values, 0).sum(axis=-1)
    return np.asarray(np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0))


def freedom_of_seeds(values: "Array") -> float:
    """The degrees of freedom of the variance between the seeds of one arm, pooled over sizes.
    `values`: as in of_seeds()."""
    import numpy as np

    have = np.isfinite(values).reshape(-1, *values.shape[-2:])[0]
    return float((have.sum(axis=-1) - 1).clip(0).sum())


def are_enough(values: "Array") -> bool:
    """Whether the variance between the seeds of one arm is known. It needs two degrees of freedom,
    which three seeds (ENOUGH) at one size give. `values`: as in of_seeds()."""
    return freedom_of_seeds(values) >= seeds.ENOUGH - 1


def of_seeds(values: "Array", within: "Array") -> list[tuple["Array", float]]:
    """The parts of the covariance that come from the seeds of one arm, with their degrees of
    freedom.

    - `values` (..., K, S): the values of K sizes and S seeds; NaN if there is no run. The missing
      runs are the same in all cases.
    - `within` (..., K): the part of the variance between seeds that the choice of items causes,
      known from resampling. It is subtracted.

    The variance is pooled over sizes. The result is empty if are_enough() is False."""
    import numpy as np

    have = np.isfinite(values).reshape(-1, *values.shape[-2:])[0].astype(float)
    both = have @ have.T
    count = both.diagonal()
    free, common = freedom_of_seeds(values), values.shape[-1] - 1.0
    if not are_enough(values):
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
    """The fitted laws of A arms (one or two), for P points and B candidate exponents. A candidate
    is one exponent for each arm.

    - `start`: the smallest size
    - `exponents` (..., B, A): the candidates
    - `excess` (..., B): the misfit (chi-squared) of each candidate minus that of the best one
    - `coefficients` (..., B, 2 A): for each arm, its value at `start` and its slope there, as the
      derivative with respect to log n
    - `covariance` (..., B, 2 A, 2 A): the covariance of the coefficients
    - `weights` (..., B, 2 A, P): the weight of each point in the coefficients
    - `misfit` (...): the misfit of the best candidate
    """

    points: Measured
    start: float
    exponents: "Array"
    excess: "Array"
    coefficients: "Array"
    covariance: "Array"
    weights: "Array"
    misfit: "Array"

    def rows(self, sizes: "Array", signs: Sequence[float] = (1,)) -> "Array":
        """Weights of the coefficients for N sizes, with the shape (N, ..., B, 2 A).

        With the weights of a size, span() gives the sum of the arms' values at that size, each
        multiplied by its sign. With the signs (-1, 1), this is the second arm minus the first."""
        import numpy as np

        column = np.asarray(sizes, float).reshape(-1, *[1] * (self.exponents.ndim - 1))
        transformed = [
            box_cox(column / self.start, self.exponents[..., arm])
            for arm in range(self.exponents.shape[-1])
        ]
        blocks = [
            np.stack([np.full_like(g, s), s * g], axis=-1)
            for g, s in zip(transformed, signs, strict=True)
        ]
        return np.concatenate(blocks, axis=-1)

    def span(self, rows: "Array") -> tuple["Array", "Array", "Array"]:
        """The value of each weighted sum of coefficients, and the low and high ends of its 95%
        interval. `rows`: the weights, in the shape that rows() returns."""
        import numpy as np

        value = (rows * self.coefficients).sum(axis=-1)
        variance = np.einsum("...i,...ij,...j->...", rows, self.covariance, rows)
        remaining = self.quantile(rows)[..., None] ** 2 - self.excess
        half = np.sqrt(remaining.clip(0) * variance)
        low, high = (np.where(remaining < 0, np.nan, value + sign * half) for sign in (-1, 1))
        return self._best(value), np.nanmin(low, axis=-1), np.nanmax(high, axis=-1)

    def _best(self, values: "Array") -> "Array":
        """The values for the candidate with the smallest misfit. `values` has the shape
        (..., B)."""
        import numpy as np

        return np.take_along_axis(
            values,
            self.excess.argmin(-1)[(None,) * (values.ndim - self.excess.ndim)][..., None],
            -1,
        )[..., 0]

    def quantile(self, rows: "Array") -> "Array":
        """Half the width of the 95% interval of each weighted sum of coefficients, in standard
        errors. `rows`: as in span()."""
        import numpy as np
        from scipy.special import stdtrit

        each = np.einsum("...i,...ip->...p", rows, self.weights)
        each = np.stack([self._best(each[..., point]) for point in range(each.shape[-1])], axis=-1)
        parts = [
            (np.einsum("...p,...pq,...q->...", each, part, each), free)
            for part, free in self.points.parts
        ]
        return np.asarray(stdtrit(seeds.freedom(parts), 0.975))


def box_cox(ratio: "Array", exponent: "Array") -> "Array":
    """The Box-Cox transform (1 - ratio^-b) / b, where b is the exponent. Here `ratio` is a size
    divided by the smallest size. If b is near 0, the result is near log(ratio)."""
    import numpy as np

    return np.asarray(-np.expm1(-exponent * np.log(ratio)) / exponent)


def fit(sizes: Sequence[Sequence[float]], points: Measured) -> Law:
    """Fit the laws of one or two arms together. `sizes`: the sizes of each arm, ascending.
    `points`: the points of the first arm in the order of its sizes, then those of the second.

    The laws are first solved for a coarse grid of exponents. They are then solved for a fine grid
    over the exponents whose excess misfit is at most FAR."""
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
    """Solve the generalized least squares problem for every combination of the arms' exponents.
    `grids`: the exponents of each arm."""
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
    """All combinations of the arms' exponents, with the shape (..., B, A)."""
    import numpy as np

    wide = [
        grid[(..., *(slice(None) if axis == arm else None for axis in range(len(grids))))]
        for arm, grid in enumerate(grids)
    ]
    exponents = np.stack(np.broadcast_arrays(*wide), axis=-1)
    return exponents.reshape(*exponents.shape[: -1 - len(grids)], -1, len(grids))


def _design(sizes: Sequence[Sequence[float]], start: float, exponents: "Array") -> "Array":
    """The design matrix for each candidate, with the shape (..., B, P, 2 A). `start`: the smallest
    size."""
    import numpy as np

    design = np.zeros((*exponents.shape[:-1], sum(map(len, sizes)), 2 * len(sizes)))
    first = 0
    for arm, of_arm in enumerate(sizes):
        rows = slice(first, first + len(of_arm))
        design[..., rows, 2 * arm] = 1
        ratio = np.asarray(of_arm, float) / start
        design[..., rows, 2 * arm + 1] = box_cox(ratio, exponents[..., arm, None])
        first += len(of_arm)
    return design


class Place(NamedTuple):
    """A range of sizes in which a difference may be 0.

    At `low`, the sign of the difference is certainly `first` (1 or -1). At `high`, it is certainly
    `last`. An open end is None, and its sign is 0. If the sign is certain and the same at all
    sizes, both ends are None, and `first` and `last` are that sign."""

    low: float | None
    high: float | None
    first: int = 0
    last: int = 0

    @property
    def sign(self) -> int:
        """The sign of the difference if it is certain and the same at all sizes; otherwise 0."""
        return self.first if self.low is None and self.high is None else 0

    @property
    def is_sure(self) -> bool:
        """Whether the difference is certainly 0 somewhere, because it has opposite signs at the
        ends."""
        return self.first * self.last < 0


OPEN = Place(None, None)  # nothing is known
Ends = list[tuple[float, float]]  # the lower and upper ends of intervals


def along(law: Law, most: float, signs: Sequence[float] = (1,)) -> tuple[list[float], Ends]:
    """STEPS sizes from the smallest one to `most`, and an interval for each size.

    The interval is that of the sum of the arms' values, each multiplied by its sign (Law.rows).
    `law` must have a single case, so without leading axes."""
    import numpy as np

    sizes = np.geomspace(law.start, most, STEPS)
    _, low, high = law.span(law.rows(sizes, signs))
    return sizes.tolist(), list(zip(low.tolist(), high.tolist(), strict=True))


def around(each: Sequence[Ends]) -> Ends:
    """At each size, the smallest interval that contains the intervals of all elements of `each`.
    NaN if one of these is unknown."""
    import numpy as np

    low, high = np.moveaxis(np.array(each), -1, 0)
    return list(zip(low.min(axis=0).tolist(), high.max(axis=0).tolist(), strict=True))


def ranges(sizes: Sequence[float], ends: Ends) -> list[Place]:
    """All ranges of sizes in which a difference may be 0. `ends`: the interval of the difference at
    each of `sizes`, which are ascending. Empty if the sign is certain and the same at all sizes."""
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
    """One range from the start of the first range of ranges() to the end of the last one. If there
    are no ranges, both ends are None, and both signs are the sign of the difference."""
    if not (all_ranges := ranges(sizes, ends)):
        sign = 1 if ends[0][0] > 0 else -1
        return Place(None, None, sign, sign)
    first, last = all_ranges[0], all_ranges[-1]
    return Place(first.low, last.high, first.first, last.last)
