"""The stated intervals of a fitted law and of a crossing hold the truth as often as they say, on made scores whose law is known."""

import math
from typing import Any, NamedTuple

import pytest

from kotune.study import curves
from kotune.study.curves import Measured, Place, bracket, fit, measured, zero

np = pytest.importorskip("numpy")
special = pytest.importorskip("scipy.special")
SIZES = (250, 1_000, 4_000, 12_000, 25_000)
SEEDS, TOGETHER = 3, 3
ARMS = (slice(0, 5), slice(5, 10))


class Scenario(NamedTuple):
    """Two laws (c, a, b); how far one seed lies from another, and how much of that it has in common at all sizes; premises."""

    laws: tuple[tuple[float, float, float], ...]
    noise: float
    shared: float = 0.0
    premises: int = 300
    mixed: tuple[float, ...] = (0.15, 0.25, 0.15, 0.15, 0.3)

    def value(self, arm: int, size: float) -> float:
        limit, height, exponent = self.laws[arm]
        return float(limit - height * size**-exponent)


CROSSING = ((0.75, 2.0, 0.32), (0.68, 3.0, 0.45))
SCENARIOS = {
    "plain": Scenario(CROSSING, 0.01),
    "noisy seeds": Scenario(CROSSING, 0.04),
    "seeds alike at all sizes": Scenario(CROSSING, 0.03, shared=0.6),
    "steep, many items": Scenario(((0.85, 9.0, 0.6), (0.70, 2.0, 0.5)), 0.015, premises=1_000),
    "nearly flat": Scenario(((0.42, 0.05, 0.2), (0.44, 0.12, 0.2)), 0.012),
    "few items": Scenario(CROSSING, 0.01, premises=60),
    "nothing but noise of items": Scenario(CROSSING, 0.0, mixed=(0, 0, 0, 0, 1)),
    "still rising": Scenario(((1.1, 1.2, 0.1), (0.9, 1.5, 0.22)), 0.01, premises=150),
}


def scored(of: Scenario, rng: Any) -> Measured:
    """One study: right and wrong answers of both arms at all sizes. Premises and items are hard or easy for all cells, for one
    arm, for one cell, for one run, in the shares `mixed`; over items and seeds each point's mean is its law's value."""
    shape = (2, len(SIZES), SEEDS, of.premises, TOGETHER)
    law = np.array([[of.value(arm, size) for size in SIZES] for arm in (0, 1)])[..., None]
    luck = math.sqrt(1 - of.shared) * rng.normal(size=shape[:3]) + math.sqrt(of.shared) * rng.normal(size=(2, 1, SEEDS))
    likely = (law + of.noise * luck).clip(1e-3, 1 - 1e-3)
    kept = ((3,), (3, 4), (0, 3, 4), (0, 1, 3, 4), (0, 1, 2, 3, 4))
    hard = sum(
        math.sqrt(share) * rng.normal(size=[length if at in axes else 1 for at, length in enumerate(shape)])
        for share, axes in zip(of.mixed, kept, strict=True)
    )
    right = (hard < special.ndtri(likely)[..., None, None]).mean(axis=-1).reshape(-1, SEEDS, of.premises)
    draws = rng.multinomial(of.premises, np.full(of.premises, 1 / of.premises), size=300) / of.premises
    found = np.einsum("rg,psg->rps", draws, right, optimize=True)
    return measured(right.mean(axis=-1), found, ARMS, of.premises)


def stacked(cases: list[Measured]) -> Measured:
    """Cases along a leading axis."""
    parts = zip(*(case.parts for case in cases), strict=True)
    return Measured(
        np.stack([case.means for case in cases]),
        tuple((np.stack([part for part, _ in each]), each[0][1]) for each in parts),
    )


def covers(of: Scenario, cases: list[Measured]) -> dict[str, float]:
    """The share of cases whose interval holds the truth: of each law at the measured sizes, at twice the largest, and of what
    doubling adds; and of the place where the laws cross, as it is told."""
    told = {}
    for arm, place in enumerate(ARMS):
        pick = np.eye(10)[place]
        law = fit([SIZES], stacked([case.through(pick) for case in cases]))
        at = (*SIZES, 2 * SIZES[-1])
        rows = law.rows(np.array(at))
        truths = [of.value(arm, size) for size in at]
        for name, row, truth in [*zip(at, rows, truths, strict=True), ("more", rows[-1] - rows[-2], truths[-1] - truths[-2])]:
            _, low, high = law.span(row[None])
            told[f"{arm} {name}"] = float(((low <= truth) & (truth <= high)).mean())
    if crossing := true_crossing(of):
        places = [zero(fit([SIZES, SIZES], case), SIZES[-1], (1, -1)) for case in cases]
        told["crossing"] = sum(holds(place, crossing) for place in places) / len(places)
    return told


def true_crossing(of: Scenario) -> float | None:
    from scipy.optimize import brentq

    ends = (SIZES[0], 2 * SIZES[-1])
    apart = [of.value(0, size) - of.value(1, size) for size in ends]
    return float(brentq(lambda size: of.value(0, size) - of.value(1, size), *ends)) if apart[0] * apart[1] < 0 else None


def holds(place: Place, size: float) -> bool:
    return not place.sign and (place.low or 0) <= size <= (place.high or math.inf)


@pytest.mark.slow
@pytest.mark.parametrize("name", SCENARIOS)
def test_the_stated_intervals_hold_the_truth_in_90_to_98_of_100_studies(name: str) -> None:
    rng = np.random.default_rng(20)
    told = covers(SCENARIOS[name], [scored(SCENARIOS[name], rng) for _ in range(400)])
    print(name, told)
    assert all(0.90 <= share <= 0.98 for share in told.values()), told
