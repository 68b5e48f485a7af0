"""Plain words never say more than the corrected test and the interval do, in either language."""

import math
import re
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from kodata.metrics.metrics import MEAN
from kotune.compare.comparison import Comparison, Side
from kotune.compare.differences import Difference
from kotune.compare.paired import FEWEST_CLUSTERS, Paired, compare
from kotune.compare.result import Result
from kotune.compare.verdict import claim, doubted_by, outcome
from kotune.display.phrases import LANGUAGES, Phrases
from kotune.display.words import amount, p_text
from kotune.report import screen
from kotune.report.comparison_tables import criteria
from kotune.report.intervals import spans
from kotune.report.report import Report
from kotune.report.sentences import cautions, notes, verdicts
from kotune.runs.finished import Finished, load
from kotune_tasks.card import cards
from tests.finished import Made, finished

SAY = {language: Phrases(language) for language in LANGUAGES}
CLAIMS = re.compile("(?<!lower is )better|worse|ahead|gained more|개선|악화|우수")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Finished]:
    folder = tmp_path_factory.mktemp("runs")
    return load([finished(folder / "a"), finished(folder / "b", Made(model="quickstart-deepseek"))])


def found(
    runs: list[Finished], metric: str = "acc", between: bool = True, **told: Any
) -> Comparison:
    """A comparison of nli_sample_ko with these figures: acc .50 against .53, and clear. Where two
    models are compared, the interval includes their seeds, unless `told` says otherwise."""
    figures = {
        "value_a": 0.5,
        "value_b": 0.531,
        "difference": 0.031,
        "ci_low": 0.012,
        "ci_high": 0.05,
        "p_value": 0.001,
        "p_mcnemar": 0.002,
        "n": 3000,
        "groups": 1000,
        "detectable": 0.026,
    }
    p_holm, includes_seeds = told.pop("p_holm", 0.003), told.pop("includes_seeds", between)
    b = Side(runs[1] if between else runs[0], "tuned")
    a = Side(runs[0], "tuned" if between else "base")
    paired = Paired(**{**figures, **told})
    return Comparison("nli_sample_ko", metric, a, b, paired, p_holm, includes_seeds=includes_seeds)


def said(runs: list[Finished], one: Comparison, language: str = "en") -> str:
    return verdicts(Result(runs, [one], {}), SAY[language])[0].text


def test_a_clear_difference_names_the_winner_and_the_values(runs: list[Finished]) -> None:
    assert (
        said(runs, found(runs))
        == "Reasoning: quickstart-deepseek is ahead, 53.1% against 50.0% for quickstart-llama"
        " (+3.1 %p, 95% CI 1.2 to 5.0, p = .003, one seed each, 3,000 items)."
    )
    assert (
        said(runs, found(runs), "ko")
        == "추론: quickstart-deepseek 모델이 quickstart-llama 모델보다 우수합니다. 53.1% 대 50.0%"
        "(+3.1%p, 95% 신뢰구간 1.2~5.0, 보정 p값 = .003, 시드 각 1개, 문항 3,000개)."
    )
    tuned = "quickstart-llama is better after tuning, 53.1% against 50.0% before (+3.1 %p, 95% CI"
    assert tuned in said(runs, found(runs, between=False))


def test_two_adapters_of_one_seed_each_differ_and_neither_model_is_called_better(
    runs: list[Finished],
) -> None:
    adapters = found(runs, difference=-0.078, ci_low=-0.106, ci_high=-0.051, includes_seeds=False)
    assert (outcome(adapters), claim(adapters)) == ("worse", "adapters_differ")
    assert (
        said(runs, adapters)
        == "Reasoning: 50.0% for quickstart-llama, 53.1% for quickstart-deepseek; these two"
        " adapters differ (+7.8 %p, 95% CI over items 5.1 to 10.6, p = .003, one seed each,"
        " 3,000 items)."
    )
    assert "두 어댑터의 차이가 유의합니다(+7.8%p" in said(runs, adapters, "ko")
    alike = found(
        runs, difference=-0.003, ci_low=-0.02, ci_high=0.014, p_holm=0.71, includes_seeds=False
    )
    assert claim(alike) == "adapters_same"
    assert "No difference found between these two adapters" in said(runs, alike)
    for one in (adapters, alike):
        for language in LANGUAGES:
            assert not CLAIMS.search(said(runs, one, language))
            result = Result(runs, [one], {})
            assert any("--seeds 3" in note.text for note in cautions(result, SAY[language]))
    void = found(runs, value_b=math.nan, includes_seeds=False)
    assert claim(void) == "void"
    tuning = found(runs, between=False)
    assert claim(tuning) == "better"  # this adapter is better than the base model


def test_adapters_of_one_seed_each_have_no_colour(runs: list[Finished]) -> None:
    console = Console(file=StringIO(), force_terminal=True, color_system="standard", width=400)
    for includes_seeds in (False, True):
        one = found(runs, includes_seeds=includes_seeds)
        result = Result(runs, [one], {run.folder: [] for run in runs[1:]})
        for show_all in (False, True):
            with console.capture() as shown:
                screen.show(result, SAY["en"], console, show_all=show_all)
            assert ("\x1b[32m" in shown.get()) == includes_seeds
        (panel,) = spans(Report(result, SAY["en"]))
        (span,) = panel.groups[0].rows
        assert span.intervals[0].kind == ("better" if includes_seeds else "same")


def test_the_winner_comes_first_whatever_the_order_of_the_runs(runs: list[Finished]) -> None:
    lower: dict[str, Any] = {
        "value_b": 0.469,
        "difference": -0.031,
        "ci_low": -0.05,
        "ci_high": -0.012,
    }
    told = "quickstart-llama is ahead, 50.0% against 46.9% for quickstart-deepseek (+3.1 %p, 95% CI"
    assert told in said(runs, found(runs, **lower))
    assert (
        "추론: quickstart-llama 모델이 quickstart-deepseek 모델보다 우수합니다. 50.0% 대"
        in said(runs, found(runs, **lower), "ko")
    )
    brier = found(runs, "brier", **lower)
    assert outcome(brier) == "better"
    told = "(brier, lower is better): quickstart-deepseek is ahead, 0.469 against 0.500"
    assert told in said(runs, brier) and "(-0.031, 95% CI -0.050 to -0.012" in said(runs, brier)


def test_no_difference_says_what_would_have_been_seen(runs: list[Finished]) -> None:
    unclear = found(runs, difference=-0.003, ci_low=-0.02, ci_high=0.014, p_holm=0.71)
    assert "no difference found" in said(runs, unclear)
    told = (
        "(+0.3 %p, 95% CI -1.4 to 2.0, p = .710, one seed each, 3,000 items; 2.6 %p would have been"
        " seen with 80% power)."
    )
    assert told in said(runs, unclear)
    assert "최소 검출 가능 차이는 2.6%p입니다(검정력 80%)." in said(runs, unclear, "ko")


def test_where_all_groups_differ_alike_there_is_no_interval_and_no_verdict(
    runs: list[Finished],
) -> None:
    """However small the p-value is."""
    paired = compare(MEAN, [0.0] * 180, [1.0, 0.0, 0.0] * 60, [at // 3 for at in range(180)])
    alike = replace(found(runs), paired=paired, p_holm=paired.p_value)
    assert outcome(alike) == "alike" and paired.p_value < 0.001
    told = "(+33.3 %p, one seed each, 180 items). All 60 groups have the same difference: no"
    assert told in said(runs, alike)
    assert "클러스터 60개의 차이가 모두 같아" in said(runs, alike, "ko")
    (table,) = criteria(Result(runs, [alike], {}), SAY["en"])
    assert "all groups alike" in table.rows[0]
    assert spans(Report(Result(runs, [alike], {}), SAY["en"])) == []


def test_with_fewer_groups_than_the_test_needs_figures_are_told_without_a_verdict(
    runs: list[Finished],
) -> None:
    few, enough = (found(runs, groups=n) for n in (FEWEST_CLUSTERS - 1, FEWEST_CLUSTERS))
    assert (outcome(few), outcome(enough)) == ("few", "better")
    told = (
        "(+3.1 %p, 95% CI 1.2 to 5.0, one seed each, 3,000 items). These items form 49 groups. A"
        " verdict needs 50: with fewer, the test finds too many differences that do not exist."
    )
    assert told in said(runs, few)
    assert "클러스터가 49개입니다" in said(runs, few, "ko")
    for one in (few, replace(few, a=Side(runs[0], "base"), b=Side(runs[0], "tuned"))):
        for language in LANGUAGES:
            assert not CLAIMS.search(said(runs, one, language))


def test_the_note_counts_the_comparisons_that_were_adjusted_together(
    runs: list[Finished],
) -> None:
    void = found(runs, value_b=math.nan, p_holm=math.nan)
    line = replace(found(runs, between=False), a=Side(runs[0], "majority"))
    models = Result(runs, [found(runs), found(runs, between=False), void], {})
    both = replace(models, baselines=[line] * 5)
    assert "Holm's method (comparisons: 2)," in notes(models, SAY["en"])[-1]
    told = "(between models: 2 comparisons; with baselines: 5, adjusted separately)"
    assert told in notes(both, SAY["en"])[-1]
    assert "모델 비교 2개와 기준선 비교 5개" in notes(both, SAY["ko"])[-1]


def test_what_is_undefined_is_said_to_be(runs: list[Finished]) -> None:
    void = found(
        runs,
        value_b=math.nan,
        difference=math.nan,
        ci_low=math.nan,
        ci_high=math.nan,
        p_holm=math.nan,
    )
    assert (outcome(void), "over a tenth of the answers were empty" in said(runs, void)) == (
        "void",
        True,
    )
    assert "10%를 넘었거나" in said(runs, void, "ko")
    one_group = found(runs, ci_low=math.nan, ci_high=math.nan)
    assert "cannot be" in said(runs, one_group)


def test_a_metric_that_is_no_share_keeps_its_own_unit(
    runs: list[Finished], monkeypatch: pytest.MonkeyPatch
) -> None:
    told = found(
        runs,
        value_a=0.01,
        value_b=0.05,
        difference=0.04,
        ci_low=0.0125,
        ci_high=0.11,
        detectable=5.0,
    )
    assert "1.0% for quickstart-llama (+4.0 %p, 95% CI 1.2 to 11.0," in said(runs, told)
    no_share = replace(cards()["ko_naturalness"], scale=1)
    monkeypatch.setitem(cards(), "ko_naturalness", no_share)
    profile = replace(told, task="ko_naturalness", metric="function_profile")
    assert "0.010 for quickstart-llama (+0.040, 95% CI 0.013 to 0.110," in said(
        runs, profile
    )  # a logarithm, whatever its size


@pytest.mark.parametrize(
    ("language", "words"), [("en", "People have not judged"), ("ko", "사람이 평가하지 않았습니다")]
)
def test_the_verdict_on_naturalness_says_that_people_have_not_judged_it(
    runs: list[Finished], language: str, words: str
) -> None:
    comparison = replace(found(runs), task="ko_naturalness", metric="faulty_answers")
    assert words in said(runs, comparison, language)
    assert words not in said(runs, found(runs), language)
    (table,) = criteria(Result(runs, [comparison], {}), SAY[language])
    assert any(words in note for note in table.notes)


@pytest.mark.parametrize(
    ("told", "doubt", "said_of_it"),
    [
        (
            {"p_value": 0.03, "p_holm": 0.09},
            "adjustment",
            ("not adjusted for the number", "다중 비교 보정을 하지 않은 구간이며"),
        ),
        (
            {"p_value": 0.07, "p_holm": 0.07, "groups": 60},
            "test",
            ("(p = .070 before the adjustment)", "보정 전 p값 = .070"),
        ),
        (
            {"ci_low": -0.001, "p_holm": 0.04},
            "interval",
            ("the interval contains 0", "신뢰구간이 0을 포함합니다"),
        ),
        ({}, None, ()),
        ({"ci_low": -0.01, "p_value": 0.3, "p_holm": 0.3}, None, ()),
        ({"ci_low": math.nan, "ci_high": math.nan}, None, ()),
    ],
)
def test_where_interval_and_p_disagree_nothing_is_claimed_and_the_sentence_says_why(
    runs: list[Finished], told: dict[str, Any], doubt: str | None, said_of_it: tuple[str, ...]
) -> None:
    one = found(runs, **told)
    assert doubted_by(one) == doubt
    assert (outcome(one) == "same") >= (doubt is not None)
    for language, words in zip(LANGUAGES, said_of_it, strict=False):
        assert words in said(runs, one, language)
        assert not CLAIMS.search(said(runs, one, language))


def test_ten_groups_can_have_an_interval_without_0_that_the_test_does_not_carry() -> None:
    gains = [
        1,
        1,
        1,
        1,
        1,
        0,
        0,
        0,
        0,
        0,
    ]  # five groups of ten: the sign-flip test cannot be below 2 / 2**5
    told = compare(MEAN, [0] * 10, gains, range(10))
    assert told.ci_low > 0 and told.p_value > 0.05


FINITE = st.floats(-1, 1)


@given(
    FINITE, FINITE, FINITE, st.floats(0, 1) | st.just(math.nan), st.sampled_from(["acc", "brier"])
)
def test_nothing_is_claimed_without_support(
    runs: list[Finished], difference: float, low: float, high: float, p_holm: float, metric: str
) -> None:
    low, high = sorted((low, high))
    one = found(runs, metric, difference=difference, ci_low=low, ci_high=high, p_holm=p_holm)
    supported = p_holm <= 0.05 and (min(low, difference) > 0 or max(high, difference) < 0)
    for language in LANGUAGES:
        text = said(runs, one, language)
        assert bool(CLAIMS.search(text)) == supported == (outcome(one) in ("better", "worse"))
        assert ("CI 0.0 to" in text or "신뢰구간 0.0~" in text) <= (not supported)


def test_reference_lines_are_told_in_a_sentence_a_task_with_the_worst_last(
    runs: list[Finished],
) -> None:
    def line(name: str, **told: Any) -> Comparison:
        return replace(found(runs, between=False, **told), a=Side(runs[0], name))

    clear = line("majority", difference=0.331, ci_low=0.2, ci_high=0.4)
    unclear = line("hypothesis_only", difference=0.02, ci_low=-0.01, ci_high=0.05, p_holm=0.2)
    below = line("overlap", difference=-0.033, ci_low=-0.05, ci_high=-0.012)
    result = Result(runs, [], {}, baselines=[below, unclear, clear])
    (told,) = verdicts(result, SAY["en"])
    assert told.outcome == "worse"
    assert (
        told.text
        == "Reasoning: quickstart-llama after tuning (53.1%), compared with baselines (differences"
        " in brackets): better than always the most frequent label (+33.1 %p); no difference found"
        " from classifier on the hypothesis alone (+2.0 %p); worse than classifier on the overlap"
        " of both sentences (-3.3 %p)."
    )
    (korean,) = verdicts(result, SAY["ko"])
    assert korean.text.index("+33.1") < korean.text.index("+2.0") < korean.text.index("-3.3")
    (caution,) = cautions(result, SAY["en"])
    assert (
        caution.text
        == "quickstart-llama is not shown to beat a baseline on nli_sample_ko (differences in"
        " brackets): classifier on the overlap of both sentences (-3.3 %p), classifier on the"
        " hypothesis alone (+2.0 %p)."
    )
    assert caution.label == "not shown to beat a baseline: quickstart-llama"
    human = replace(below, task="nli_sample_write_ko", a=Side(runs[0], "human_sentences"))
    assert cautions(Result(runs, [], {}, baselines=[human]), SAY["en"]) == []
    constant = line("majority", difference=0.0, is_alike=True)
    above = line("majority", difference=0.1, is_alike=True)
    (caution,) = cautions(Result(runs, [], {}, baselines=[constant]), SAY["en"])
    assert "always the most frequent label (+0.0 %p)" in caution.text
    assert cautions(Result(runs, [], {}, baselines=[above]), SAY["en"]) == []
    clearly = Result(runs, [], {}, baselines=[clear])
    assert verdicts(clearly, SAY["en"])[0].outcome == "better"
    assert cautions(clearly, SAY["en"]) == []


def test_one_seed_speaks_of_adapters_and_every_difference_is_announced(
    runs: list[Finished],
) -> None:
    one, both = (notes(Result(some, [found(runs)], {}), SAY["en"]) for some in (runs[:1], runs))
    assert any("this adapter, not for the model" in note for note in one)
    assert any("these adapters, not for the models" in note for note in both)
    unlike = Result(runs, [found(runs)], {runs[1].folder: [Difference("seed", 1, 2)]})
    assert notes(unlike, SAY["en"])[0].startswith("NOT THE SAME")


def test_names_are_as_short_as_they_can_be(tmp_path: Path) -> None:
    made = {
        "a": Made(),
        "b": Made(model="someone/their-model"),
        "c": Made(adapter="qlora"),
        "d": Made(adapter="qlora"),
        "e": Made(record={"seed": 1}),
        "f": Made(record={"command": "./cli.py run recipes/other.yml"}),
        "g": Made(model="other/their-model", adapter="qlora"),
    }
    runs = load([finished(tmp_path / name, one) for name, one in made.items()])
    a, b, c, d, e, f, g = runs

    def models(*named: Finished) -> list[str]:
        return list(Result(named, [], {}).models.values())

    assert models(a, b) == ["quickstart-llama", "their-model"]
    assert models(a, c) == ["quickstart-llama (LoRA)", "quickstart-llama (QLoRA)"]
    assert models(c, d) == ["quickstart-llama (c)", "quickstart-llama (d)"]
    assert models(a, c, d) == [
        "quickstart-llama (LoRA)",
        "quickstart-llama (QLoRA, c)",
        "quickstart-llama (QLoRA, d)",
    ]
    seeds = Result([a, e, c], [], {})
    assert models(a, e, c)[0] == models(a, e, c)[1] == "quickstart-llama (LoRA)"
    assert list(seeds.names.values()) == [
        "quickstart-llama (LoRA, seed=42)",
        "quickstart-llama (LoRA, seed=1)",
        "quickstart-llama (QLoRA)",
    ]
    assert seeds.name_of([a, e]) == "quickstart-llama (LoRA, seed=42, 1)"
    again = Result([a, e, f], [], {})
    assert list(again.names.values()) == [
        "quickstart-llama (a, seed=42)",
        "quickstart-llama (e, seed=1)",
        "quickstart-llama (f)",
    ]
    assert models(b, g) == ["someone/their-model", "other/their-model"]


def test_figures_are_written_as_people_read_them() -> None:
    assert [p_text(p) for p in (0.0312, 0.0004, 1.0, None, math.nan)] == [
        ".031",
        "< .001",
        "1.000",
        "-",
        "-",
    ]
    assert (amount(0.031, True), amount(0.031, True, nearest=0.0002), amount(-0.0001, True)) == (
        "3.1",
        "3.10",
        "0.0",
    )
