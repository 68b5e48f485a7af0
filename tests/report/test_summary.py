"""The summary tells who is ahead with the values, how sure that is, what it cost, and what is
next."""

import math
import re
from collections.abc import Iterator
from dataclasses import replace

import pytest

from kodata.metrics.naturalness.signals import NAMES
from kotune.compare import paired
from kotune.compare.comparison import Comparison
from kotune.compare.efficiency import Price
from kotune.compare.result import Result
from kotune.compare.seeds import groups
from kotune.compare.shares import OTHER_UNITS, is_share
from kotune.display import figures
from kotune.display.phrases import LANGUAGES, Phrases
from kotune.report.comparison_tables import breakdowns, criteria, gains
from kotune.report.summary import BoardCell, summary
from kotune_tasks.card import CRITERIA, cards, settings
from tests.finished import Made
from tests.report.answers import in_task, judged, result_of

pytest.importorskip("scipy")
EN = Phrases("en")


@pytest.fixture(scope="module")
def resamples() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paired, "RESAMPLES", 200)
        yield


@pytest.fixture(scope="module")
def two(resamples: None, tmp_path_factory: pytest.TempPathFactory) -> Result:
    """Two models with three seeds each. The first is far better."""
    folder = tmp_path_factory.mktemp("two")
    made = Made(rates=(0.35, 0.85), kinds=True)
    return result_of(folder, ["quickstart-llama", "quickstart-deepseek"], made=made)


def turned(result: Result) -> Result:
    """The result with the models in the other order."""
    first, second = groups(result.runs)
    return Result.of([*second, *first])


def tuning(result: Result) -> Comparison:
    return next(each for each in result.comparisons if each.is_primary and each.is_tuning)


def cell_of(result: Result, **changed: float) -> BoardCell | None:
    """The cell of the first model, whose comparison has other figures."""
    whole = tuning(result)
    others = [each for each in result.comparisons if each is not whole]
    made = replace(result, comparisons=[judged(whole, **changed), *others])
    rows = {row.name: row for row in summary(made, EN).scoreboard}
    return rows["quickstart-llama"].cells["reasoning"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_winner_comes_first_whatever_the_order_of_the_runs(two: Result, language: str) -> None:
    say = Phrases(language)
    one, other = summary(two, say), summary(turned(two), say)
    assert [verdict.text for verdict in one.headlines] == [each.text for each in other.headlines]
    named = (*one.headlines, *other.headlines, *one.gains, *other.gains)
    assert {each.outcome for each in named} == {"better"}  # green: the sentence names the winner
    assert [row.name for row in one.scoreboard] == ["quickstart-llama", "quickstart-deepseek"]
    for left, right in ((one.models, other.models), (one.costs, other.costs)):
        assert [text.split("(")[0] for text in left] == [text.split("(")[0] for text in right]


def test_a_headline_has_the_values_of_both_models(two: Result) -> None:
    (headline,) = summary(two, EN).headlines
    first, second = (
        (each.paired.value_a, each.paired.value_b) for each in two.comparisons[::4][:2]
    )
    told = f"Reasoning: quickstart-llama is ahead, {first[1]:.1%} against {second[1]:.1%} for"
    assert headline.text.startswith(told)
    assert re.search(r", p [=<] \.\d+, 3 seeds each, 150 items\)\.$", headline.text)
    (gained,) = summary(two, EN).gains
    assert f"from {first[0]:.1%} against" in gained.text and "gained more points" in gained.text


def test_a_single_model_is_compared_with_itself_before_tuning(two: Result) -> None:
    alone = summary(Result.of(two.runs[:3]), EN)
    assert [verdict.outcome for verdict in alone.headlines] == ["better"]
    assert "quickstart-llama is better after tuning, " in alone.headlines[0].text
    assert alone.gains == [] and len(alone.models) == len(alone.scoreboard) == 1


def test_the_scoreboard_has_all_criteria_and_says_what_was_not_measured(two: Result) -> None:
    made = summary(two, EN)
    assert made.criteria == list(CRITERIA)
    whole = tuning(two).paired
    cell = made.scoreboard[0].cells["reasoning"]
    low, high = (f"{100 * end:.1f}" for end in (whole.ci_low, whole.ci_high))
    by = f"{100 * whole.difference:+.1f} %p"
    assert cell == BoardCell(f"{whole.value_b:.1%}", by, "up", "better", f"95% CI {low} to {high}")
    assert [made.scoreboard[0].cells[name] for name in CRITERIA[1:]] == [None] * 3


def test_a_criterion_with_two_tasks_has_two_columns(two: Result) -> None:
    made = summary(in_task(two, "klue_nli_ko"), EN)
    assert made.criteria[:2] == ["Reasoning (nli_sample_ko)", "Reasoning (klue_nli_ko)"]
    assert made.criteria[2:] == list(CRITERIA[1:])
    assert [*made.scoreboard[1].cells] == made.criteria
    starts = [verdict.text.split(": ")[0] for verdict in made.headlines]
    assert starts == made.criteria[:2]


def test_a_cell_shows_how_certain_the_change_is(two: Result) -> None:
    nan = math.nan
    kinds: dict[str, dict[str, float]] = {
        "up": {},
        "down": {"difference": -0.2, "ci_low": -0.3, "ci_high": -0.1},
        "same": {"p_holm": 0.4},
        "open": {"groups": 9},
        "none": {"value_b": nan, "difference": nan, "ci_low": nan, "ci_high": nan},
    }
    cells = {kind: cell_of(two, **changed) for kind, changed in kinds.items()}
    assert {kind: cell and cell.certainty for kind, cell in cells.items()} == {k: k for k in kinds}
    none = cells["none"]
    assert none and (none.value, none.change, none.text) == ("", "", "no value")


def test_costs_are_those_of_all_seeds(two: Result) -> None:
    with_price = replace(two, price=Price(3000))
    first, _ = summary(with_price, EN).costs
    pace = f"{100 * tuning(two).paired.difference:+.1f} %p per training minute"
    minutes = "12.0 min for 3 seeds (training 1.0 min a seed)"
    assert first == f"quickstart-llama: {minutes}, KRW 600, {pace} (nli_sample_ko)"
    assert "KRW" not in summary(two, EN).costs[0]


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_text_has_a_place_that_was_not_filled(two: Result, language: str) -> None:
    made = summary(replace(two, price=Price(3000)), Phrases(language))
    texts = [verdict.text for verdict in (*made.headlines, *made.gains)]
    texts += [
        *made.models,
        *made.costs,
        *(part for each in made.cautions for part in each),
        made.next,
    ]
    assert not [text for text in texts if re.search(r"[{}]|nan", text)]
    assert all(re.search("[가-힣]", text) for text in texts) == (language == "ko")


def test_shares_are_in_percent_and_other_metrics_in_their_own_unit() -> None:
    assert (figures.level(0.7225, True), figures.level(0.7225, False)) == ("72.2%", "0.723")
    assert figures.change(0.134, True, EN) == "+13.4 %p"
    assert figures.change(0.134, True, Phrases("ko")) == "+13.4%p"
    assert figures.change(-0.134, False, EN) == "-0.134"
    assert figures.interval(-0.0341, 0.2, True) == "-3.4 ~ +20.0"
    nothing = (figures.level(None, True), figures.change(math.nan, True, EN))
    assert {*nothing, figures.interval(math.nan, math.nan, True)} == {"-"}
    assert is_share("nli_sample_ko", "macro_f1") and not is_share("nli_sample_ko", "brier")


def test_the_primary_metric_of_every_task_is_a_share() -> None:
    """The lines that a run prints about its scores (lines.score_lines) rely on it."""
    assert all(card.is_share for card in cards().values())


def test_every_metric_with_another_unit_is_one_of_a_task() -> None:
    listed = {each["metric"] for task in cards() for each in settings(task)["metric_list"]}
    assert {*OTHER_UNITS} <= listed | {*NAMES}


@pytest.mark.parametrize("language", LANGUAGES)
def test_tables_are_on_the_same_scale_as_the_sentences(two: Result, language: str) -> None:
    say = Phrases(language)
    alone = Result.of(two.runs[:1])
    for result, heads in ((alone, ("before", "after")), (two, ("from", "to"))):
        for table in (criteria(result, say)[0], next(breakdowns(result, say))):
            at = table.head.index(say(heads[0]))
            assert table.head[at + 1] == say(heads[1])
            assert all(re.fullmatch(r"\d+\.\d%", cell) for cell in table.rows[0][at : at + 2])
            assert re.fullmatch(r"[+-]\d+\.\d ?%p", table.rows[0][at + 2])
    brier = next(row for row in criteria(two, say)[0].rows if row[2].startswith("brier"))
    assert re.fullmatch(r"[+-]0\.\d{3}", brier[5])
    (table,) = gains(two, say)
    assert all("%" in cell for cell in table.rows[0][3:8])
