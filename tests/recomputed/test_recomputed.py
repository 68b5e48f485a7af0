"""What scores.json and `compare --json` say, against the same figures computed by other code
(recompute.py) from the raw files of two small runs."""

import ast
import json
import sys
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from click.testing import CliRunner

from tests.finished import Made

np = pytest.importorskip("numpy")
pytest.importorskip("lm_eval")
pytest.importorskip("sklearn")
from kotune.cli import cli  # noqa: E402
from tests.recomputed import recompute, uneven  # noqa: E402
from tests.recomputed.uneven import TASK  # noqa: E402

DRAWS = 4_000
# What the documentation says of kotune's own draws.
SCORED, COMPARED = 1_000, 10_000
METRICS = list(recompute.METRICS)
VARIANTS = [("a", "base"), ("a", "tuned"), ("b", "base"), ("b", "tuned")]
PAIRS = [("a base", "a tuned"), ("b base", "b tuned"), ("a tuned", "b tuned")]
EXACT = 1e-9


class Runs(NamedTuple):
    """The two run folders, and what `compare --json` says of them."""

    root: Path
    compared: dict[str, Any]

    def answers(self, name: str) -> recompute.Answers:
        """`name`: a run and a variant, as compare writes them."""
        run, variant = name.split()
        return recompute.answers(self.root / run, variant, TASK)

    def scores(self, run: str) -> dict[str, Any]:
        return dict(json.loads((self.root / run / "scores.json").read_text())[TASK])

    def compared_by(self, metric: str, pair: tuple[str, str]) -> dict[str, Any]:
        (found,) = (
            row
            for row in self.compared["comparisons"]
            if (row["a"], row["b"], row["metric"]) == (*pair, metric)
        )
        return dict(found)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    """Run a was asked about premises that b was not, and the other way round."""
    root = tmp_path_factory.mktemp("recomputed")
    uneven.run(root / "a", Made(), uneven.A)
    uneven.run(root / "b", Made(model="quickstart-deepseek", first=7), uneven.B)
    with chdir(root):
        done = CliRunner().invoke(cli, ["compare", "a", "b", "--json"])
    assert done.exit_code == 0, done.output
    yield Runs(root, json.loads(done.stdout))


def rng() -> Any:
    return np.random.default_rng(20_261_201)


def assert_in(value: float, expected: recompute.Range) -> None:
    assert expected.low - EXACT <= value <= expected.high + EXACT


def test_the_recomputation_imports_numpy_and_the_standard_library_alone() -> None:
    source = Path(recompute.__file__).read_text(encoding="utf-8")
    assert '["metrics"]' not in source  # nor what scoring found for an item
    tree = ast.parse(source)
    names = {
        name.partition(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert names - sys.stdlib_module_names == {"numpy"}


def test_the_runs_are_uneven_and_do_not_share_all_items(runs: Runs) -> None:
    a, b = (runs.answers(f"{run} tuned") for run in "ab")
    sizes = np.bincount(a.clusters)
    assert len(set(sizes.tolist())) >= 5
    shared, _ = recompute.shared(a, b)
    assert 0 < len(shared.gold) < min(len(a.gold), len(b.gold))
    assert not np.isnan(a.logprobs).any()


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(("run", "variant"), VARIANTS)
def test_a_score_and_its_standard_error(runs: Runs, run: str, variant: str, metric: str) -> None:
    of, computed = runs.answers(f"{run} {variant}"), recompute.METRICS[metric]
    scored = runs.scores(run)[variant][metric]
    assert scored["value"] == pytest.approx(recompute.value(computed, of), abs=EXACT)
    assert scored["n"] == len(of.gold)
    drawn = computed(of, recompute.worlds(of, DRAWS, rng()))
    assert_in(scored["stderr"], recompute.stderr(drawn, SCORED))


@pytest.mark.parametrize("run", ["a", "b"])
def test_baselines_have_the_scores_of_their_predictions(runs: Runs, run: str) -> None:
    lines = runs.scores(run)["references"]["lines"]
    assert len(lines) == 3
    for line, scored in lines.items():
        of = runs.answers(f"{run} {line}")
        for metric in ("acc", "macro_f1", "triple_acc"):
            value = recompute.value(recompute.METRICS[metric], of)
            assert scored[metric]["value"] == pytest.approx(value, abs=EXACT), (line, metric)


@pytest.mark.parametrize("run", ["a", "b"])
def test_the_majority_baseline_says_the_commonest_training_label(runs: Runs, run: str) -> None:
    shares = recompute.label_shares(runs.root / run, TASK)
    assert len(set(shares.tolist())) == 3  # no tie
    said = runs.answers(f"{run} majority").said
    assert set(said.tolist()) == {int(shares.argmax())}
    sure = runs.scores(run)["references"]["lines"]["majority"]["brier"]["value"]
    golds = np.eye(3)[runs.answers(f"{run} majority").gold]
    assert sure == pytest.approx(((shares - golds) ** 2).sum(axis=1).mean(), abs=1e-6)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("pair", PAIRS, ids=" and ".join)
def test_a_difference_and_its_interval(runs: Runs, pair: tuple[str, str], metric: str) -> None:
    a, b = recompute.shared(*map(runs.answers, pair))
    computed, found = recompute.METRICS[metric], runs.compared_by(metric, pair)
    assert (found["n"], found["groups"]) == (len(a.gold), len(set(a.clusters.tolist())))
    assert found["value_a"] == pytest.approx(recompute.value(computed, a), abs=EXACT)
    assert found["value_b"] == pytest.approx(recompute.value(computed, b), abs=EXACT)
    difference = recompute.difference(computed, a, b)
    assert found["difference"] == pytest.approx(difference, abs=EXACT)
    weights = recompute.worlds(a, DRAWS, rng())
    drawn = computed(b, weights) - computed(a, weights)
    low, high = (recompute.quantile(drawn, level, COMPARED) for level in (0.025, 0.975))
    if metric == "ece":  # the basic interval, whose ends are moved outwards by an unknown bias
        assert found["ci_low"] <= 2 * difference - high.low
        assert found["ci_high"] >= 2 * difference - low.high
    else:
        assert_in(found["ci_low"], low)
        assert_in(found["ci_high"], high)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("pair", PAIRS, ids=" and ".join)
def test_a_p_value(runs: Runs, pair: tuple[str, str], metric: str) -> None:
    a, b = recompute.shared(*map(runs.answers, pair))
    found = runs.compared_by(metric, pair)
    own = recompute.sign_flip(recompute.METRICS[metric], a, b, DRAWS, rng())
    assert_in(found["p_value"], recompute.p_value(own, COMPARED))
    if metric == "acc":
        # All patterns of signs: only their draws have an error.
        exact = recompute.Estimate(recompute.exact_sign_flip(a, b), 10**9)
        assert_in(found["p_value"], recompute.p_value(exact, COMPARED))
        assert_in(own.p, recompute.p_value(exact, DRAWS))
        assert found["p_mcnemar"] == pytest.approx(recompute.mcnemar(a, b), rel=EXACT)
    else:
        assert found["p_mcnemar"] is None


def test_the_two_tuned_models_are_near_enough_for_a_p_value_to_be_wrong(runs: Runs) -> None:
    p_values = [runs.compared_by(metric, PAIRS[2])["p_value"] for metric in METRICS]
    assert sum(0.005 < p < 0.9 for p in p_values) >= 4


@pytest.mark.parametrize("kind", ["comparisons", "references"])
def test_holm_adjusts_the_primary_metrics_of_models_and_of_baselines_apart(
    runs: Runs, kind: str
) -> None:
    # Gains are adjusted together with the comparisons of models.
    rows = runs.compared[kind] + (runs.compared["gains"] if kind == "comparisons" else [])
    primary = [row for row in rows if row["metric"] == "acc"]
    assert len(primary) == (4 if kind == "comparisons" else 6)
    expected = recompute.holm([row["p_value"] for row in primary])
    assert [row["p_holm"] for row in primary] == pytest.approx(expected, rel=EXACT)
    assert all(row["p_holm"] is None for row in runs.compared[kind] if row["metric"] != "acc")


def test_the_gains_of_two_models(runs: Runs) -> None:
    (told,) = (row for row in runs.compared["gains"] if row["metric"] == "acc")
    shared = [
        recompute.shared(runs.answers(f"a {variant}"), runs.answers(f"b {variant}"))
        for variant in ("base", "tuned")
    ]
    (base_a, base_b), (tuned_a, tuned_b) = shared
    gains = recompute.gain(base_a, tuned_a), recompute.gain(base_b, tuned_b)
    assert told["n"] == len(base_a.gold) and told["groups"] == base_a.clusters.max() + 1
    assert told["gain_a"] == pytest.approx(gains[0].mean(), abs=EXACT)
    assert told["difference"] == pytest.approx(gains[1].mean() - gains[0].mean(), abs=EXACT)
    exact = recompute.Estimate(recompute.exact_gain_p(*gains, base_a.clusters), 10**9)
    assert_in(told["p_value"], recompute.p_value(exact, COMPARED))


def test_a_tuned_model_against_its_baselines(runs: Runs) -> None:
    for found in runs.compared["references"]:
        a, b = recompute.shared(runs.answers(found["a"]), runs.answers(found["b"]))
        difference = recompute.difference(recompute.accuracy, a, b)
        assert found["difference"] == pytest.approx(difference, abs=EXACT)
        weights = recompute.worlds(a, DRAWS, rng())
        drawn = recompute.accuracy(b, weights) - recompute.accuracy(a, weights)
        assert_in(found["ci_low"], recompute.quantile(drawn, 0.025, COMPARED))
        assert_in(found["ci_high"], recompute.quantile(drawn, 0.975, COMPARED))
        exact = recompute.Estimate(recompute.exact_sign_flip(a, b), 10**9)
        assert_in(found["p_value"], recompute.p_value(exact, COMPARED))
        assert found["p_mcnemar"] == pytest.approx(recompute.mcnemar(a, b), rel=EXACT)
