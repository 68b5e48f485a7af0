"""How many answers fit beside the weights follows from what torch itself makes of them, and a product task's fit in hundreds."""

import dataclasses

import pytest

from kotune.models.presets import PRESETS
from kotune.plan import memory, shapes, work
from kotune.plan.counting import Counted
from kotune.recipe.reading import load
from kotune.score import batches
from tests.conftest import ROOT

NAMES = ("llama-3.2-1b-instruct", "deepseek-r1-distill-qwen-1.5b")
COUNTED = Counted(rows=1_000, validation=50, lengths=[100] * 90 + [150] * 10, exact=False, why="made up")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("prompt", "written"), [(512, 16), (8, 2048)])
def test_what_an_answer_holds_is_what_torch_makes_of_it(name: str, prompt: int, written: int) -> None:
    """Full width, fewer layers; a long prompt is at its most when it is read, a long answer at its end."""
    pytest.importorskip("peft")
    from tests.tensors import of_answers, on_meta

    shape = dataclasses.replace(shapes.find(name), layers=2)
    model = on_meta(shape, "llama" if shape.tied else "qwen2")
    reading, writing = (found / 4 for found in of_answers(model, 4, prompt, written))
    told = batches.of_answer(memory.sizes_of(shape), prompt, written)
    assert (reading > writing) == (prompt > written)
    assert max(reading, writing) == pytest.approx(told, rel=0.05)


@pytest.mark.parametrize("name", NAMES)
def test_keys_and_values_of_the_product_models(name: str) -> None:
    per_token = {"llama-3.2-1b-instruct": 32 * 2**10, "deepseek-r1-distill-qwen-1.5b": 28 * 2**10}
    assert batches.cached(memory.sizes_of(shapes.find(name)), 1) == per_token[name]
    assert batches.cached(memory.sizes_of(shapes.find(name), in_fp32=True), 1) == 2 * per_token[name]


def test_answers_at_once_are_a_power_of_two_that_fits_and_twice_as_many_do_not() -> None:
    sizes = memory.sizes_of(shapes.find(NAMES[0]))
    one = batches.of_answer(sizes, 100, 128)
    for free in (0, one / 2, one, 3.9 * one, 100 * one, 255.9 * one):
        number = batches.at_once(sizes, free, 100, 128)
        assert number.bit_count() == 1 and (number * one <= free or number == 1) and 2 * number * one > free
    assert batches.at_once(sizes, 1e15, 100, 128) == batches.MOST
    assert batches.at_once(sizes, -1e9, 100, 128) == 1  # the weights alone are too large


@pytest.mark.parametrize("name", ["llama_lora", "deepseek_lora", "llama_qlora", "deepseek_qlora"])
def test_on_40_gb_the_product_recipes_write_128_answers_or_more_at_once(name: str) -> None:
    recipe = load(ROOT / "recipes" / f"{name}.yml")
    shape = shapes.find(recipe.model)
    free = 40e9 * batches.USABLE - memory.weights(shape, 16) - 4 * shape.trainable(16)
    tasks = [one for one in work.of_recipe(recipe, COUNTED) if one.written]
    assert len(tasks) >= 3 and recipe.model in PRESETS
    for task in tasks:
        assert batches.at_once(memory.sizes_of(shape), free, task.prompt, task.written) >= 128, task
