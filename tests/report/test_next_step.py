"""Each state of a comparison has its own next step, and its commands are the ones to enter."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kotune.compare import paired
from kotune.compare.comparison import Comparison
from kotune.compare.result import Result
from kotune.compare.seeds import groups
from kotune.display.phrases import LANGUAGES, Phrases
from kotune.report.next_step import STEPS, NextStep, next_step
from kotune.runs.finished import load
from kotune.runs.folder import read_json, write_json
from tests.finished import Made
from tests.report.answers import in_task, judged, result_of

pytest.importorskip("scipy")
TWO = ["quickstart-llama", "quickstart-deepseek"]
GOOD = Made(rates=(0.35, 0.85))
TASKS = ("korquad_ko", "ko_consistency_nli", "ko_naturalness")


@pytest.fixture(autouse=True)
def _fewer_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paired, "RESAMPLES", 100)


def step(result: Result) -> NextStep:
    return next_step(result, Phrases("en"))


def with_all_criteria(result: Result) -> Result:
    for task in TASKS:
        result = in_task(result, task)
    return result


def between(result: Result, **figures: Any) -> Result:
    """The result, whose comparisons of two models have these figures."""

    def changed(each: Comparison) -> Comparison:
        return each if each.is_tuning else judged(each, **figures)

    return replace(result, comparisons=[changed(each) for each in result.comparisons])


def edited(result: Result, file: str, change: Callable[[Any], None]) -> Result:
    """The result with a JSON file of every run changed."""
    for run in result.runs:
        content = read_json(run.folder / file)
        change(content)
        write_json(run.folder / file, content)
    return Result.of(load([run.folder for run in result.runs]))


def test_without_a_scored_task_tasks_are_chosen(tmp_path: Path) -> None:
    result = replace(result_of(tmp_path, TWO[:1], (42,)), comparisons=[])
    assert step(result).commands == ("./cli.py tasks",)


def test_if_only_some_items_were_scored_all_are_next(tmp_path: Path) -> None:
    made = replace(GOOD, record={"limit": 9})
    found = step(result_of(tmp_path, TWO[:1], (42,), made))
    assert found.commands == ("./cli.py run recipes/made_0.yml --set seed=42",)
    assert "all items" in found.text


def test_a_model_at_its_baseline_gets_more_rows_or_writes_or_trains_longer(tmp_path: Path) -> None:
    result = result_of(tmp_path, TWO[:1], (42,), Made(rates=(0.35, 0.35)))
    same = "./cli.py run recipes/made_0.yml --set seed=42 --set "
    found = step(result)
    assert "quickstart-llama is no better than it was before tuning." in found.text
    assert found.commands == (f"{same}data.0.form=write",)
    manifest = "data/manifest.json"
    few = edited(result, manifest, lambda data: data["entries"][0].update(samples=100))
    assert step(few).commands == (f"{same}data.0.samples=null",)
    writes = {"samples": None, "form": "write"}
    long = edited(result, manifest, lambda data: data["entries"][0].update(writes))
    assert step(long).commands == (f"{same}axolotl.num_epochs=4",)
    longer = edited(result, "axolotl.yml", lambda config: config.update(num_epochs=2.5))
    assert step(longer).commands == (f"{same}axolotl.num_epochs=5",)


def test_a_model_no_better_than_a_simple_baseline_is_told_so(tmp_path: Path) -> None:
    made = replace(GOOD, lines=("majority", "overlap"))
    result = result_of(tmp_path, TWO[:1], (42,), made)
    assert "seeds" in step(result).text  # better than both
    level = [judged(each, difference=0.0, p_holm=0.9) for each in result.baselines]
    found = step(replace(result, baselines=level))
    assert "no better than always giving the most frequent label" in found.text
    overlap = [each for each in level if each.a.variant == "overlap"]
    assert "seeds" in step(replace(result, baselines=overlap)).text


def test_one_seed_is_followed_by_three(tmp_path: Path) -> None:
    result = result_of(tmp_path, TWO, (42,), GOOD)
    commands = [f"./cli.py run recipes/made_{number}.yml --seeds 3" for number in (0, 1)]
    assert step(result).commands == (*commands,)
    assert str(step(result)).endswith(" && ".join(commands))
    assert step(Result.of(result.runs[:1])).commands == (commands[0],)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_model_alone_is_compared_with_the_other_recipe(tmp_path: Path, language: str) -> None:
    say = Phrases(language)
    result = result_of(tmp_path, TWO[:1], made=GOOD)
    other = next_step(result, say)
    assert other.commands == ("./cli.py compare recipes/made_0.yml RECIPE",)
    recipe = "./cli.py run recipes/quickstart_deepseek.yml --set seed=42 --runs-dir r"
    strange = edited(result, "run.json", lambda record: record.update(command="./cli.py run ."))
    assert next_step(strange, say).commands == ("./cli.py compare . RECIPE",)
    known = edited(result, "run.json", lambda record: record.update(command=recipe))
    assert next_step(known, say).commands == (
        "./cli.py run recipes/quickstart_llama.yml --seeds 3 --runs-dir r",
        "./cli.py compare recipes/quickstart_deepseek.yml recipes/quickstart_llama.yml"
        " --runs-dir r",
    )


def test_a_tie_says_what_would_show_the_difference(tmp_path: Path) -> None:
    result = result_of(tmp_path, TWO, made=GOOD)
    figures = {"difference": 0.02, "detectable": 0.04, "ci_low": -0.01, "ci_high": 0.05}
    found = step(between(result, **figures, p_holm=0.2))
    assert "difference of 2.0 %p takes about 4.0 times as many items and seeds" in found.text
    assert found.commands == tuple(
        f"./cli.py run recipes/made_{number}.yml --seeds 12" for number in (0, 1)
    )
    close = step(between(result, **{**figures, "difference": 0.001}, p_holm=0.9))
    compare = "./cli.py compare recipes/made_0.yml recipes/made_1.yml --all"
    assert close.commands == (compare,)
    none = step(between(result, **{**figures, "difference": 0.0}, p_holm=1.0))
    assert none.commands == (compare,)


def test_models_of_one_recipe_are_compared_by_their_folders(tmp_path: Path) -> None:
    result = result_of(tmp_path, TWO, made=GOOD)
    record = {"command": "./cli.py run recipes/made.yml"}
    same = edited(result, "run.json", lambda content: content.update(record))
    tie = between(same, difference=0.0, ci_low=-0.1, ci_high=0.1, p_holm=1.0)
    folders = " ".join(str(run.folder) for run in same.runs)
    assert step(tie).commands == (f"./cli.py compare {folders} --all",)


def test_a_decided_comparison_goes_on_to_the_other_criteria_and_then_to_less_data(
    tmp_path: Path,
) -> None:
    result = result_of(tmp_path, TWO, made=GOOD)
    assert len(groups(result.runs)) == 2
    found = step(result)
    assert found.commands == ("./cli.py tasks",)
    assert "measure Accuracy, Consistency, Naturalness too" in found.text
    # The tasks that are added have the figures of the first, which is better where it is higher.
    whole = with_all_criteria(result)
    better = [each for each in whole.comparisons if not each.is_lower_better or not each.is_primary]
    naturalness = [
        judged(each, difference=-each.paired.difference, ci_low=-0.9, ci_high=-0.1)
        for each in whole.comparisons
        if each.is_lower_better and each.is_primary
    ]
    decided = replace(whole, comparisons=[*better, *naturalness])
    assert step(decided).commands == ("./cli.py study few_data",)


def test_every_condition_has_a_phrase_in_both_languages() -> None:
    kinds = {*Phrases("en").words("next_step")}
    assert kinds == {*Phrases("ko").words("next_step")} and len(kinds) >= len(STEPS)
    for language in LANGUAGES:
        say = Phrases(language)
        for kind in kinds:
            assert say.word("next_step", kind)[-1] in ":."
