"""How many answers fit beside the weights follows from what torch itself makes of them, and a
product task's fit in hundreds."""

import dataclasses
import itertools
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from kotune.errors import StageError
from kotune.models.presets import PRESETS
from kotune.plan import memory, shapes, work
from kotune.plan.counting import Counted
from kotune.recipe.reading import load
from kotune.score import batches, scoring
from kotune.score.model import BATCH_SIZE, harness_model, load_base
from tests.conftest import ROOT

NAMES = ("llama-3.2-1b-instruct", "deepseek-r1-distill-qwen-1.5b")
COUNTED = Counted(
    rows=1_000, validation=50, lengths=[100] * 90 + [150] * 10, exact=False, why="made up"
)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("prompt", "written"), [(512, 16), (8, 2048)])
def test_what_an_answer_holds_is_what_torch_makes_of_it(
    name: str, prompt: int, written: int
) -> None:
    """Full width, fewer layers; a long prompt is at its most when it is read, a long answer at its
    end."""
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
    assert (
        batches.cached(memory.sizes_of(shapes.find(name), in_fp32=True), 1) == 2 * per_token[name]
    )


def test_answers_at_once_are_a_power_of_two_that_fits_and_twice_as_many_do_not() -> None:
    sizes = memory.sizes_of(shapes.find(NAMES[0]))
    one = batches.of_answer(sizes, 100, 128)
    for free in (0, one / 2, one, 3.9 * one, 100 * one, 255.9 * one):
        number = batches.at_once(sizes, free, 100, 128)
        assert (
            number.bit_count() == 1
            and (number * one <= free or number == 1)
            and 2 * number * one > free
        )
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


PROMPTS = [
    "질문: 하늘은 무슨 색인가요? 정답:",
    "물",
    "문장: 비가 온다. " * 8,
    "전제: 고양이가 잔다. 가설: 동물이 잔다.",
    "네",
    "아니요",
]
ASKED = [
    SimpleNamespace(args=(prompt, {"until": ["\n"], "max_gen_toks": 8, "do_sample": False}))
    for prompt in PROMPTS
]


@pytest.fixture(scope="module")
def lm() -> Any:
    """lm-eval's HF model around a quickstart model, on the CPU."""
    pytest.importorskip("lm_eval")
    from transformers import AutoTokenizer

    base = str(PRESETS["quickstart-llama"].base)
    plain = {"base_precision": "float32", "compute_dtype": "float32", "model_revision": None}
    return harness_model(load_base(base, plain), AutoTokenizer.from_pretrained(base))


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], list[tuple[int, int]]]:
    """lm-eval's own writing replaced by one that has room for so many answers: (batch size,
    requests) of each call."""

    def with_room(room: int) -> list[tuple[int, int]]:
        calls: list[tuple[int, int]] = []

        def generate_until(self: Any, requests: Any, disable_tqdm: bool = False) -> list[str]:
            calls.append((self.batch_size_per_gpu, len(requests)))
            if self.batch_size_per_gpu > room:
                raise RuntimeError("CUDA error: out of memory")
            return [f"답 {request.args[0]}" for request in requests]

        from lm_eval.models.huggingface import HFLM

        monkeypatch.setattr(HFLM, "generate_until", generate_until)
        return calls

    return with_room


@pytest.fixture
def fresh(lm: Any) -> Any:
    """The same, as it was before anything was written."""
    lm.most, lm.generation_batches, lm.batch_size_per_gpu = batches.MOST, [], BATCH_SIZE
    return lm


def in_parts(monkeypatch: pytest.MonkeyPatch, *found: tuple[int, list[int]]) -> None:
    monkeypatch.setattr(batches, "parts", lambda *_: dict(found))


def test_a_cpu_writes_all_answers_in_batches_of_32(fresh: Any) -> None:
    assert batches.parts(fresh, ASKED, batches.MOST) == {32: [0, 1, 2, 3, 4, 5]}


def test_answers_in_batches_of_their_own_are_those_of_one_batch_in_the_order_of_the_requests(
    fresh: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = fresh.generate_until(ASKED, disable_tqdm=True)
    assert fresh.generation_batches == [32] and len(set(whole)) > 1
    in_parts(monkeypatch, (1, [2]), (4, [5, 0, 3, 1, 4]))
    assert fresh.generate_until(ASKED, disable_tqdm=True) == whole
    assert fresh.generation_batches == [1, 4] and fresh.batch_size_per_gpu == BATCH_SIZE


def test_out_of_memory_halves_the_batches_of_answers_and_leaves_those_of_choices(
    fresh: Any, monkeypatch: pytest.MonkeyPatch, tried: Callable[[int], list[tuple[int, int]]]
) -> None:
    in_parts(monkeypatch, (64, [2]), (256, [0, 1, 3, 4, 5]))
    task: Any = SimpleNamespace(
        name="korquad_ko", evaluate=lambda model, _: {"answers": model.generate_until(ASKED)}
    )
    calls = tried(100)
    told = scoring._result(task, fresh, None)["answers"]
    assert told == [f"답 {prompt}" for prompt in PROMPTS]
    assert calls == [(64, 1), (256, 5), (128, 5), (64, 5)]
    assert (fresh.most, fresh.batch_size_per_gpu, fresh.generation_batches) == (
        64,
        BATCH_SIZE,
        [64, 64],
    )
    scoring._result(task, fresh, None)
    assert calls[4:] == [(64, 1), (64, 5)]  # it stays so for what comes after


def test_a_gpu_that_has_no_room_for_one_answer_is_told_with_advice(
    fresh: Any, monkeypatch: pytest.MonkeyPatch, tried: Callable[[int], list[tuple[int, int]]]
) -> None:
    in_parts(monkeypatch, (4, [*range(6)]))
    task: Any = SimpleNamespace(
        name="korquad_ko", evaluate=lambda model, _: model.generate_until(ASKED)
    )
    calls = tried(0)
    with pytest.raises(StageError, match="score korquad_ko: out of GPU memory"):
        scoring._result(task, fresh, None)
    assert [size for size, _ in calls] == [4, 2, 1]


@pytest.mark.parametrize(("memory_gib", "sizes"), [(80, [256]), (0.004, [1]), (0.02, [8, 32, 256])])
def test_a_gpu_writes_short_prompts_in_larger_batches_than_long_ones(
    fresh: Any, monkeypatch: pytest.MonkeyPatch, memory_gib: float, sizes: list[int]
) -> None:
    torch = pytest.importorskip("torch")
    total = SimpleNamespace(total_memory=memory_gib * 2**30)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: total)
    gpu = SimpleNamespace(
        device=torch.device("cuda"),
        model=fresh.model,
        tok_encode=fresh.tok_encode,
        max_gen_toks=256,
        batch_size_per_gpu=32,
    )
    found = batches.parts(gpu, ASKED, batches.MOST)
    assert list(found) == sizes and sorted(itertools.chain(*found.values())) == [
        *range(len(PROMPTS))
    ]
    longest = [
        max(len(fresh.tok_encode(PROMPTS[number])) for number in numbers)
        for numbers in found.values()
    ]
    assert longest == sorted(longest, reverse=True)
    assert batches.parts(gpu, ASKED, 1) == {1: [*range(len(PROMPTS))]}
    gpu.model = SimpleNamespace(
        config=SimpleNamespace(get_text_config=lambda: SimpleNamespace(hidden_size=8))
    )
    # Nobody knows what its answers hold.
    assert list(batches.parts(gpu, ASKED, batches.MOST)) == [32]


def test_a_loaded_model_has_the_sizes_that_its_shape_says(fresh: Any) -> None:
    shape = shapes.find("quickstart-llama")
    assert batches._of_model(fresh.model) == memory.sizes_of(shape, in_fp32=True)
