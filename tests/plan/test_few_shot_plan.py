"""A plan counts the base model with examples in its prompt."""

import pytest

from kotune.plan import plan as plans
from kotune.plan import work
from kotune.plan.counting import Counted
from kotune.recipe.reading import load
from tests.conftest import ROOT

QUICK = ROOT / "recipes" / "quickstart_llama.yml"
COUNTED = Counted(1_000, 100, [40, 50, 60], exact=True)
BOTH = "tasks=[nli_sample_ko, nli_sample_ko_gen, ko_naturalness]"


def test_scoring_takes_longer_and_nothing_else() -> None:
    (plain,), (shots,) = (
        plans.make(QUICK, (BOTH, *more), ["t4"], counted=COUNTED).gpu_plans
        for more in ((), ("few_shot=3",))
    )
    assert shots.base == plain.base, "the base model without examples is scored as before"
    for part, seconds in plain.seconds.items():
        if part in plans.SCORED:
            assert seconds < shots.seconds[part] < 2 * seconds
        else:
            assert seconds == shots.seconds[part]
    assert shots.memory.scoring >= plain.memory.scoring
    assert shots.memory.training == plain.memory.training


def test_the_examples_of_choices_are_read_once_and_those_of_answers_each_time() -> None:
    recipe = load(QUICK, (BOTH, "few_shot=3"))
    plain = {each.task: each for each in work.of_recipe(recipe, COUNTED)}
    shots = {each.task: each for each in work.with_examples([*plain.values()], recipe, COUNTED)}
    assert shots.keys() == {"nli_sample_ko", "nli_sample_ko_gen"}, "the prompts that are trained"
    added = {task: each.prompt - plain[task].prompt for task, each in shots.items()}
    assert added["nli_sample_ko_gen"] == pytest.approx(3 * 50)
    assert added["nli_sample_ko"] == pytest.approx(3 * 50 / 900)
    assert {each.longest - plain[task].longest for task, each in shots.items()} == {3 * 60}
    assert work.with_examples([*plain.values()], load(QUICK, (BOTH,)), COUNTED) == []


def test_the_plan_says_so() -> None:
    notes = plans.make(QUICK, ("few_shot=3",), ["t4"], counted=COUNTED).notes
    assert "the base model is also scored with 3 examples in its prompt" in notes
