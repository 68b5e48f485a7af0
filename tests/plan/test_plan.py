"""A plan is arithmetic that real models confirm, counts that the data confirm, and predictions that
say so."""

import dataclasses
import io
import json
import math
import os
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from benchmarks import plan as benchmark
from kotune.compare.efficiency import Price
from kotune.display import short
from kotune.display.phrases import LANGUAGES, Phrases
from kotune.display.phrases.translation import translate
from kotune.errors import RecipeError
from kotune.models import presets
from kotune.plan import answer, clock, counting, gpus, memory, screen, shapes, work
from kotune.plan import plan as plans
from kotune.plan.as_json import as_json
from kotune.plan.counting import Counted
from kotune.plan.memory import Method
from kotune.plan.shapes import Shape
from kotune.plan.work import Work
from kotune.recipe.reading import load
from kotune.score.likelihood.contexts import Room
from kotune.train import head
from kotune_tasks.card import cards
from tests.conftest import ROOT, Cli, loaded, write_recipe
from tests.test_cli import assert_one_message

RECIPES = ROOT / "recipes"
QUICK = RECIPES / "quickstart_llama.yml"
PRESETS = (
    "llama-3.2-1b-instruct",
    "deepseek-r1-distill-qwen-1.5b",
    "quickstart-llama",
    "quickstart-deepseek",
)
BIASED = Shape(
    500,
    64,
    96,
    2,
    heads=4,
    kv_heads=2,
    head_dim=32,
    tied=False,
    qkv_bias=True,
    o_bias=True,
    mlp_bias=True,
)
# As the config.json of Gemma 3 270M says it:
# https://huggingface.co/google/gemma-3-270m/blob/main/config.json
GEMMA = {
    "model_type": "gemma3_text",
    "vocab_size": 262144,
    "hidden_size": 640,
    "intermediate_size": 2048,
    "num_hidden_layers": 18,
    "num_attention_heads": 4,
    "num_key_value_heads": 1,
    "head_dim": 256,
}
# As the config.json of Qwen3 0.6B says it: https://huggingface.co/Qwen/Qwen3-0.6B/blob/main/config.json
QWEN3 = {
    "model_type": "qwen3",
    "vocab_size": 151936,
    "hidden_size": 1024,
    "intermediate_size": 3072,
    "num_hidden_layers": 28,
    "num_attention_heads": 16,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "tie_word_embeddings": True,
}
SHORT = Counted(
    rows=1_000, validation=50, lengths=[100] * 90 + [150] * 10, exact=False, why="made up"
)


@pytest.fixture(autouse=True)
def _nothing_is_counted(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counting starts a process with a tokenizer; what is not about it takes an estimate."""
    if "counted" not in request.keywords:
        monkeypatch.setattr(
            counting, "count", lambda recipe: counting.estimate(recipe, "not asked here")
        )


def made(
    recipe: str = "llama_lora", *names: str, sets: tuple[str, ...] = (), price: Price | None = None
) -> plans.Plan:
    """The plan of one of our recipes."""
    return plans.make(RECIPES / f"{recipe}.yml", sets, names, price)


def test_a_weight_that_leaves_no_row_is_planned(tmp_path: Path) -> None:
    data = "data:\n  - {source: nli_sample, samples: 1, weight: 0.3}\n"
    recipe = write_recipe(tmp_path, f"model: quickstart-llama\n{data}")
    assert plans.make(recipe, (), ("l4",), None).gpu_plans


def kind_of(name: str) -> str:
    """transformers' name for the kind of architecture."""
    known = {"gemma": "gemma3_text", "qwen3": "qwen3"}
    return known.get(name) or ("llama" if "llama" in name else "qwen2")


def shape_of(name: str) -> Shape:
    """A preset's, or one that no preset has."""
    others = {
        "biased llama": BIASED,
        "gemma": shapes.of(GEMMA, "gemma"),
        "qwen3": shapes.of(QWEN3, "qwen3"),
    }
    return others.get(name) or shapes.find(name)


@pytest.mark.parametrize("name", [*PRESETS, "biased llama", "gemma", "qwen3"])
@pytest.mark.parametrize(("r", "targets"), [(16, None), (4, ("q_proj", "v_proj"))])
def test_parameters_by_arithmetic_are_those_of_the_real_architectures(
    name: str, r: int, targets: tuple[str, ...] | None
) -> None:
    shape = shape_of(name)
    pytest.importorskip("peft")
    from tests.tensors import on_meta

    model = on_meta(shape, kind_of(name), r, list(targets) if targets else "all-linear")
    trainable = sum(
        parameter.numel() for parameter in model.parameters() if parameter.requires_grad
    )
    frozen = sum(
        parameter.numel() for parameter in model.parameters() if not parameter.requires_grad
    )
    assert (shape.parameters, shape.trainable(r, targets)) == (frozen, trainable)
    if targets is None:
        linear = [module for name, module in model.named_modules() if name.endswith("base_layer")]
        products = sum(module.weight.numel() for module in [*linear, model.get_output_embeddings()])
        assert shape.in_products(1, 1) == products


@pytest.mark.parametrize("name", presets.PRESETS)
def test_every_preset_has_its_shape_without_a_network_or_says_why_not(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        shapes, "_of_hub", lambda base, _: pytest.fail(f"{base} was looked for on the hub")
    )
    row = presets.ROWS[name]
    if row.shape_keys() or row.is_shipped:
        assert shapes.find(name).parameters > 900_000
    elif row.shape == "unknown":
        with pytest.raises(RecipeError, match="`plan` cannot predict the memory of this kind"):
            shapes.find(name)
    else:
        config = tmp_path / "config.json"
        config.write_text(json.dumps(presets.ROWS["llama-3.2-1b"].shape_keys()), "utf-8")
        monkeypatch.setattr(shapes, "_of_hub", lambda base, _: config)
        assert shapes.find(name) == shapes.find("llama-3.2-1b")


def test_published_sizes_are_met() -> None:
    """Meta's card says 1.23 billion parameters; the hub counts 1.78 billion for the untied
    DeepSeek-R1-Distill-Qwen-1.5B."""
    assert [round(shapes.find(name).parameters / 1e9, 2) for name in PRESETS[:2]] == [1.24, 1.78]
    cards = {
        "llama-3.2-3b-instruct": 3.21,
        "qwen3-0.6b": 0.60,
        "qwen3-1.7b": 1.72,
        "gemma-3-270m-it": 0.27,
        "gemma-3-1b-it": 1.00,
        "hyperclovax-seed-text-instruct-0.5b": 0.57,
    }
    assert {name: round(shapes.find(name).parameters / 1e9, 2) for name in cards} == cards
    assert {name for name, row in presets.ROWS.items() if row.shape_keys()} == {
        *cards,
        *PRESETS[:2],
        "llama-3.2-1b",
    }


@pytest.mark.parametrize("name", ["qwen3-1.7b", "gemma-3-1b-it", "llama-3.2-3b-instruct"])
def test_a_preset_plans_in_any_recipe_and_the_notes_say_what_it_is(name: str) -> None:
    plan = made("llama_lora", "h200", sets=(f"model={name}",))
    notes: Any = as_json(plan)["notes"]
    assert plan.fits and any("kotune has not run it" in note for note in notes)


@pytest.mark.parametrize("name", PRESETS[2:])
def test_stored_bytes_are_those_of_the_loaded_model(name: str) -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("bitsandbytes")
    from transformers import AutoModelForCausalLM

    from kotune.models.presets import PRESETS as KNOWN
    from kotune.train.precision import loading

    for precision, bits in (("bfloat16", 16), ("nf4", 4)):
        model = AutoModelForCausalLM.from_pretrained(
            KNOWN[name].base, device_map={"": "cpu"}, **loading(precision, "bfloat16")
        )
        tensors: list[Any] = []
        for parameter in model.parameters():
            state = getattr(parameter, "quant_state", None)
            tensors += (
                [parameter]
                if state is None
                else [
                    parameter,
                    state.absmax,
                    state.code,
                    state.offset,
                    state.state2.absmax,
                    state.state2.code,
                ]
            )
        assert all(isinstance(tensor, torch.Tensor) for tensor in tensors)
        assert memory.weights(shapes.find(name), bits) == sum(tensor.nbytes for tensor in tensors)


def test_adapter_gradients_and_optimizer_have_the_bytes_of_their_tensors() -> None:
    torch = pytest.importorskip("torch")
    peft = pytest.importorskip("peft")
    from transformers import AutoModelForCausalLM

    from kotune.models.presets import PRESETS as KNOWN

    base = AutoModelForCausalLM.from_pretrained(
        KNOWN["quickstart-llama"].base, dtype=torch.bfloat16
    )
    model = peft.get_peft_model(
        base, peft.LoraConfig(r=16, target_modules="all-linear", task_type="CAUSAL_LM")
    )
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained)
    ids = torch.zeros(2, 8, dtype=torch.long)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        model(input_ids=ids, labels=ids).loss.backward()
    optimizer.step()
    shape = shapes.find("quickstart-llama")
    found = memory.peak(shape, Method(16, shape.trainable(16), 16, False), 16, 16, 0)
    moments = [
        state[name] for state in optimizer.state.values() for name in ("exp_avg", "exp_avg_sq")
    ]
    assert found.adapter == sum(parameter.nbytes for parameter in trained)
    assert found.gradients == sum(parameter.grad.nbytes for parameter in trained)
    assert found.optimizer == sum(moment.nbytes for moment in moments)


@pytest.mark.parametrize("name", [*PRESETS[:2], "gemma", "qwen3"])
@pytest.mark.parametrize(("checkpointing", "layers"), [(True, 4), (False, 2)])
@pytest.mark.parametrize("trained", [12, 1024])
def test_activations_and_logits_are_those_of_every_tensor_that_torch_makes(
    name: str, checkpointing: bool, layers: int, trained: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Full width, fewer layers; the whole depth is tried by `python -m benchmarks.plan
    --tensors`."""
    pytest.importorskip("torch")
    from tests.tensors import of_step, on_meta

    shape = dataclasses.replace(shape_of(name), layers=layers)
    stored, added = of_step(
        on_meta(shape, kind_of(name)), 4, 256, checkpointing, trained, monkeypatch
    )
    method = Method(16, shape.trainable(16), 16, checkpointing)
    told = memory.peak(shape, method, 4 * 256, min(trained, head.CHUNK), 0)
    # The model's tables of angles.
    assert told.weights + told.adapter == pytest.approx(stored, rel=1e-4)
    assert told.activations + told.logits == pytest.approx(
        added, rel=0.04 if name == "gemma" else 0.02
    )


@pytest.mark.counted
def test_examples_are_counted_with_the_models_own_tokenizer(cli: Cli) -> None:
    pytest.importorskip("transformers")
    told = json.loads(cli("plan", QUICK, "--gpu", "l4", "--json").stdout)
    assert told["tokens"] == {
        "exact": True,
        "why": "",
        "rows": 2409,
        "validation_rows": 250,
        "epoch": 144_962,
        "mean": pytest.approx(144_962 / 2409, abs=0.01),
        "longest": 63,
    }
    # What metrics.jsonl of a run says: tokens after an epoch (step 151), max_steps,
    # trainable_parameters.
    assert (told["tokens"]["epoch"], told["steps"], told["trainable_parameters"]) == (
        144_962,
        377,
        163_840,
    )
    assert told["measured"] is False
    assert set(told["gpus"]) == {"l4"}


@pytest.mark.counted
@pytest.mark.slow  # imports transformers twice
def test_a_hub_model_is_read_from_the_hubs_cache_and_counted_with_the_tokenizer_there(
    cli: Cli, tmp_path: Path
) -> None:
    pytest.importorskip("transformers")
    cached = tmp_path / "hf" / "hub" / "models--some--model"
    snapshot = cached / "snapshots" / ("1" * 40)
    snapshot.mkdir(parents=True)
    (cached / "refs").mkdir()
    (cached / "refs" / "main").write_text("1" * 40)
    for file in (ROOT / "kotune" / "models" / "quickstart_llama").glob("*.json"):
        shutil.copy(file, snapshot)
    recipe = write_recipe(
        tmp_path, "model: some/model\ntemplate: llama3\ndata:\n  - source: nli_sample\n"
    )
    told = json.loads(cli("plan", recipe, "--gpu", "t4", "--json").stdout)
    assert (told["tokens"]["exact"], told["tokens"]["rows"], told["parameters"]) == (
        True,
        2409,
        996_480,
    )
    assert told["gpus"]["t4"]["seconds"]["download"] > 0
    absent = write_recipe(tmp_path, "model: other/model\ndata:\n  - source: nli_sample\n")
    assert_one_message(
        cli("plan", absent), 1, "other/model: not in the hub's cache, and HF_HUB_OFFLINE is set"
    )


@pytest.mark.counted
def test_what_is_not_at_hand_is_estimated_and_said_so(cli: Cli, tmp_path: Path) -> None:
    done = cli("plan", RECIPES / "llama_lora.yml", "--gpu", "a100-40")
    assert done.returncode == 0, done.stderr
    assert "Tokens are ESTIMATED: " in done.stdout
    assert "about 24,748" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_estimates_of_the_shipped_sample_have_its_rows_and_those_of_the_real_files_their_length(
    real_klue: Path,
) -> None:
    quick = counting.estimate(load(QUICK), "")
    assert (quick.rows, quick.validation, quick.exact) == (2412, 250, False)
    recipe = RECIPES / "llama_lora.yml"
    published = counting.estimate(load(recipe), "")
    read = counting.estimate(load(recipe, (f"data.0.path={real_klue}",)), "")
    assert published.rows == read.rows
    # Eleven percentiles stand for 25,000 lengths.
    assert published.mean == pytest.approx(read.mean, rel=0.05)
    assert published.longest == pytest.approx(read.longest, rel=0.1)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_short_answer_has_a_line_for_each_gpu_and_the_command_that_runs_it(
    language: str,
) -> None:
    plan, phrases = made(price=Price(2500)), Phrases(language)
    told = list(answer.paragraphs(plan, Path("a.yml"), ["--seeds", "3"], phrases))
    verdicts = [translate(screen.verdict(plan, gpu_plan), language) for gpu_plan in plan.gpu_plans]
    assert [each.text for each in told if each.text in verdicts] == verdicts
    assert (told[-1].text, told[-1].is_command) == ("./cli.py run a.yml --seeds 3", True)
    assert any("fp16" in each.text and each.text.startswith("t4: ") for each in told)
    assert any("24,748" in each.text for each in told)
    console = Console(file=io.StringIO(), width=300)
    with console.capture() as captured:
        short.show(told, phrases, console)
    lines = captured.get().splitlines()
    assert len(lines) <= short.LINES and max(map(cell_len, lines)) <= short.COLUMNS
    assert lines[0] == translate(screen.PREDICTED, language)


def test_a_plan_that_fits_nowhere_has_no_command() -> None:
    plan = made()
    none = [dataclasses.replace(each, micro=None) for each in plan.gpu_plans]
    plan = dataclasses.replace(plan, gpu_plans=none)
    told = list(answer.paragraphs(plan, Path("a.yml"), [], Phrases("en")))
    assert not any(each.is_command for each in told)


@pytest.mark.parametrize("name", ["before_training.md", "before_training.ko.md"])
def test_the_pages_show_what_a_plan_says(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    (shown,) = re.findall(
        r"```\n(PREDICTED.*?)```", (ROOT / "docs" / name).read_text(encoding="utf-8"), re.DOTALL
    )
    screen.show(made("deepseek_lora", "a100-40", "l4", "t4"))
    said = [line.split() for line in capsys.readouterr().out.splitlines()]
    lines = [line.split() for line in shown.splitlines() if line.strip(" .─")]
    assert len(lines) >= 15
    for words in lines:
        assert words in said, words


def test_samples_and_weights_change_the_rows() -> None:
    def rows(*sets: str) -> int:
        return counting.estimate(load(RECIPES / "llama_lora.yml", sets), "").rows

    assert rows("data.0.samples=1000") == 1000
    assert rows("data.0.samples=1000", "data.0.weight=0.5") == 500
    assert rows("data.0.weight=2.0") == 2 * rows()


@pytest.mark.parametrize(("micro", "pad_to"), [(1, 64), (2, 8), (16, 64)])
def test_padding_is_that_of_batches_drawn_at_random(micro: int, pad_to: int) -> None:
    draw = random.Random(1)
    lengths = sorted(draw.randint(20, 400) for _ in range(500))
    batches = [draw.choices(lengths, k=micro) for _ in range(20_000)]
    drawn = sum(micro * memory.padded(max(batch), pad_to) for batch in batches) / len(batches)
    assert clock.batch_tokens(Counted(500, 1, lengths, True), micro, pad_to) == pytest.approx(
        drawn, rel=0.01
    )


def test_padding_is_what_the_configuration_says() -> None:
    coarse, fine = (
        made("llama_lora", "l4", sets=(f"axolotl.pad_to_multiple_of={to}",)) for to in (64, 8)
    )
    assert fine.gpu_plans[0].memory.activations < coarse.gpu_plans[0].memory.activations
    assert fine.gpu_plans[0].seconds["training"] < coarse.gpu_plans[0].seconds["training"]
    assert fine.schedule.pad_to == 8


def test_a_smaller_micro_batch_that_fits_is_named_and_keeps_the_examples_of_a_step() -> None:
    packed = (
        "axolotl.micro_batch_size=16",
        "axolotl.sample_packing=true",
        "axolotl.sequence_len=4096",
    )
    plan = made("llama_lora", "t4", "h200", sets=packed)
    small, large = plan.gpu_plans
    assert small.micro and small.micro == small.used < 16
    assert (
        f"micro_batch_size 16 does not fit: --set axolotl.micro_batch_size={small.micro}"
        in small.notes
    )
    assert large.used == 16  # the recipe's own where it fits
    for one in plan.gpu_plans:
        assert (
            one.micro
            and plan.schedule.batch_size % one.micro == 0
            and math.log2(one.micro).is_integer()
        )
        assert one.memory.peak <= one.usable
    assert plans._memory(plan, small.gpu, 2 * small.micro).peak > small.usable


def test_each_lever_lowers_the_memory_that_it_is_for() -> None:
    def of(*sets: str) -> memory.Memory:
        return made("llama_lora", "h200", sets=sets).gpu_plans[0].memory

    plain = of()
    assert of("adapter=qlora").weights < plain.weights
    assert of("axolotl.gradient_checkpointing=true").activations < plain.activations / 5
    assert of("axolotl.micro_batch_size=4").logits * 4 == plain.logits
    assert of("axolotl.lora_r=8").optimizer * 2 == plain.optimizer


def test_gradient_checkpointing_is_left_out_where_memory_does_without_it() -> None:
    room = made("llama_lora", "l4", "t4").gpu_plans
    assert all("without gradient checkpointing" in one.notes[-1] for one in room)
    assert all(one.memory.training <= memory.LEAN * one.gpu.memory for one in room)
    (packed,) = made(
        "llama_lora", "l4", sets=("axolotl.sample_packing=true",)
    ).gpu_plans  # 16 rows of 1,024
    assert not packed.notes and packed.memory.activations < 5e9
    for asked in ("true", "false"):
        (one,) = made(
            "llama_lora", "h200", sets=(f"axolotl.gradient_checkpointing={asked}",)
        ).gpu_plans
        assert not one.notes
    slow, fast = (
        made("llama_lora", "l4", sets=sets).gpu_plans[0]
        for sets in (("axolotl.gradient_checkpointing=true",), ())
    )
    assert fast.seconds["training"] == pytest.approx(slow.seconds["training"] * 2 / 3, rel=0.01)


def test_training_goes_by_the_peak_until_the_host_is_the_slower_one() -> None:
    plan = made("llama_lora", "a100-40", "a100-80", "h100", "h200")
    forty, eighty, h100, h200 = (one.seconds["training"] for one in plan.gpu_plans)
    assert forty == eighty > h100 == h200
    always = "axolotl.gradient_checkpointing=true"
    small = made("llama_lora", "h100", "a100-40", sets=("axolotl.micro_batch_size=1", always))
    fast, slow = (one.seconds["training"] for one in small.gpu_plans)
    assert fast == slow  # each micro-batch waits for Python
    # Validation is read forward, once an epoch.
    steps = small.schedule.steps + 2 * small.counted.validation / 16 / 3
    # Micro-batches, layers, seconds.
    assert fast == pytest.approx(steps * 16 * 16 * 5.2e-3, rel=0.01)


def test_writing_takes_python_s_time_on_a_fast_gpu_and_that_of_the_bandwidth_on_a_slow_one() -> (
    None
):
    shape, tuned = shapes.find("llama-3.2-1b-instruct"), 16 * 1.5e-3
    fast, slow = (clock.speed_of(gpu, False) for gpu in gpus.select(("h100", "l4")))
    assert clock.token(shape, fast, 2.5e9, 128, "tuned") == pytest.approx(tuned)
    assert clock.token(shape, fast, 2.5e9, 128, "base") == pytest.approx(16 * 0.8e-3)
    assert clock.token(shape, slow, 6.3e9, 128, "tuned") == pytest.approx(6.3e9 / (300e9 * 0.70))
    task = work.Work("klue_nli_ko_gen", 300, 0, 100, 0.0, 0)
    # Three batches.
    assert clock.generation(shape, fast, 2.5e9, [(task, 128)], "tuned") == pytest.approx(
        3 * 100 * tuned
    )
    assert clock.generation(shape, fast, 2.5e9, [(task, 256)], "tuned") == pytest.approx(
        2 * 100 * tuned
    )


def test_the_base_model_has_its_own_share_of_scoring() -> None:
    (one,) = made("llama_lora", "h100").gpu_plans
    scoring = one.seconds["likelihood"] + one.seconds["generation"]
    assert 0 < one.base < scoring / 2  # no adapter to wait for


def test_training_time_is_the_roofline_of_the_padded_tokens() -> None:
    """A micro-batch through 1.236 billion parameters, forward and backward: written out once by
    hand."""
    shape = shapes.find("llama-3.2-1b-instruct")
    tokens, speed = 1_000_000, clock.Speed(312, 1e12)
    # Forward, anew, and backward of activations: two a parameter each.
    operations = tokens * 6 * 1_235_746_816
    # Where only 30,000 are trained, the others do not need the head.
    less = 970_000 * 6 * 128_256 * 2048
    assert shape.in_products(1, 1) == 1_235_746_816
    for checkpointing, share in ((True, 1), (False, 2 / 3)):
        method = Method(16, 0, 16, checkpointing)
        whole, some = (
            clock.micro_step(shape, speed, method, tokens, trained) for trained in (tokens, 30_000)
        )
        assert whole == pytest.approx(share * operations / (312e12 * 0.28))
        assert some == pytest.approx(share * (operations - less) / (312e12 * 0.28))
        assert clock.micro_step(shape, speed, method, 1, 1) == pytest.approx(share * 16 * 5.2e-3)


@pytest.mark.parametrize("choices", [0, 2, 5])
def test_a_prompt_is_read_once_for_all_its_choices_by_base_and_tuned(choices: int) -> None:
    work = Work("klue_nli_ko", 300_000, choices, 0, 90.0, 200)
    # The linear maps of llama-3.2-1b: 16 layers of 60,817,408.
    operations = 300_000 * 90 * 2 * 973_078_528
    shape, speed = shapes.find("llama-3.2-1b-instruct"), clock.Speed(312, 1e12)
    for variant, layer in (("base", 0.8e-3), ("tuned", 1.5e-3)):
        assert clock.likelihood(shape, speed, [work], variant) == pytest.approx(
            operations / (312e12 * 0.30)
        )
        # And Python takes its time for a batch, however small.
        few = dataclasses.replace(work, items=3)
        assert clock.likelihood(shape, speed, [few], variant) == pytest.approx(16 * layer)


def test_memory_of_scoring_choices_is_that_of_a_batch() -> None:
    """Written out once by hand: 16 layers of 8 heads of 64, hidden and queries 2,048, intermediate
    8,192, 128,256 words."""
    shape, room = shapes.find("llama-3.2-1b-instruct"), Room(8192, 16384, 512)
    kept, read, logits = (
        40_960 * 32_768,
        8192 * (26 * 2048 + 10 * 512 + 8 * 8192),
        512 * 128_256 * 6,
    )
    assert memory.of_choices(shape, False, room, 200) == kept + read + logits
    assert memory.of_choices(shape, False, room, 50_000) > memory.of_choices(
        shape, False, room, 200
    )
    assert memory.of_choices(shape, True, room, 200) == 2 * (kept + read) + 512 * 128_256 * 8


def test_packing_fills_rows_of_the_sequence_length() -> None:
    packed = made(
        "llama_lora", "h200", sets=("axolotl.sample_packing=true", "axolotl.micro_batch_size=4")
    )
    plain = made("llama_lora", "h200")
    assert packed.schedule.steps < plain.schedule.steps / 5
    assert packed.gpu_plans[0].memory.logits == memory.LOSS * head.CHUNK * packed.shape.vocab
    assert packed.gpu_plans[0].seconds["training"] < plain.gpu_plans[0].seconds["training"]


def test_full_precision_takes_twice_the_memory_and_is_said() -> None:
    always = "axolotl.gradient_checkpointing=true"
    plain, full = (
        made("llama_lora", "l4", sets=(always, *sets)).gpu_plans[0]
        for sets in ((), ("axolotl.bf16=false",))
    )
    assert full.memory.weights == 2 * plain.memory.weights
    assert full.memory.activations >= 2 * plain.memory.activations
    assert "fp32" in full.notes[0] and full.seconds["training"] > 3 * plain.seconds["training"]


def test_another_optimizer_than_adamw_is_told() -> None:
    assert (
        "optimizer adamw_bnb_8bit: "
        in made("llama_lora", "l4", sets=("axolotl.optimizer=adamw_bnb_8bit",)).notes[0]
    )


def test_max_steps_ends_training_early_or_late() -> None:
    whole, short = (
        made("llama_lora", "l4"),
        made("llama_lora", "l4", sets=("axolotl.max_steps=60",)),
    )
    assert short.schedule.steps == 60
    assert short.gpu_plans[0].seconds["training"] < whole.gpu_plans[0].seconds["training"] / 20
    assert made("llama_lora", "l4", sets=("axolotl.max_steps=9000",)).schedule.steps == 9000


@pytest.mark.parametrize(
    ("rows", "epochs", "batch_size"),
    [(2412, 2.5, 16), (2412, 2.0, 16), (23_748, 2.0, 16), (5, 1.0, 16), (100, 0.3, 7)],
)
def test_steps_are_those_that_axolotl_takes(rows: int, epochs: float, batch_size: int) -> None:
    trainer = pytest.importorskip("axolotl.utils.trainer")
    from axolotl.utils.dict import DictDefault

    known = {"total_num_tokens": 1, "total_supervised_tokens": 1}  # or it would count them
    config = DictDefault({"num_epochs": epochs, "batch_size": batch_size, **known})
    taken = trainer.calculate_total_num_steps(config, range(rows))
    assert clock.steps(Counted(rows, 1, [1], True), batch_size, epochs, None) == taken


def test_a_gpu_without_bf16_is_planned_as_a_run_there_does_it() -> None:
    always = "axolotl.gradient_checkpointing=true"
    plan = made("llama_lora", "t4", "l4", sets=(always,))
    old, new = plan.gpu_plans
    assert [plan.modes[one.gpu.is_old].precision for one in plan.gpu_plans] == ["fp16", "bf16"]
    assert "fp16" in old.notes[0] and not new.notes
    asked = made(
        "llama_lora", "t4", sets=(always, "axolotl.bf16=false", "axolotl.fp16=true")
    ).gpu_plans[0]
    assert asked.seconds == old.seconds and asked.memory == old.memory and not asked.notes
    imitated = made("llama_lora", "t4", sets=(always, "axolotl.bf16=true")).gpu_plans[0]
    assert imitated.seconds["training"] == pytest.approx(old.seconds["training"] * 65 / 8.1)
    assert "emulated" in imitated.notes[0]


@pytest.mark.parametrize("name", ["t4", "l4"])
def test_an_old_gpu_is_that_of_its_capability(name: str) -> None:
    (gpu,) = gpus.select((name,))
    assert gpu.is_old == (gpu.capability < (8, 0)) == (name == "t4")


@pytest.mark.parametrize("adapter", ["lora", "qlora"])
def test_gemma_is_planned_in_fp32_on_an_old_gpu_alone(tmp_path: Path, adapter: str) -> None:
    """Its numbers are too large for fp16."""
    (tmp_path / "config.json").write_text(json.dumps(GEMMA), encoding="utf-8")
    recipe = write_recipe(
        tmp_path, f"model: {tmp_path}\nadapter: {adapter}\ndata:\n  - source: nli_sample\n"
    )
    old, new = plans.make(recipe, ("axolotl.gradient_checkpointing=true",), ("t4", "l4")).gpu_plans
    shape, bits = shapes.of(GEMMA, "gemma"), {"lora": (32, 16), "qlora": (4, 4)}[adapter]
    assert old.memory.weights == memory.weights(shape, bits[0], in_fp32=True)
    assert new.memory.weights == memory.weights(shape, bits[1])
    assert old.memory.activations >= 2 * new.memory.activations  # which the logits hide in part
    # No tensor cores; on the L4, Python takes most of the time.
    assert old.seconds["training"] > 3 * new.seconds["training"]
    assert "fp32" in old.notes[0] and not new.notes


def test_the_pages_say_how_long_gemma_takes(tmp_path: Path) -> None:
    # Gemma 3 1B's.
    config = {**GEMMA, "hidden_size": 1152, "intermediate_size": 6912, "num_hidden_layers": 26}
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    plan = made("llama_lora", "t4", "l4", sets=(f"model={tmp_path}",))
    for page in ("plan.md", "plan.ko.md"):
        text = (ROOT / "docs" / page).read_text(encoding="utf-8")
        for minutes in (
            figure / 60 for one in plan.gpu_plans for figure in (one.seconds["training"], one.total)
        ):
            assert re.search(rf"\b{minutes:.0f}(?!\d)", text), minutes


def test_a_hub_model_s_kind_is_read_from_the_cache_where_its_precision_follows_from_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = pytest.importorskip("huggingface_hub")
    snapshot = tmp_path / "snapshots" / ("1" * 40)
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text(json.dumps(GEMMA), encoding="utf-8")

    def cached(name: str, file: str, revision: str | None = None, **_: object) -> str | None:
        return (
            str(snapshot / file) if file == "config.json" and revision in (None, "1" * 40) else None
        )

    monkeypatch.setattr(hub, "try_to_load_from_cache", cached)
    recipe = write_recipe(tmp_path, "model: google/gemma-3-270m\ndata:\n  - source: nli_sample\n")
    plan = plans.make(recipe, (), ("t4", "l4"))
    assert [plan.modes[one.gpu.is_old].precision for one in plan.gpu_plans] == ["fp32", "bf16"]


@pytest.mark.parametrize("task", sorted(cards()))
def test_every_task_has_its_work(task: str) -> None:
    recipe = load(QUICK, (f"tasks=[{task}]",))
    (found,) = work.of_recipe(recipe, SHORT)
    assert (found.choices == 0) != (found.written == 0)
    assert found.longest >= found.prompt > 0
    if cards()[task].source not in ("chat", "aihub_dialogue"):
        assert found.items and found.items >= 100


@pytest.mark.parametrize(
    ("task", "folder"),
    [
        ("klue_nli_ko", ""),
        ("ko_consistency_nli", "ko_consistency"),
        ("ko_consistency_questions", "ko_consistency"),
        ("ko_naturalness", ""),
    ],
)
def test_items_and_choices_are_those_of_the_task_itself(task: str, folder: str) -> None:
    pytest.importorskip("datasets")
    module = loaded(task, folder)
    source = "nli_sample" if "nli" in task else cards()[task].source
    name = {"klue_nli_ko": "nli_sample_ko", "ko_consistency_nli": "nli_sample_consistency_ko"}.get(
        task, task
    )
    options = {"premises": 60} if task == "ko_consistency_nli" else {}
    docs = module.dataset(source, **options)["test"]
    (found,) = work.of_recipe(load(QUICK, (f"tasks=[{name}]",)), SHORT)
    assert found.items == len(docs)
    if found.choices:
        assert found.choices == len(module.choices(docs[0]))


@pytest.mark.parametrize("name", ["a100", "H1OO", "v100", "x" * 500, "\x1b[31m"])
def test_an_unknown_gpu_is_refused_with_the_ones_that_are_known(name: str) -> None:
    with pytest.raises(
        RecipeError, match=r"--gpu .*: unknown GPU; .*known are a100-40, a100-80, l4, t4"
    ) as caught:
        gpus.select((name,))
    assert len(str(caught.value)) < 300 and "\x1b" not in str(caught.value)


def test_a_gpu_that_is_like_none_is_refused_too() -> None:
    with pytest.raises(RecipeError, match=r"^--gpu zzz: unknown GPU; known are a100-40, a100-80"):
        gpus.select(("zzz",))


def test_gpus_are_told_once_in_the_order_asked_for_and_have_their_sources() -> None:
    assert [gpu.name for gpu in gpus.select(("H100", "t4", "h100"))] == ["h100", "t4"]
    assert all("NVIDIA" in gpu.source and gpu.tflops > gpu.tflops_fp32 for gpu in gpus.select(()))


def test_money_is_the_hours_at_the_price() -> None:
    plan = made("llama_lora", "l4", price=Price(3600, 1200))
    gpus_json: Any = as_json(plan)["gpus"]
    told = gpus_json["l4"]
    # A won a second.
    assert told["cost"]["won"] == pytest.approx(told["total_seconds_of_all_seeds"], abs=0.1)
    assert told["cost"]["dollars"] == pytest.approx(told["cost"]["won"] / 1200, abs=1e-3)
    assert f"{told['cost']['won']:,.0f} won (${told['cost']['dollars']:,.2f})" in screen.verdict(
        plan, plan.gpu_plans[0]
    )


def test_a_plan_has_the_time_of_one_seed_and_of_all() -> None:
    """The model is downloaded once and the base model scored once."""
    path = RECIPES / "llama_lora.yml"
    three = plans.make(path, (), ("l4",))
    one, four = (plans.make(path, (), ("l4",), seeds=number) for number in (1, 4))
    (of_one,) = one.gpu_plans
    assert [plan.seeds for plan in (one, three, four)] == [1, 3, 4]
    assert plans.make(QUICK, (), ("l4",)).seeds == 1
    further = of_one.total - of_one.base - of_one.seconds["download"]
    assert of_one.base > 0 and of_one.seconds["download"] > 0
    assert of_one.total_of(1) == of_one.total
    assert of_one.total_of(3) == pytest.approx(of_one.total + 2 * further)
    minutes = [f"{of_one.total_of(number) / 60:,.0f}" for number in (1, 3)]
    assert f"about {minutes[0]} minutes for one seed, {minutes[1]} for 3" in screen.verdict(
        three, three.gpu_plans[0]
    )
    rows = {row[0]: row[1] for row in list(screen.tables(three))[-1].rows}
    assert rows["total, 1 seed"] == f"{of_one.total / 60:,.1f}"
    assert rows["total, 3 seeds"] == f"{of_one.total_of(3) / 60:,.1f}"
    rows = {row[0]: row[1] for row in list(screen.tables(one))[-1].rows}
    assert rows["total"] == f"{of_one.total / 60:,.1f}" and "total, 1 seed" not in rows
    told: Any = as_json(three)
    assert told["seeds"] == 3
    assert told["gpus"]["l4"]["total_seconds"] == round(of_one.total, 2)
    assert told["gpus"]["l4"]["total_seconds_of_all_seeds"] == round(of_one.total_of(3), 2)


def test_a_plan_says_that_it_predicts_wherever_it_stands() -> None:
    plan = made("llama_lora", "l4")
    notes = [note for table in screen.tables(plan) for note in table.notes]
    assert screen.PREDICTED.startswith("PREDICTED")
    assert any("reach 30%" in note for note in notes)
    assert any("Assumed: 90%" in note for note in notes)
    for page, word in (
        ("plan.md", "predictions, not measured"),
        ("plan.ko.md", "예측값이며 측정값이 아닙니다"),
    ):
        assert word in " ".join((ROOT / "docs" / page).read_text(encoding="utf-8").split())


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["--gpu", "a100-70"], 2, "--gpu a100-70: unknown GPU; did you mean a100-"),
        (["--gpu", "a100"], 2, "--gpu a100: unknown GPU; did you mean a100-40 or a100-80?"),
        (["--price", "-1"], 2, "--price -1.0: give a number of won above 0"),
        (["--won-per-dollar", "1400"], 2, "--won-per-dollar: give what an hour"),
        (["--set", "data.0.path=absent"], 2, "data.0.path: `absent` does not exist"),
        (
            [
                "--gpu",
                "t4",
                "--set",
                "axolotl.sample_packing=true",
                "--set",
                "axolotl.sequence_len=131072",
            ],
            1,
            "does not fit",
        ),
    ],
)
@pytest.mark.few(3)
def test_bad_input_is_one_message(
    cli: Cli, tmp_path: Path, words: list[str], code: int, told: str
) -> None:
    assert_one_message(cli("plan", RECIPES / "llama_lora.yml", *words), code, told)
    assert list(tmp_path.iterdir()) == []


def test_what_does_not_fit_is_told_with_what_makes_it_fit() -> None:
    packed = (
        "axolotl.sample_packing=true",
        "axolotl.sequence_len=8192",
        "axolotl.gradient_checkpointing=false",
    )
    plan = made("llama_lora", "t4", sets=packed)
    assert not plan.fits
    assert screen.verdict(plan, plan.gpu_plans[0]) == "t4: does not fit"
    assert as_json(plan)["advice"] == plan.advice
    settings = re.findall(
        r"--set (axolotl\.[\w.]+=\w+|adapter=\w+)(?: --set (adapter=qlora))?", plan.advice
    )
    assert settings
    for words in settings:
        assert made("llama_lora", "t4", sets=(*packed, *filter(None, words))).fits, words
    (larger,) = re.findall(r"more memory \((.*)\)", plan.advice)
    for name in larger.split(", "):
        assert made("llama_lora", name, sets=packed).fits
    assert "t4" not in larger


def test_four_bits_make_nothing_quicker_to_write() -> None:
    lora, qlora = (made(name, "l4").gpu_plans[0].seconds for name in ("llama_lora", "llama_qlora"))
    assert qlora["generation"] > lora["generation"]
    assert qlora["training"] == lora["training"]


def test_an_example_that_is_too_long_for_the_recipe_is_told() -> None:
    plan = made("llama_lora", "l4", sets=("axolotl.sequence_len=128",))
    assert re.search(
        r"longest examples are about \d+ tokens, more than sequence_len 128: .* is raise",
        plan.notes[0],
    )
    assert made("llama_lora", "l4").notes == []


WHOLE = {
    "model_type": "llama",
    "vocab_size": 9,
    "hidden_size": 8,
    "intermediate_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 1,
}


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"model_type": "gemma3"}, "model_type `gemma3` .*known are llama, mistral, qwen2"),
        ({"model_type": "llama", "vocab_size": 100}, "hidden_size must be a number above 0"),
        (
            {**WHOLE, "head_dim": "x"},
            "head_dim must be a number above 0 and up to 100,000,000, not x",
        ),
        (
            {**WHOLE, "num_key_value_heads": 1e308},
            r"num_key_value_heads: 1e\+308, but no model has over 65,536",
        ),
        ({**WHOLE, "hidden_size": 10**400}, "hidden_size: 10.*, but no model has over 100,000,000"),
    ],
)
def test_a_model_whose_arithmetic_is_not_known_is_refused(
    tmp_path: Path, config: dict[str, Any], told: str
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    recipe = write_recipe(tmp_path, f"model: {tmp_path}\ndata:\n  - source: nli_sample\n")
    with pytest.raises(RecipeError, match=told):
        plans.make(recipe, (), ())


def test_a_folder_is_read_by_its_own_configuration(tmp_path: Path) -> None:
    config = json.loads(
        (ROOT / "kotune" / "models" / "quickstart_llama" / "config.json").read_text(
            encoding="utf-8"
        )
    )
    (tmp_path / "config.json").write_text(
        json.dumps({**config, "num_hidden_layers": 8}), encoding="utf-8"
    )
    assert shapes.find(str(tmp_path)).layers == 8


def test_without_a_gpu_the_benchmark_measures_nothing_and_says_so(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "benchmarks.plan"]
    env = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(words, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "no GPU: nothing measured\n")


def test_what_the_benchmark_would_run_is_a_good_recipe_and_has_a_plan() -> None:
    for name, (small, template) in benchmark.MODELS.items():
        folder = ROOT / "kotune" / "models" / small.replace("-", "_")
        plan = [
            plans.make(benchmark.RECIPE, benchmark.settings(folder, template, *case), ("h200",))
            for case in benchmark.CASES
        ]
        assert presets.ROWS[name].shape_keys()
        assert {(one.method.bits, one.schedule.packing) for one in plan} == {
            (16, False),
            (16, True),
            (4, False),
            (4, True),
        }
        assert {one.schedule.steps for one in plan} == {benchmark.STEPS}


def test_the_benchmark_reads_the_highest_peak_of_a_run_and_judges_it_by_its_bound(
    tmp_path: Path,
) -> None:
    events = [
        {"event": "log", "step": step, "peak_memory_gib": gib}
        for step, gib in ((1, 9.0), (2, 11.5), (3, 11.4))
    ]
    (tmp_path / "metrics.jsonl").write_text(
        "".join(json.dumps(event) + "\n" for event in events), encoding="utf-8"
    )
    assert benchmark.peak_of(tmp_path) == 11.5
    assert benchmark.compared(10.5, 11.5, "x").kept
    assert not benchmark.compared(9.0, 11.5, "x").kept
    assert not benchmark.compared(14.0, 11.5, "x").kept


def test_a_folder_of_the_hubs_name_is_not_taken_for_its_tokenizer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    transformers = pytest.importorskip("transformers")
    base = presets.PRESETS["llama-3.2-1b-instruct"].base
    (tmp_path / "here" / base).mkdir(parents=True)
    (tmp_path / "run").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    asked: list[tuple[str, bool]] = []

    def tokenizer(name: str, **_: object) -> Any:
        asked.append((name, Path(name).exists()))
        raise OSError

    monkeypatch.setattr(transformers.AutoTokenizer, "from_pretrained", tokenizer)
    recipe = load(ROOT / "recipes" / "llama_lora.yml")
    with pytest.raises(RecipeError, match="its tokenizer cannot be loaded"):
        counting._tokenizer(recipe, tmp_path / "run")
    assert asked == [(base, False)]
