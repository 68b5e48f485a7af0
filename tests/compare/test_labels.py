"""A verdict says for which labels the difference has the opposite sign. Response bias, by which the
seeds of one recipe differ, does not count as such a difference."""

import json
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from kodata.metrics.metrics import MEAN
from kotune.compare import paired
from kotune.compare.comparison import Comparison, comparisons
from kotune.compare.labels import BALANCED, DETECTION, FORCED_CHOICE, LabelPart, label_parts
from kotune.compare.paired import FEWEST_CLUSTERS, compare, holm
from kotune.compare.result import Result
from kotune.compare.verdict import outcome
from kotune.display.phrases import LANGUAGES, Phrases
from kotune.report.comparison_tables import label_parts as tables
from kotune.report.report import Report
from kotune.report.sentences import _opposite, verdicts
from kotune.report.wording import Wording
from kotune.runs.finished import Finished, load
from kotune.runs.folder import read_json, sha256, write_json, write_text
from tests.finished import RELATIONS, Made, Row, finished

pytest.importorskip("scipy")
PREMISES = 2 * FEWEST_CLUSTERS
LLAMA = Made(premises=PREMISES)
DEEPSEEK = Made(model="quickstart-deepseek", premises=PREMISES)
# How much more likely the right label is than the others, by right label (entailment, neutral,
# contradiction). The first model knows neutral items, the second tells the other two apart.
NEUTRAL, OPPOSITES = (0.0, 4.0, 0.0), (1.0, 0.0, 1.0)
EVEN = (0.0, 0.0, 0.0)


@pytest.fixture(autouse=True)
def _fewer_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paired, "RESAMPLES", 2_000)


def rewrite(folder: Path, change: Callable[[Row], Row], kind: str = "tuned") -> Path:
    """Replace each answer of a run."""
    name = f"samples/{kind}/nli_sample_ko.jsonl"
    rows = [json.loads(line) for line in (folder / name).read_text().split("\n")[:-1]]
    lines = (json.dumps(change(row), ensure_ascii=False) + "\n" for row in rows)
    write_text(folder / name, "".join(lines))
    scores = read_json(folder / "scores.json")
    scores["nli_sample_ko"]["sha256"][kind] = sha256(folder / name)
    write_json(folder / "scores.json", scores)
    return folder


def answers(
    skill: tuple[float, ...], seed: int = 0, bias: tuple[float, ...] = EVEN
) -> Callable[[Row], Row]:
    """Answers by noisy likelihoods. `bias`: how much more often each label is answered, whatever
    the right label is."""
    prng = random.Random(seed)

    def change(row: Row) -> Row:
        gold = row["gold"]
        raised = [skill[gold] * (label == gold) + bias[label] for label in range(3)]
        if gold != 1:  # a neutral item is told by its neutral likelihood alone
            raised[1] -= skill[1]
        likelihoods = [value + prng.gauss(0, 1) for value in raised]
        said = likelihoods.index(max(likelihoods))
        metrics = {**row["metrics"], "acc": float(said == gold), "macro_f1": [gold, said]}
        return {**row, "logprobs": likelihoods, "prediction": said, "metrics": metrics}

    return change


def two(folder: Path, a: Callable[[Row], Row], b: Callable[[Row], Row]) -> list[Finished]:
    return load(
        [
            rewrite(finished(folder / "a", LLAMA), a),
            rewrite(finished(folder / "b", DEEPSEEK), b),
        ]
    )


def turned(folder: Path) -> list[Finished]:
    return two(folder, answers(NEUTRAL, 1), answers(OPPOSITES, 2))


def between(runs: list[Finished]) -> Comparison:
    return next(one for one in comparisons(runs) if one.is_primary and not one.is_tuning)


def of(parts: list[LabelPart], *labels: str) -> LabelPart:
    return next(part for part in parts if part.labels == labels)


def test_a_part_is_a_balanced_accuracy() -> None:
    found = compare(
        BALANCED,
        [(True, 1.0), (True, 0.0), (False, 1.0), (False, 1.0), (False, 0.5)],
        [(True, 1.0), (True, 1.0), (False, 0.0), (False, 0.0), (False, 0.0)],
        range(5),
    )
    assert found.value_a == pytest.approx((1 / 2 + 2.5 / 3) / 2)
    assert found.value_b == 0.5  # always the first label


def test_each_label_is_detected_and_each_pair_is_chosen_from(tmp_path: Path) -> None:
    runs = turned(tmp_path)
    parts = label_parts([between(runs)])
    entail, neutral, contradict = RELATIONS
    assert [(each.part.metric, each.labels) for each in parts] == [
        *((DETECTION, (label,)) for label in RELATIONS),
        (FORCED_CHOICE, (entail, neutral)),
        (FORCED_CHOICE, (entail, contradict)),
        (FORCED_CHOICE, (neutral, contradict)),
    ]
    rows = list(runs[0].samples("nli_sample_ko", "tuned").values())
    pair = [row for row in rows if row.gold in (0, 2)]
    chosen = [(row.logprobs[0] > row.logprobs[2]) == (row.gold == 0) for row in pair]  # type: ignore[index]
    choice = of(parts, entail, contradict).part.paired
    assert (choice.n, choice.groups) == (2 * PREMISES, PREMISES)
    assert choice.value_a == pytest.approx(sum(chosen) / len(chosen))  # equally many of both
    hits, rejections = (
        [(row.prediction == 1) == is_it for row in rows if (row.gold == 1) == is_it]
        for is_it in (True, False)
    )
    detected = of(parts, neutral).part.paired
    assert detected.n == 3 * PREMISES
    assert detected.value_a == pytest.approx(
        (sum(hits) / len(hits) + sum(rejections) / len(rejections)) / 2
    )


def test_a_part_with_the_opposite_sign_is_told_with_the_verdict(tmp_path: Path) -> None:
    runs = turned(tmp_path)
    result = Result.of(runs)
    whole = between(runs)
    assert outcome(whole) == "worse"
    texts = {say: verdicts(result, Phrases(say))[0].text for say in LANGUAGES}
    parts = [each for each in result.label_parts if not each.whole.is_tuning]
    part = of(parts, RELATIONS[0], RELATIONS[2])
    assert part.is_opposite and part.part.paired.difference > 0
    by = f"{100 * part.part.paired.difference:.1f}"
    told, name = "But between 함의 and 모순 alone, ", "quickstart-deepseek"
    # Each side has one seed, so nothing is said of the models.
    ahead = f"is ahead by {by} %p of balanced accuracy (95% CI"
    assert f"{told}the adapter of {name} {ahead}" in texts["en"]
    assert f"반대로 {name} 어댑터의 균형 정확도가 {by}%p 높습니다" in texts["ko"]
    models = replace(part, part=replace(part.part, includes_seeds=True))
    assert f"{told}{name} {ahead}" in _opposite(models, Wording(result, Phrases("en")))
    assert not any(each.is_opposite for each in result.label_parts if each.whole.is_tuning)
    assert "alone" not in verdicts(result, Phrases("en"))[1].text


def test_after_tuning_the_untuned_model_can_be_ahead(tmp_path: Path) -> None:
    folder = rewrite(finished(tmp_path / "a", LLAMA), answers(OPPOSITES, 1), "base")
    runs = load([rewrite(folder, answers(NEUTRAL, 2))])
    result = Result.of(runs)
    text = verdicts(result, Phrases("en"))[0].text
    assert "better after tuning" in text and " alone, the untuned model is ahead by" in text
    assert "튜닝 전 모델의 균형 정확도" in verdicts(result, Phrases("ko"))[0].text


def test_two_seeds_of_one_recipe_do_not_set_it_off(tmp_path: Path) -> None:
    """Ten pairs of runs with the skills of one recipe, one a little better overall. They differ in
    how often they answer each label. The share of each label's items that are right turns round in
    most pairs; no part does."""
    by_share = 0
    for seed in range(10):
        better = answers((1.5, 1.5, 1.5), 2 * seed, (0.6, 0.0, -0.6))
        worse = answers((0.9, 0.9, 0.9), 2 * seed + 1, (-0.6, 0.0, 0.6))
        runs = two(tmp_path / f"{seed}", worse, better)
        whole = between(runs)
        assert outcome(whole) == "better"
        parts = label_parts([whole])
        assert len(parts) == 6 and not any(part.is_opposite for part in parts)
        by_share += _a_share_turns_round(runs)
    assert by_share > 5


def _a_share_turns_round(runs: list[Finished]) -> bool:
    """Whether the second run is right less often on contradictions, significantly."""
    samples = [run.samples("nli_sample_ko", "tuned").values() for run in runs]
    right = [[float(row.prediction == 2) for row in rows if row.gold == 2] for rows in samples]
    found = compare(MEAN, right[0], right[1], range(len(right[0])))
    return found.ci_high < 0 and found.p_value < 0.05


def test_two_seeds_in_one_comparison_are_one_model(tmp_path: Path) -> None:
    made = [replace(LLAMA, seed=seed, record={"seed": seed}) for seed in (1, 2)]
    bias = ((0.6, 0.0, -0.6), (-0.6, 0.0, 0.6))
    folders = [
        rewrite(finished(tmp_path / f"{one.seed}", one), answers((1.5, 1.5, 1.5), 9, of_seed))
        for one, of_seed in zip(made, bias, strict=True)
    ]
    result = Result.of(load(folders))
    assert len(result.label_parts) == 6 and all(part.whole.is_tuning for part in result.label_parts)
    assert not any(part.is_opposite for part in result.label_parts)


def test_holm_adjusts_over_all_parts(tmp_path: Path) -> None:
    result = Result.of(turned(tmp_path))
    parts = [each.part for each in result.label_parts]
    wholes = {id(each.whole) for each in result.label_parts}
    assert len(parts) == 6 * len(wholes) >= 12
    assert [part.p_holm for part in parts] == holm([part.paired.p_value for part in parts])


@pytest.mark.parametrize("count", [2, 3])
def test_seeds_are_counted_as_elsewhere(tmp_path: Path, count: int) -> None:
    folders = [
        rewrite(
            finished(tmp_path / f"{made.model}-{seed}", replace(made, record={"seed": seed})),
            answers(skill, seed),
        )
        for made, skill in ((LLAMA, NEUTRAL), (DEEPSEEK, OPPOSITES))
        for seed in range(count)
    ]
    runs = load(folders)
    part = of(label_parts([between(runs)]), RELATIONS[0], RELATIONS[2])
    assert part.part.includes_seeds == (count == 3)
    assert [len(values) for values in part.part.values] == [count, count]
    pair = [runs[0], runs[count]]
    known = comparisons(pair, runs)
    single = [one for one in known if one.is_primary and not one.is_tuning]
    (choice,) = [each for each in label_parts(single) if each.labels == part.labels]
    assert choice.part.includes_seeds == (count == 3)
    assert choice.part.values[0] == pytest.approx(part.part.values[0][:1])


def test_nothing_is_looked_at_without_a_difference_labels_or_likelihoods(tmp_path: Path) -> None:
    runs = turned(tmp_path / "1")
    whole = between(runs)
    assert label_parts([replace(whole, p_holm=0.2), replace(whole, metric="macro_f1")]) == []
    bare = two(
        tmp_path / "2",
        answers(NEUTRAL, 1),
        lambda row: {key: of_key for key, of_key in row.items() if key != "logprobs"},
    )
    assert label_parts([replace(whole, b=replace(whole.b, run=bare[1]))]) == []

    def own_choices(row: Row) -> Row:
        return {**row, "choices": [f"{row['doc_hash']} {name}" for name in RELATIONS]}

    for number, change in enumerate((own_choices, lambda row: {**row, "choices": ["a", "b"]})):
        folder = rewrite(finished(tmp_path / f"own{number}", LLAMA), change, "items")
        other = replace(whole.a, run=load([folder])[0])
        assert label_parts([replace(whole, a=other)]) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_report_and_json_have_a_row_for_each_part(tmp_path: Path, language: str) -> None:
    result, phrases = Result.of(turned(tmp_path)), Phrases(language)
    (table,) = tables(result, phrases)
    assert len(table.rows) == len(result.label_parts)
    assert sum(phrases("opposite_mark") in row[2] for row in table.rows) == sum(
        part.is_opposite for part in result.label_parts
    )
    assert table.title in [each.title for each in Report(result, phrases).results()]
    rows = json.loads(json.dumps(result.as_json()))["label_parts"]
    assert [row["labels"] for row in rows] == [list(part.labels) for part in result.label_parts]
    assert {row["metric"] for row in rows} == {DETECTION, FORCED_CHOICE}
    plain = Result(result.runs, result.comparisons, {})
    assert list(tables(plain, phrases)) == []
