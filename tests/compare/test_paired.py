"""The statistics of a comparison: against scipy and statsmodels on tables, and by simulation of a
world with no difference."""

import math
import random

import pytest

from kodata.metrics.metrics import MEAN, METRICS
from kodata.metrics.resampling import UNITS, pooled, stderr
from kotune.compare import paired

np = pytest.importorskip("numpy")
stats = pytest.importorskip("scipy.stats")

SIDES = tuple[list[float], list[float], list[int]]


def world(premises: int, together: float, rates: tuple[float, float], seed: int) -> SIDES:
    """Two models' right and wrong answers to three items a premise. `together`: the share of
    premises whose three items are right or wrong as one, for each model apart."""
    rng = np.random.default_rng(seed)
    sides = []
    for rate in rates:
        each = rng.random((premises, 3)) < rate
        one = rng.random(premises) < together
        each[one] = each[one][:, :1]
        sides.append(each.astype(float).ravel().tolist())
    return sides[0], sides[1], [number // 3 for number in range(3 * premises)]


def test_the_sign_flip_p_value_is_scipys_permutation_test() -> None:
    a, b, clusters = world(60, 0.5, (0.5, 0.62), seed=1)
    sums = [np.array(side).reshape(-1, 3).sum(axis=1) for side in (a, b)]
    expected = stats.permutation_test(
        sums,
        lambda x, y, axis: (y - x).mean(axis=axis),
        vectorized=True,
        permutation_type="samples",
        n_resamples=20_000,
        rng=np.random.default_rng(2),
    ).pvalue
    assert paired.compare(MEAN, a, b, clusters).p_value == pytest.approx(expected, abs=0.015)


def test_mcnemar_is_statsmodels_exact_test() -> None:
    mcnemar = pytest.importorskip("statsmodels.stats.contingency_tables").mcnemar
    a, b, _ = world(200, 0, (0.5, 0.6), seed=3)
    table = [
        [sum(x == i and y == j for x, y in zip(a, b, strict=True)) for j in (0, 1)] for i in (0, 1)
    ]
    assert paired.mcnemar(a, b) == pytest.approx(mcnemar(table, exact=True).pvalue)
    assert paired.mcnemar([1, 0], [1, 0]) == 1
    assert paired.mcnemar([0.5, 0], [1, 0]) is None


def test_holm_is_worked_by_hand_and_leaves_the_undefined_out() -> None:
    assert paired.holm([0.01, 0.04, math.nan, 0.03]) == pytest.approx(
        [0.03, 0.06, math.nan, 0.06], nan_ok=True
    )
    assert paired.holm([]) == []
    multipletests = pytest.importorskip("statsmodels.stats.multitest").multipletests
    some = np.random.default_rng(9).random(30) ** 3
    assert paired.holm(some.tolist()) == pytest.approx(multipletests(some, method="holm")[1])


def test_the_interval_of_independent_pairs_is_the_textbooks() -> None:
    a, b, _ = world(1_000, 0, (0.5, 0.56), seed=4)
    differences = np.array(b) - np.array(a)
    half = 1.96 * differences.std(ddof=1) / math.sqrt(len(a))
    found = paired.compare(MEAN, a, b, range(len(a)))
    assert found.difference == pytest.approx(differences.mean())
    assert (found.ci_low, found.ci_high) == pytest.approx(
        (found.difference - half, found.difference + half), abs=0.002
    )
    assert found.detectable == pytest.approx(2.8016 * half / 1.96, rel=0.03)
    assert (found.n, found.groups) == (3_000, 2_000 + 1_000)


def test_premises_that_move_together_widen_the_interval_and_fool_mcnemar() -> None:
    a, b, clusters = world(300, 1, (0.5, 0.55), seed=5)
    grouped, alone = paired.compare(MEAN, a, b, clusters), paired.compare(MEAN, a, b, range(len(a)))
    assert (grouped.ci_high - grouped.ci_low) / (alone.ci_high - alone.ci_low) == pytest.approx(
        math.sqrt(3), rel=0.1
    )
    assert grouped.p_mcnemar is not None
    assert grouped.p_mcnemar < grouped.p_value


def test_macro_f1_and_triples_are_compared_as_they_are_defined() -> None:
    rng = random.Random(6)
    golds = [number % 3 for number in range(600)]
    a = [(gold, rng.randrange(3)) for gold in golds]
    b = [(gold, gold if rng.random() < 0.8 else rng.randrange(3)) for gold in golds]
    clusters = [number // 3 for number in range(600)]
    found = paired.compare(METRICS["macro_f1"], a, b, clusters)
    assert found.ci_low < found.difference < found.ci_high
    assert found.ci_low > 0.4
    assert found.p_value == pytest.approx(1 / (1 + paired.RESAMPLES))
    assert found.p_mcnemar is None
    one, other = (
        [(str(c), *pair) for c, pair in zip(clusters, side, strict=True)] for side in (a, b)
    )
    assert paired.compare(METRICS["triple_acc"], one, other, clusters).difference > 0.4


def test_the_same_run_twice_is_no_difference_at_all() -> None:
    a, _, clusters = world(50, 0, (0.5, 0.5), seed=7)
    found = paired.compare(MEAN, a, a, clusters)
    assert (found.difference, found.p_value, found.p_mcnemar, found.is_alike) == (0, 1, 1, True)
    assert math.isnan(found.ci_low) and math.isnan(found.ci_high)


def test_where_no_resample_differs_there_is_no_interval_and_no_detectable_difference() -> None:
    a, b, clusters = (
        [1.0, 0.0, 0.0] * 20,
        [1.0, 1.0, 0.0] * 20,
        [number // 3 for number in range(60)],
    )
    found = paired.compare(MEAN, a, b, clusters)
    assert found.difference == pytest.approx(1 / 3) and found.p_value < 0.001 and found.is_alike
    assert all(map(math.isnan, (found.ci_low, found.ci_high, found.detectable)))
    other = paired.compare(MEAN, [*a, 1.0], [*b, 0.0], [*clusters, 20])
    assert other.detectable > 0 and other.ci_low < other.ci_high and not other.is_alike


def test_one_cluster_has_no_interval_and_an_undefined_metric_no_p_value() -> None:
    alone = paired.compare(MEAN, [1.0], [0.0], ["a"])
    assert math.isnan(alone.ci_low) and not alone.is_alike
    part = [("a", 0, 0), ("b", 1, 1)]
    found = paired.compare(METRICS["triple_acc"], part, part, ["a", "b"])
    assert math.isnan(found.p_value)
    assert math.isnan(found.difference)


def test_more_clusters_than_units_are_pooled_without_losing_an_item() -> None:
    table = np.arange(9_000.0).reshape(4_500, 2)
    units = pooled(table)
    assert units.shape == (UNITS, 2)
    assert units.sum(axis=0).tolist() == table.sum(axis=0).tolist()
    a, b, clusters = world(5_000, 0.5, (0.5, 0.52), seed=8)
    small = paired.compare(MEAN, a, b, clusters)
    sums = (np.array(b) - np.array(a)).reshape(-1, 3).sum(axis=1)
    error = sums.std(ddof=1) * math.sqrt(len(sums)) / len(a)
    assert small.ci_high - small.ci_low == pytest.approx(2 * 1.96 * error, rel=0.06)


@pytest.mark.slow
@pytest.mark.parametrize("together", [0, 0.5, 0.8, 1])
def test_a_world_without_a_difference_is_called_different_one_time_in_twenty(
    together: float,
) -> None:
    """Size of the sign-flip test at .05 over 2,000 worlds of 300 premises: .04 to .06; McNemar's
    grows with `together`."""
    worlds = [world(300, together, (0.6, 0.6), seed) for seed in range(2_000)]
    tables = [[np.array(side).reshape(-1, 3) for side in (a, b)] for a, b, _ in worlds]
    sums = [
        [np.column_stack([table.sum(axis=1), np.full(len(table), 3.0)]) for table in pair]
        for pair in tables
    ]
    size = np.mean([paired.sign_flip(MEAN, a, b, resamples=999) <= 0.05 for a, b in sums])
    assert 0.04 <= size <= 0.06
    p_values = [paired.mcnemar(a, b) for a, b, _ in worlds]
    fooled = np.mean([p_value is not None and p_value <= 0.05 for p_value in p_values])
    assert fooled < 0.06 if not together else fooled > size


@pytest.mark.slow
def test_pairing_finds_differences_that_the_unpaired_z_test_of_lm_eval_misses() -> None:
    """Power at .05 over 1,000 worlds of 900 items on which two models of .60 and .63 agree 91 times
    of 100. lm-evaluation-harness's scripts/model_comparator.py divides the difference by both
    standard errors together, as if each model had been asked other items."""
    rng, found = np.random.default_rng(10), {"sign-flip": 0, "unpaired": 0}
    for _ in range(1_000):
        a = rng.random((300, 3)) < 0.60
        b = np.where(a, rng.random((300, 3)) >= 0.05, rng.random((300, 3)) < 0.15)
        tables = [np.column_stack([side.sum(axis=1), np.full(300, 3.0)]) for side in (a, b)]
        found["sign-flip"] += paired.sign_flip(MEAN, tables[0], tables[1], resamples=999) <= 0.05
        errors = [side.std(ddof=1) / math.sqrt(side.size) for side in (a, b)]
        found["unpaired"] += abs(b.mean() - a.mean()) / math.hypot(*errors) >= 1.96
    assert found["sign-flip"] > 800 and found["unpaired"] < 300, found


def test_an_exchange_that_leaves_a_metric_undefined_is_no_evidence() -> None:
    """Two models with 9 empty answers of 100 each: half of the exchanges give one of them more than
    a tenth."""
    a = [(str(n), 1.0, 1.0, n < 9) for n in range(100)]
    b = [(str(n), 1.0 + n % 2 / 50, 1.0, n >= 91) for n in range(100)]
    undefined = paired.compare(METRICS["pronouns"], a, b, range(100))
    full = paired.compare(
        METRICS["pronouns"],
        [(*one[:3], False) for one in a],
        [(*one[:3], False) for one in b],
        range(100),
    )
    assert full.p_value < 0.01 and 0.2 < undefined.p_value <= 1


def calibrated(items: int, overconfident: float, seed: int) -> list[list[tuple[float, float]]]:
    """(confidence, right) of a model that is so much too sure of itself, and of one that is as sure
    as it may be."""
    rng = np.random.default_rng(seed)
    right = rng.uniform(0.34, 0.85, items)
    sides = [(right + more, rng.random(items) < right) for more in (overconfident, 0)]
    return [
        list(zip(sure.tolist(), hit.astype(float).tolist(), strict=True)) for sure, hit in sides
    ]


def test_the_interval_of_a_calibration_error_counts_what_noise_adds_to_it_once_and_not_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A calibrated model's ECE is all noise: over 40 worlds the truth, -.149, is in the interval,
    and was not in half of the percentile ones."""
    monkeypatch.setattr(paired, "RESAMPLES", 1_000)
    inside = {"ci": 0, "percentiles": 0}
    for seed in range(40):
        a, b = calibrated(300, 0.149, seed)
        ece = METRICS["ece"]
        found = [
            paired.compare(metric, a, b, range(300)) for metric in (ece, ece._replace(biased=False))
        ]
        for name, one in zip(inside, found, strict=True):
            inside[name] += one.ci_low <= -0.149 <= one.ci_high
        assert found[0].p_value == found[1].p_value
        assert found[0].ci_low < found[0].ci_high
    assert inside["ci"] >= 35 and inside["percentiles"] <= 25, inside


@pytest.mark.slow
@pytest.mark.parametrize("items", [120, 300, 1_000, 3_000])
@pytest.mark.parametrize("overconfident", [0.149, 0.05])
def test_intervals_of_a_calibration_error_cover_the_truth_as_often_as_they_say(
    items: int, overconfident: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The share of 300 worlds in whose interval the true difference lies: .90 to .98; percentiles:
    under .50 of .149."""
    monkeypatch.setattr(paired, "RESAMPLES", 1_000)
    covered = 0
    for seed in range(300):
        a, b = calibrated(items, overconfident, seed)
        found = paired.compare(METRICS["ece"], a, b, range(items))
        covered += found.ci_low <= -overconfident <= found.ci_high
    assert 0.90 <= covered / 300 <= 0.98


def test_an_ece_is_compared_with_itself_without_an_interval_made_of_nothing() -> None:
    a, _ = calibrated(200, 0.1, seed=1)
    found = paired.compare(METRICS["ece"], a, a, range(200))
    assert (found.difference, found.p_value, found.is_alike) == (0, 1, True)
    assert math.isnan(found.ci_low) and math.isnan(found.ci_high)


def test_there_is_no_interval_where_more_than_a_twentieth_of_the_resamples_are_undefined() -> None:
    """Of 100 answers 9 are empty: a third of the resamples has more than a tenth of them and is
    void."""
    for empties, known in ((9, False), (2, True)):
        a, b = (
            [(str(n), 1.0 + rate * (n % 2), 1.0, n < empties) for n in range(100)]
            for rate in (0, 0.1)
        )
        found = paired.compare(METRICS["pronouns"], a, b, range(100))
        assert found.difference == pytest.approx(0.05)
        assert [math.isfinite(end) for end in (found.ci_low, found.ci_high, found.detectable)] == [
            known
        ] * 3
        assert math.isfinite(stderr(METRICS["pronouns"], b, range(100))) == known
