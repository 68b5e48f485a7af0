"""The stated intervals of a fitted law and of a crossing hold the truth as often as they say, on
scores from a known law, and so does what is told of targets and of two arms that are alike."""

import math
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest

from kotune.compare.verdict import outcome
from kotune.study.curves import (
    OPEN,
    Law,
    Measured,
    Place,
    along,
    around,
    box_cox,
    bracket,
    fit,
    measured,
    of_seeds,
    ranges,
)
from kotune.study.findings import Findings
from kotune.study.points import Scores
from kotune.study.sentences import state

np = pytest.importorskip("numpy")
special = pytest.importorskip("scipy.special")
SIZES = (250, 1_000, 4_000, 12_000, 25_000)
TOGETHER, BASE = 3, 0.35
CASES = 1_000


class Scenario(NamedTuple):
    """Two laws (c, a, b); how far one seed lies from another, and how much of that it has in common
    at all sizes; premises. Beside them stand their base models, which are right in BASE of the
    cases."""

    laws: tuple[tuple[float, float, float], ...]
    noise: float
    shared: float = 0.0
    premises: int = 300
    mixed: tuple[float, ...] = (0.15, 0.25, 0.15, 0.15, 0.3)
    sizes: tuple[int, ...] = SIZES
    seeds: int = 3

    @property
    def arms(self) -> tuple[slice, slice]:
        """The places of each arm's points; those of the base models follow."""
        return slice(0, len(self.sizes)), slice(len(self.sizes), 2 * len(self.sizes))

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
    """One study: right and wrong answers of both arms at all sizes. Premises and items are hard or
    easy for all cells, for one arm, for one cell, for one run, in the shares `mixed`; over items
    and seeds each point's mean is its law's value."""
    shape = (2, len(of.sizes), of.seeds, of.premises, TOGETHER)
    law = np.array([[of.value(arm, size) for size in of.sizes] for arm in (0, 1)])[..., None]
    common = rng.normal(size=(2, 1, of.seeds))
    luck = math.sqrt(1 - of.shared) * rng.normal(size=shape[:3]) + math.sqrt(of.shared) * common
    likely = (law + of.noise * luck).clip(1e-3, 1 - 1e-3)
    kept = ((3,), (3, 4), (0, 3, 4), (0, 1, 3, 4), (0, 1, 2, 3, 4))
    hard = sum(
        math.sqrt(share)
        * rng.normal(size=[length if at in axes else 1 for at, length in enumerate(shape)])
        for share, axes in zip(of.mixed, kept, strict=True)
    )
    right = (
        (hard < special.ndtri(likely)[..., None, None])
        .mean(axis=-1)
        .reshape(-1, of.seeds, of.premises)
    )
    base = np.full((2, of.seeds, of.premises), np.nan)
    base[:, 0] = (rng.random((2, of.premises, TOGETHER)) < BASE).mean(axis=-1)
    right = np.concatenate([right, base])
    draws = (
        rng.multinomial(of.premises, np.full(of.premises, 1 / of.premises), size=300) / of.premises
    )
    found = np.einsum("rg,psg->rps", draws, right, optimize=True)
    return measured(right.mean(axis=-1), found, of.arms, of.premises)


def findings(of: Scenario, case: Measured) -> Findings:
    """Of one study, as of the runs of a real one."""
    recipes = [SimpleNamespace(as_json=lambda arm=arm: {"model": arm}) for arm in (0, 1)]
    runs = [(SimpleNamespace(recipe=recipe),) * of.seeds for recipe in recipes]
    points: Any = [
        SimpleNamespace(
            arm=f"{arm}",
            rows=size,
            runs=runs[arm],
            variant=SimpleNamespace(run=arm),
            seconds=size / 10,
        )
        for arm in (0, 1)
        for size in of.sizes
    ]
    values = np.zeros((len(case.means), of.seeds))  # only how many seeds there are counts
    return Findings(
        Scores("nli_sample_ko", points, (), values, case, of.premises * TOGETHER, of.premises)
    )


def zero(law: Law, most: float, signs: Sequence[float] = (1,)) -> Place:
    return bracket(*along(law, most, signs))


def stacked(cases: list[Measured]) -> Measured:
    """Cases along a leading axis."""
    parts = zip(*(case.parts for case in cases), strict=True)
    return Measured(
        np.stack([case.means for case in cases]),
        tuple((np.stack([part for part, _ in each]), each[0][1]) for each in parts),
    )


def covers(of: Scenario, cases: list[Measured]) -> dict[str, float]:
    """The share of cases whose interval holds the truth: of each law at the measured sizes, at
    twice the largest, and of what doubling adds; and of where the laws may cross."""
    told = {}
    for arm, place in enumerate(of.arms):
        pick = np.eye(12)[place]
        law = fit([SIZES], stacked([case.through(pick) for case in cases]))
        at = (*SIZES, 2 * SIZES[-1])
        rows = law.rows(np.array(at))
        truths = [of.value(arm, size) for size in at]
        for name, row, truth in [
            *zip(at, rows, truths, strict=True),
            ("more", rows[-1] - rows[-2], truths[-1] - truths[-2]),
        ]:
            _, low, high = law.span(row[None])
            told[f"{arm} {name}"] = float(((low <= truth) & (truth <= high)).mean())
    if crossing := true_crossing(of):
        each = [crossings(both(case)) for case in cases]
        sure = [[place for place in places if place.is_sure] for places in each]
        told["crossing"] = share(each, crossing)
        told["crossing, where anything is told"] = share(
            [places for places in each if places != [OPEN]], crossing
        )
        told["crossing, where it is said that there is one"] = share(
            [places for places in sure if places], crossing
        )
    return told


def both(case: Measured) -> Measured:
    """The points of both arms."""
    return case.through(np.eye(12)[:10])


def crossings(points: Measured) -> list[Place]:
    return ranges(*along(fit([SIZES, SIZES], points), SIZES[-1], (1, -1)))


def true_crossing(of: Scenario) -> float | None:
    from scipy.optimize import brentq

    ends = (SIZES[0], SIZES[-1])
    apart = [of.value(0, size) - of.value(1, size) for size in ends]
    return (
        float(brentq(lambda size: of.value(0, size) - of.value(1, size), *ends))
        if apart[0] * apart[1] < 0
        else None
    )


def share(each: Sequence[Sequence[Place]], size: float) -> float:
    """The share of cases of which a range holds this size; all of none."""
    return sum(holds(places, size) for places in each) / len(each) if each else 1.0


def holds(places: Sequence[Place], size: float) -> bool:
    return any((place.low or 0) <= size <= (place.high or math.inf) for place in places)


def claims(of: Scenario, cases: list[Measured]) -> dict[str, float]:
    """The share of cases in which what is told of each arm and target is so; and in which a law is
    refused although it is one."""
    best = max(of.value(arm, SIZES[-1]) for arm in (0, 1))
    right = {(arm, share): 0 for arm in ("0", "1") for share in ("80", "90")}
    misfits = 0
    for case in cases:
        found = findings(of, case)
        misfits += sum(curve.why == "misfit" for curve in found.curves.values())
        for one in found.passings:
            target = BASE + float(one.target.name) / 100 * (best - BASE)
            right[one.arm, one.target.name] += is_so(
                one.place,
                lambda size: of.value(int(one.arm), size) - target,  # noqa: B023
            )
    told = {f"{arm}, {share}%": count / len(cases) for (arm, share), count in right.items()}
    return {**told, "misfit": misfits / len(cases) / 2}


def is_so(place: Place, truth: Callable[[float], float]) -> bool:
    """Whether a difference that rises is on the sides that are told of it."""
    if place.sign:
        return all(truth(size) * place.sign >= 0 for size in SIZES)
    ends = ((place.low, place.first), (place.high, place.last))
    return all(truth(end) * side >= 0 for end, side in ends if end is not None)


@pytest.mark.slow
@pytest.mark.parametrize("name", SCENARIOS)
def test_what_is_told_of_targets_is_so_in_90_of_100_studies(name: str) -> None:
    rng = np.random.default_rng(21)
    told = claims(SCENARIOS[name], [scored(SCENARIOS[name], rng) for _ in range(CASES // 2)])
    assert told.pop("misfit") <= 0.03
    assert all(share >= 0.90 for share in told.values()), told


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [1, 2, 3])
def test_two_arms_that_are_alike_are_seldom_called_different(seeds: int) -> None:
    alike = Scenario(
        (CROSSING[0], CROSSING[0]), 0.05 if seeds > 1 else 0.0, sizes=(75, 300, 1_200), seeds=seeds
    )
    rng, claimed = np.random.default_rng(22), 0
    for _ in range(CASES):
        (pair,) = findings(alike, scored(alike, rng)).pairs
        claimed += any(outcome(one) in ("better", "worse") for _, one in pair.sizes)
    assert claimed / CASES <= 0.07
    assert pair.includes_seeds is (seeds > 1)  # with one seed, only adapters are called different


@pytest.mark.slow
@pytest.mark.parametrize("name", SCENARIOS)
def test_the_stated_intervals_hold_the_truth_in_90_to_98_of_100_studies(name: str) -> None:
    rng = np.random.default_rng(20)
    told = covers(SCENARIOS[name], [scored(SCENARIOS[name], rng) for _ in range(CASES)])
    narrower = [told.pop(key, 1.0) for key in [*told] if key.startswith("crossing,")]
    # No promise: what docs/study.md says of the studies that tell something.
    assert min(narrower, default=1.0) >= 0.8
    assert all(0.90 <= share <= 0.98 for share in told.values()), told


def test_a_few_studies_hold_the_truth_too() -> None:
    rng = np.random.default_rng(3)
    of = SCENARIOS["few items"]
    told = covers(of, [scored(of, rng) for _ in range(60)])
    assert len(told) == 17
    assert all(told.pop(key) >= 0.8 for key in [*told] if key.startswith("crossing,"))
    assert all(share >= 0.85 for share in told.values()), told


def known(values: list[float], error: float = 1e-3, free: float = 50.0) -> Measured:
    """Points that are known so well, each by itself."""
    return Measured(np.array(values), ((error**2 * np.eye(len(values)), free),))


def power(size: float, limit: float = 0.8, height: float = 2.0, exponent: float = 0.4) -> float:
    return float(limit - height * size**-exponent)


def test_a_law_without_noise_is_found_again_and_followed() -> None:
    law = fit([SIZES], known([power(size) for size in SIZES]))
    assert law.exponents[law.excess.argmin(), 0] == pytest.approx(0.4, rel=0.01)
    assert float(law.misfit) < 0.1
    value, low, high = law.span(law.rows(np.array([500, 50_000])))
    assert value == pytest.approx([power(500), power(50_000)], abs=5e-4)
    assert (low < value).all() and (value < high).all() and (high - low < 0.01).all()
    assert box_cox(np.array(7.0), np.array(1e-9)) == pytest.approx(math.log(7))


def test_an_interval_is_that_of_the_delta_method_where_the_exponent_is_well_known() -> None:
    law = fit([SIZES], known([power(size) for size in SIZES], error=1e-4, free=8.0))
    design = np.array([[1, -(size**-0.4)] for size in SIZES])
    row = np.array([1, -(50_000**-0.4), 2.0 * 50_000**-0.4 * math.log(50_000)])
    slope = np.array([2.0 * size**-0.4 * math.log(size) for size in SIZES])
    full = np.column_stack([design, slope])
    error = 1e-4 * math.sqrt(row @ np.linalg.inv(full.T @ full) @ row)
    _, low, high = law.span(law.rows(np.array([50_000])))
    assert float((high - low)[0]) == pytest.approx(2 * special.stdtrit(8, 0.975) * error, rel=0.05)


def test_where_nothing_rises_the_exponent_is_open_and_the_interval_is_not() -> None:
    law = fit([SIZES], known([0.5, 0.501, 0.499, 0.5, 0.5], error=0.01))
    assert np.ptp(np.log(law.exponents[law.excess < 4])) > 4
    (_,), (low,), (high,) = law.span(law.rows(np.array([50_000])) - law.rows(np.array([25_000])))
    assert -0.02 < low < 0 < high < 0.02


def test_a_crossing_is_between_two_sizes_open_at_an_end_or_nowhere() -> None:
    first, other = [power(size) for size in SIZES], [power(size, 0.75, 3.0, 0.5) for size in SIZES]
    place = zero(fit([SIZES, SIZES], known(first + other, error=2e-4)), SIZES[-1], (1, -1))
    assert place == Place(None, None, 1, 1)
    lower = [power(size, 0.70, 1.2, 0.4) for size in SIZES]
    truth = (0.8 / 0.1) ** (1 / 0.4)
    place = zero(fit([SIZES, SIZES], known(first + lower, error=1e-2)), SIZES[-1], (1, -1))
    assert (
        (place.low, place.first, place.last) == (None, 0, 1) and place.high and place.high > truth
    )
    truth = (2.0 / 0.2) ** (1 / 0.4)
    place = zero(fit([SIZES], known([value - 0.6 for value in first])), SIZES[-1])
    assert place.low and place.high and place.low < truth < place.high < 1.2 * place.low
    assert place.is_sure and state(place) == "between"
    assert zero(fit([SIZES], known([value - 0.9 for value in first])), SIZES[-1]) == Place(
        None, None, -1, -1
    )


def test_below_five_sizes_a_place_is_bracketed_by_measured_ones() -> None:
    below, unsure, above = (-0.3, -0.1), (-0.1, 0.1), (0.1, 0.3)
    assert bracket([1, 2, 3, 4], [below, below, unsure, above]) == Place(2, 4, -1, 1)
    assert bracket([1, 2, 3], [unsure, above, above]) == Place(None, 2, 0, 1)
    assert bracket([1, 2, 3], [below, below, unsure]) == Place(2, None, -1, 0)
    assert bracket([1, 2], [above, above]) == Place(None, None, 1, 1)
    assert bracket([1, 2], [unsure, unsure]) == OPEN
    assert bracket([1, 2, 3, 4], [below, above, below, above]) == Place(1, 4, -1, 1)
    assert bracket([1], [(math.nan, math.nan)]) == OPEN


@pytest.mark.parametrize(
    ("sides", "told"),
    [
        ("+ + +", []),
        ("0 0", [OPEN]),
        ("- + +", [Place(0, 1, -1, 1)]),
        ("- 0 -", [Place(0, 2, -1, -1)]),
        ("0 + 0", [Place(None, 1, 0, 1), Place(1, None, 1, 0)]),
        ("0 + 0 - -", [Place(None, 1, 0, 1), Place(1, 3, 1, -1)]),
        ("+ - 0 0 - + +", [Place(0, 1, 1, -1), Place(1, 4, -1, -1), Place(4, 5, -1, 1)]),
    ],
)
def test_curves_may_cross_in_every_range_that_is_not_surely_on_one_side(
    sides: str, told: list[Place]
) -> None:
    assert ranges(*between(sides)) == told


def between(sides: str) -> tuple[list[float], list[tuple[float, float]]]:
    """Sizes and intervals on these sides of 0."""
    ends = [{"-": (-2.0, -1.0), "0": (-1.0, 1.0), "+": (1.0, 2.0)}[side] for side in sides.split()]
    return list(range(len(ends))), ends


@pytest.mark.parametrize(
    ("sides", "told", "is_sure"),
    [
        ("- - 0 +", "between", True),
        ("- 0 -", "between or not", False),
        ("- - 0", "above", False),
        ("0 + +", "below", False),
        ("+ + +", "always", False),
        ("+ 0 +", "always", False),
        ("+ 0 0", "always", False),
        ("+ 0 -", "falls", True),
        ("- - -", "never", False),
        ("0 - -", "open", False),
        ("0 + 0", "open", False),
    ],
)
def test_what_is_told_of_a_target_says_no_more_than_where_the_curve_begins_and_ends(
    sides: str, told: str, is_sure: bool
) -> None:
    place = bracket(*between(sides))
    assert (state(place), place.is_sure) == (told, is_sure)


def test_intervals_around_others_hold_them_all_and_are_unknown_where_one_is() -> None:
    assert around([[(0.1, 0.2), (-1, 1)], [(0.15, 0.3), (0, 2)]]) == [(0.1, 0.3), (-1, 2)]
    assert math.isnan(around([[(0.1, 0.2)], [(math.nan, math.nan)]])[0][0])


def test_what_a_seed_has_in_common_is_found_and_noise_of_items_not_counted_twice() -> None:
    rng = np.random.default_rng(5)
    common, apart = rng.normal(0, 0.03, (4_000, 1, 3)), rng.normal(0, 0.02, (4_000, 5, 3))
    noise = rng.normal(0, 0.01, (4_000, 5, 3))
    (own, free), (shared, few) = of_seeds(common + apart + noise, np.full((4_000, 5), 0.01**2))
    assert (free, few) == (8, 2)
    assert own.mean(axis=0) == pytest.approx(np.eye(5) * 0.02**2 / 3, abs=1.5e-5)
    assert shared.mean(axis=0) == pytest.approx(np.full((5, 5), 0.03**2 / 3), abs=1.5e-5)


def test_seeds_that_are_missing_are_no_runs_and_two_seeds_of_one_size_say_nothing() -> None:
    values = np.array([[0.5, 0.6, 0.7], [0.6, np.nan, 0.8], [0.7, np.nan, np.nan]])
    (own, free), (_, few) = of_seeds(values, np.zeros(3))
    assert own.diagonal() * [3, 2, 1] == pytest.approx([own[0, 0] * 3] * 3)
    assert (free, few) == (1, 2)
    assert of_seeds(np.array([[0.5, 0.6]]), np.zeros(1)) == []


def test_points_move_together_with_the_items_that_they_share() -> None:
    rng = np.random.default_rng(6)
    hard = rng.normal(size=(400, 1, 1))
    items = hard + 0.1 * rng.normal(size=(400, 2, 1))
    draws = rng.multinomial(400, np.full(400, 1 / 400), size=500) / 400
    found = measured(items.mean(axis=0), np.einsum("rg,gps->rps", draws, items), [slice(0, 2)], 400)
    ((part, free),) = found.parts
    assert free == 399 and part[0, 1] / part[0, 0] > 0.95
    less = found.through(np.array([[1.0, -1.0]]))
    low, high = less.interval(0)
    assert high - low == pytest.approx(2 * 1.97 * 0.1 * math.sqrt(2 / 400), rel=0.1)
    assert found.interval(0)[1] - found.interval(0)[0] > 0.15
