"""The rendered Axolotl configuration: Axolotl's own validation accepts it, and both devices get
what they can run."""

import json
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import yaml

from kotune.errors import RecipeError, StageError
from kotune.models import generation, presets
from kotune.recipe import axolotl_schema, reading
from kotune.train import config as axolotl_config
from kotune.worker import driver
from kotune.worker.device import Device, detect_device
from kotune.worker.driver import Driver
from tests.conftest import ROOT

RECIPES = sorted(path for path in (ROOT / "recipes").glob("*.yml") if path.name != "defaults.yml")


def test_the_kept_schema_is_the_installed_axolotls() -> None:
    pytest.importorskip("axolotl")
    assert (
        json.loads(axolotl_schema.SCHEMA_FILE.read_text(encoding="utf-8"))
        == axolotl_schema.generate()
    )


@pytest.mark.usefixtures("users_data")
@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_shipped_recipe_renders_to_keys_that_axolotl_knows(
    path: Path, device: Device
) -> None:
    config = yaml.safe_load(axolotl_config.render(reading.load(path), device))
    assert axolotl_schema.problems(config) == []
    assert "val_set_size" not in config


def test_a_cpu_gets_no_gpu_kernels_and_a_gpu_gets_batches_without_padding() -> None:
    loaded = reading.load(ROOT / "recipes" / "llama_qlora.yml")
    cpu, cuda = axolotl_config.config(loaded, "cpu"), axolotl_config.config(loaded, "cuda")
    assert (cpu["bf16"], cpu["lora_mlp_kernel"], cpu["attn_implementation"]) == (
        False,
        False,
        "sdpa",
    )
    assert (cuda["bf16"], cuda["lora_mlp_kernel"], cuda["batch_flattening"]) == (
        "auto",
        True,
        "auto",
    )
    assert cpu["load_in_4bit"] is True
    assert cuda["load_in_4bit"] is True


def test_the_recipe_wins_over_the_defaults_of_its_device() -> None:
    loaded = reading.load(
        ROOT / "recipes" / "llama_lora.yml", ("axolotl.bf16=true", "axolotl.lora_r=8")
    )
    config = axolotl_config.config(loaded, "cpu")
    assert (config["bf16"], config["lora_r"]) == (True, 8)


def test_another_config_or_template_in_the_run_folder_is_refused(tmp_path: Path) -> None:
    recipe = reading.load(ROOT / "recipes" / "quickstart_llama.yml")
    text, template = (
        axolotl_config.render(recipe, "cpu"),
        presets.TEMPLATES["llama3"].read_text("utf-8"),
    )

    def refuses(config: str | None, jinja: str = template) -> str:
        (tmp_path / "axolotl.yml").unlink(missing_ok=True)
        if config is not None:
            (tmp_path / "axolotl.yml").write_text(config)
        (tmp_path / "chat_template.jinja").write_text(jinja)
        try:
            axolotl_config.refuse_foreign(tmp_path, recipe, text)
        except StageError as error:
            return str(error)
        return ""

    assert refuses(text) == ""
    for other in (
        None,
        "",
        text + "trust_remote_code: true\n",
        text.replace("seed: ", "seed: 1"),
        text + "#" * 10_000_000,
    ):
        assert "axolotl.yml: not what this recipe makes" in refuses(other)
    assert "chat_template.jinja: not what this recipe makes" in refuses(text, template + " ")


@pytest.mark.parametrize(("micro", "steps"), [(16, 1), (4, 4), (1, 16)])
def test_a_smaller_micro_batch_is_made_up_for_by_accumulation(micro: int, steps: int) -> None:
    loaded = reading.load(
        ROOT / "recipes" / "llama_lora.yml", (f"axolotl.micro_batch_size={micro}",)
    )
    config = axolotl_config.config(loaded, "cuda")
    assert (config["micro_batch_size"], config["gradient_accumulation_steps"]) == (micro, steps)


@pytest.mark.parametrize(
    ("word", "gone"),
    [
        ("save_steps=10", "saves_per_epoch"),
        ("eval_steps=10", "evals_per_epoch"),
        ("warmup_steps=10", "warmup_ratio"),
        ("lora_target_modules=[q_proj]", "lora_target_linear"),
        ("gradient_accumulation_steps=2", "batch_size"),
    ],
)
def test_a_recipes_key_takes_the_place_of_the_default_that_axolotl_would_not_have_beside_it(
    word: str, gone: str
) -> None:
    loaded = reading.load(ROOT / "recipes" / "llama_lora.yml", (f"axolotl.{word}",))
    assert gone not in axolotl_config.config(loaded, "cuda")
    assert_axolotl_accepts(axolotl_config.config(loaded, "cuda"), "cuda")


@pytest.mark.usefixtures("users_data")
@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_axolotls_own_validation_accepts_every_shipped_recipe_and_counts_sixteen_examples_a_step(
    path: Path, device: Device
) -> None:
    accepted = assert_axolotl_accepts(axolotl_config.config(reading.load(path), device), device)
    assert accepted["micro_batch_size"] * accepted["gradient_accumulation_steps"] == 16
    assert not accepted["sample_packing"]


def assert_axolotl_accepts(config: dict[str, Any], device: str) -> dict[str, Any]:
    """Axolotl's own validators, told that they run on an A100 or on no GPU; returns what they make
    of the config."""
    pytest.importorskip("axolotl")
    from axolotl.utils.config import validate_config
    from axolotl.utils.dict import DictDefault

    gpu = {
        "bf16": True,
        "fp8": False,
        "n_gpu": 1,
        "n_node": 1,
        "compute_capability": "sm_80",
        "tf32": True,
    }
    none = {
        "bf16": False,
        "fp8": False,
        "n_gpu": 0,
        "n_node": 1,
        "compute_capability": None,
        "tf32": False,
    }
    plain = {key: value for key, value in config.items() if key != "plugins"}
    result = validate_config(
        DictDefault(plain), gpu if device == "cuda" else none, {"torch_version": "2.13.0"}
    )
    return dict(result)


def test_data_set_keys_of_a_recipe_are_laid_over_ours() -> None:
    loaded = reading.load(
        ROOT / "recipes" / "llama_lora.yml", ("axolotl.datasets=[{train_on_eos: all}]",)
    )
    entry = axolotl_config.config(loaded, "cpu")["datasets"][0]
    assert (entry["train_on_eos"], entry["path"]) == ("all", "data/train.jsonl")


def test_a_few_rows_are_evaluated_once_at_the_end_unless_the_recipe_says_otherwise() -> None:
    path = ROOT / "recipes" / "llama_lora.yml"
    for rows, evaluations in ((None, 1), (500, 1), (499, None)):
        assert (
            axolotl_config.config(reading.load(path), "cpu", rows=rows).get("evals_per_epoch")
            == evaluations
        )
    note = "a run drops evals_per_epoch"
    assert note in axolotl_config.render(reading.load(path), "cpu")
    assert note not in axolotl_config.render(reading.load(path), "cpu", rows=499)
    asked = reading.load(path, ("axolotl.evals_per_epoch=4",))
    assert axolotl_config.config(asked, "cpu", rows=100)["evals_per_epoch"] == 4


def test_a_hidden_gpu_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "exists", lambda _: True)
    assert detect_device() == "cuda"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert detect_device() == "cpu"


def test_gradient_checkpointing_is_on_for_every_gpu_where_a_run_may_switch_it_off() -> None:
    def made(*said: str) -> tuple[Any, Any, bool]:
        recipe = reading.load(
            ROOT / "recipes" / "llama_lora.yml", tuple(f"axolotl.{word}" for word in said)
        )
        gpu, cpu = (
            axolotl_config.config(recipe, device)["gradient_checkpointing"]
            for device in ("cuda", "cpu")
        )
        return gpu, cpu, axolotl_config.is_auto(recipe)

    assert made() == (True, False, True)
    assert made("gradient_checkpointing=auto") == (True, False, True)
    assert made("gradient_checkpointing=true") == (True, True, False)
    assert made("gradient_checkpointing=false") == (False, False, False)
    assert made("activation_offloading=true") == (True, False, False)
    with pytest.raises(RecipeError, match=r"axolotl\.gradient_checkpointing"):
        made("gradient_checkpointing=automatic")


@pytest.mark.parametrize(
    ("capability", "kind", "precision"),
    [
        ((7, 5), "llama", (False, True)),
        ((7, 0), "qwen2", (False, True)),
        ((7, 5), "gemma3_text", (False, False)),
        ((8, 0), "llama", ("auto", None)),
        ((9, 0), "gemma3_text", ("auto", None)),
        (None, "llama", ("auto", None)),
    ],
)
def test_a_gpu_that_imitates_bf16_is_not_asked_for_it(
    monkeypatch: pytest.MonkeyPatch,
    capability: tuple[int, int] | None,
    kind: str,
    precision: tuple[Any, Any],
) -> None:
    """torch says that a T4 supports it. The recipe's own word wins, and a render for another
    machine knows of no GPU here."""
    found = Driver((13, 0), [capability, (9, 0)], "") if capability else None
    monkeypatch.setattr(driver, "look", lambda: found)
    is_old = driver.is_old()
    monkeypatch.setattr(generation, "model_type", lambda *_: kind)
    monkeypatch.setattr(axolotl_config, "_has_flash_attention", lambda: True)
    path = ROOT / "recipes" / "llama_lora.yml"
    made = axolotl_config.config(reading.load(path), "cuda", is_old=is_old)
    assert (made["bf16"], made.get("fp16")) == precision
    assert made["attn_implementation"] == ("sdpa" if precision[0] is False else "flash_attention_2")
    asked = axolotl_config.config(reading.load(path, ("axolotl.bf16=true",)), "cuda", is_old=is_old)
    assert asked["bf16"] is True and not asked.get("fp16")  # transformers refuses both
    # As a plan for another GPU asks.
    assert axolotl_config.config(reading.load(path), "cuda")["bf16"] == "auto"
    assert axolotl_config.config(reading.load(path), "cpu")["bf16"] is False


@pytest.mark.parametrize(
    ("version", "is_there"),
    [
        ("2.8.3", True),
        ("2.3.3", True),
        ("2.3.2", False),
        ("1.0.9.post1", False),
        ("x", False),
        (None, False),
    ],
)
def test_flash_attention_is_taken_where_transformers_would_take_it(
    monkeypatch: pytest.MonkeyPatch, version: str | None, is_there: bool
) -> None:
    """The distribution counts: another one brings a module of the same name."""

    def found(name: str) -> str:
        if version is None or name != "flash-attn":
            raise metadata.PackageNotFoundError(name)
        return version

    monkeypatch.setattr(metadata, "version", found)
    monkeypatch.setattr(axolotl_config, "find_spec", lambda _: True)
    assert axolotl_config._has_flash_attention() == is_there
