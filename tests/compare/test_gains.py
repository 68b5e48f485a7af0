"""Two models' gains by tuning are compared on the same items, seeds included. Nothing is said where
both start from the same model."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kodata.metrics.metrics import MEAN, METRICS
from kodata.metrics.naturalness.signals import NAMES as NATURALNESS
from kotune.compare import paired
from kotune.compare.comparison import Comparison
from kotune.compare.gains import ADDITIVE, GainComparison, gain_of, gains
from kotune.compare.paired import FEWEST_CLUSTERS, compare, holm
from kotune.compare.result import Result
from kotune.compare.verdict import claim, outcome
from kotune.display.phrases import LANGUAGES, Phrases
from kotune.report.comparison_tables import gains as tables
from kotune.report.report import Report
from kotune.report.sentences import notes, verdicts
from kotune.runs.finished import Finished, load
from kotune.runs.folder import read_json
from tests.finished import Made, finished

pytest.importorskip("scipy")
A = Made(rates=(0.6, 0.75))
B = Made(model="quickstart-deepseek", rates=(0.35, 0.9))


@pytest.fixture(autouse=True)
def _fewer_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paired, "RESAMPLES", 500)


def two(folder: Path, a: Made = A, b: Made = B) -> list[Finished]:
    return load([finished(folder / "a", a), finished(folder / "b", b)])


def of(rows: list[GainComparison], metric: str = "acc") -> GainComparison:
    return next(row for row in rows if row.metric == metric)


def values(run: Finished, metric: str) -> tuple[float, float]:
    scores = read_json(run.folder / "scores.json")["nli_sample_ko"]
    return scores["base"][metric]["value"], scores["tuned"][metric]["value"]


def test_a_gain_is_the_improvement_of_a_run_and_its_base_value_is_kept(tmp_path: Path) -> None:
    runs = two(tmp_path)
    rows = list(gains(runs))
    for metric, sign in {"acc": 1, "macro_f1": 1, "brier": -1}.items():
        (base_a, tuned_a), (base_b, tuned_b) = (values(run, metric) for run in runs)
        row = of(rows, metric)
        assert row.bases == pytest.approx((base_a, base_b))
        assert row.paired.value_a == pytest.approx(sign * (tuned_a - base_a))
        assert row.paired.difference == pytest.approx(
            sign * (tuned_b - base_b) - sign * (tuned_a - base_a)
        )
        assert row.paired.ci_low <= row.paired.difference <= row.paired.ci_high
        assert not row.is_lower_better
    assert (of(rows).paired.n, of(rows).paired.groups) == (150, 50)


def test_the_test_flips_the_signs_of_the_clusters_gains(tmp_path: Path) -> None:
    """The same figures as of a comparison of the items' gains, made here by hand."""
    runs = two(tmp_path)
    right = [
        [float(sample.metrics["acc"]) for sample in run.samples("nli_sample_ko", side).values()]
        for run in runs
        for side in ("base", "tuned")
    ]
    gains_a, gains_b = (
        [after - before for before, after in zip(*right[at : at + 2], strict=True)] for at in (0, 2)
    )
    by_hand = compare(MEAN, gains_a, gains_b, [number // 3 for number in range(150)])
    found = of(list(gains(runs))).paired
    assert found.p_value == by_hand.p_value < 0.05
    for name in ("difference", "ci_low", "ci_high", "detectable"):
        assert getattr(found, name) == pytest.approx(getattr(by_hand, name))


def test_a_metric_that_is_no_mean_has_an_interval_and_no_p_value(tmp_path: Path) -> None:
    rows = list(gains(two(tmp_path, replace(A, sure=True), replace(B, sure=True))))
    f1 = of(rows, "macro_f1").paired
    assert math.isnan(f1.p_value) and math.isfinite(f1.ci_low)
    assert math.isfinite(of(rows, "triple_acc").paired.p_value)
    assert "ece" not in {row.metric for row in rows}  # noise makes its gains too large


def test_every_metric_is_additive_or_known_not_to_be() -> None:
    """A new metric must be put here or into ADDITIVE: whether its denominator depends on the
    answers cannot be seen from outside."""
    others = {
        "macro_f1",
        "ece",
        "fleiss_kappa",
        "answer_overlap",
        "answer_overlap_between",
        "answer_overlap_gain",
        "void",
        *NATURALNESS,
    }
    assert METRICS.keys() == ADDITIVE | others and not ADDITIVE & others


@pytest.mark.parametrize("adapter", ["lora", "qlora"])
def test_runs_of_one_base_model_have_no_row_whatever_its_precision(
    tmp_path: Path, adapter: str
) -> None:
    assert list(gains(two(tmp_path, A, replace(A, adapter=adapter)))) == []


def test_gains_are_adjusted_with_all_other_comparisons_of_models(tmp_path: Path) -> None:
    result = Result.of(two(tmp_path))
    family: list[Comparison] = [
        row for row in (*result.comparisons, *result.gains) if row.metric == "acc"
    ]
    assert len(family) == 4
    assert [row.p_holm for row in family] == holm([row.paired.p_value for row in family])
    assert {row.p_holm for row in result.gains if row.metric != "acc"} == {None}
    assert "(comparisons: 4)" in notes(result, Phrases("en"))[-1]


def seeded(folder: Path, seeds: int) -> list[Finished]:
    made = [replace(side, seed=seed) for side in (A, B) for seed in range(1, 1 + seeds)]
    return load(
        [
            finished(folder / f"{one.model}-{one.seed}", replace(one, record={"seed": one.seed}))
            for one in made
        ]
    )


def test_three_seeds_a_side_include_the_variation_of_seeds(tmp_path: Path) -> None:
    runs = seeded(tmp_path, 3)
    row = of(list(gains(runs)))
    each = [after - before for before, after in (values(run, "acc") for run in runs)]
    assert row.includes_seeds
    assert (*row.values[0], *row.values[1]) == pytest.approx(each)
    assert row.paired.value_b == pytest.approx(sum(each[3:]) / 3)
    assert not of(list(gains(seeded(tmp_path / "two", 2)))).includes_seeds


def test_known_seeds_of_single_runs_are_counted(tmp_path: Path) -> None:
    runs = seeded(tmp_path, 3)
    pair = [runs[0], runs[3]]
    alone, known = of(list(gains(pair))), of(list(gains(pair, runs)))
    assert (alone.includes_seeds, known.includes_seeds) == (False, True)
    wide, narrow = (row.paired.ci_high - row.paired.ci_low for row in (known, alone))
    assert wide > narrow
    assert outcome(replace(alone, p_holm=0.01)) == "better"
    assert claim(replace(alone, p_holm=0.01)) == "adapters_differ"


def said(runs: list[Finished], row: GainComparison, language: str) -> str:
    result = Result(runs, [], {}, gains=[row])
    return verdicts(result, Phrases(language))[0].text


def row_of(runs: list[Finished], includes_seeds: bool = True) -> GainComparison:
    """A clear difference of gains: .2 from .4 against .1 from .6."""
    row = of(list(gains(runs)))
    figures: dict[str, Any] = {
        "value_a": 0.1,
        "value_b": 0.2,
        "difference": 0.1,
        "ci_low": 0.05,
        "ci_high": 0.15,
    }
    test = row.paired._replace(**figures, p_value=0.001, groups=FEWEST_CLUSTERS)
    return replace(row, paired=test, p_holm=0.003, bases=(0.6, 0.4), includes_seeds=includes_seeds)


def test_the_sentence_says_from_where_each_model_gained(tmp_path: Path) -> None:
    runs = two(tmp_path)
    row = row_of(runs)
    assert said(runs, row, "en") == (
        "Reasoning: quickstart-deepseek gained more points, 20.0 %p from 40.0% against 10.0 %p from"
        " 60.0% for quickstart-llama (+10.0 %p, 95% CI 5.0 to 15.0, p = .003, one seed each, 150"
        " items)."
    )
    gained = "quickstart-deepseek 모델은 20.0%p(튜닝 전 40.0%)"
    assert f"quickstart-deepseek 모델이 더 큽니다. {gained}" in said(runs, row, "ko")
    less = row.paired._replace(difference=-0.1, ci_low=-0.15, ci_high=-0.05)
    assert "quickstart-llama gained more points" in said(runs, replace(row, paired=less), "en")
    few = replace(row, paired=row.paired._replace(groups=FEWEST_CLUSTERS - 1))
    assert "no verdict on points gained" in said(runs, few, "en")
    same = replace(row, p_holm=0.2)
    assert "would have been seen with 80% power" in said(runs, same, "en")
    for language in LANGUAGES:
        assert "40.0%" in said(runs, same, language) and "60.0%" in said(runs, same, language)


def test_one_seed_a_side_speaks_of_adapters(tmp_path: Path) -> None:
    runs = two(tmp_path)
    text = said(runs, row_of(runs, includes_seeds=False), "en")
    assert "the gains of these two adapters differ (+10.0 %p, 95% CI over items 5.0 to" in text
    assert "gained more" not in text
    assert "두 어댑터의 향상 폭 차이" in said(runs, row_of(runs, includes_seeds=False), "ko")


def test_metrics_by_which_it_is_otherwise_are_named_in_the_same_breath(tmp_path: Path) -> None:
    runs = two(tmp_path)
    row = row_of(runs)

    def other(metric: str, difference: float, low: float, high: float) -> GainComparison:
        figures: dict[str, Any] = {"difference": difference, "ci_low": low, "ci_high": high}
        return replace(row, metric=metric, paired=row.paired._replace(**figures), p_holm=None)

    others = [
        other("macro_f1", 0.0, -0.034, 0.035),
        other("brier", -0.1, -0.12, -0.08),
        other("triple_acc", 0.2, 0.1, 0.3),
    ]
    part = replace(others[1], metric="acc_time", paired=others[1].paired._replace(n=30))
    result = Result(runs, [], {}, gains=[row, *others, part])
    text = verdicts(result, Phrases("en"))[0].text
    assert "no difference is found: macro_f1 +0.0 %p (-3.4 ~ +3.5)." in text
    assert "the other way round: brier -0.100 (-0.120 ~ -0.080)." in text
    assert "triple_acc" not in text and "acc_time" not in text
    unclear = replace(result, gains=[replace(row, p_holm=0.5), *others])
    assert "other metrics" not in verdicts(unclear, Phrases("en"))[0].text


@pytest.mark.parametrize("language", LANGUAGES)
def test_report_and_json_have_a_row_for_each_metric(tmp_path: Path, language: str) -> None:
    result, phrases = Result.of(two(tmp_path)), Phrases(language)
    (table,) = tables(result, phrases)
    assert len(table.rows) == len(result.gains) == 4
    assert table.title in [each.title for each in Report(result, phrases).results()]
    row = json.loads(json.dumps(result.as_json()))["gains"][0]
    assert row["gain_a"] == result.gains[0].paired.value_a and "value_a" not in row
    assert (row["base_a"], row["base_b"]) == result.gains[0].bases
    alone = Result.of(result.runs[:1])
    assert list(tables(alone, phrases)) == [] and alone.as_json()["gains"] == []


def test_equal_metrics_share_their_resamples() -> None:
    assert gain_of(MEAN, False) is gain_of(MEAN, False)
