"""The rendered Axolotl configuration: Axolotl's own validation accepts it, and both devices get what they can run."""

import json

import pytest
import yaml

from kotune import axolotl_config, axolotl_schema, recipe
from tests.conftest import ROOT

RECIPES = sorted(path for path in (ROOT / "recipes").glob("*.yml") if path.name != "defaults.yml")


def test_the_kept_schema_is_the_installed_axolotls() -> None:
    pytest.importorskip("axolotl")
    assert json.loads(axolotl_schema.SCHEMA_FILE.read_text(encoding="utf-8")) == axolotl_schema.generate()


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_shipped_recipe_renders_to_known_keys_and_sixteen_examples_a_step(path, device) -> None:  # type: ignore[no-untyped-def]
    config = yaml.safe_load(axolotl_config.render(recipe.load(path), device))
    assert axolotl_schema.problems({**config, "datasets": config["datasets"]}) == []
    assert config["batch_size"] == 16
    assert config["sample_packing"] is False
    assert "val_set_size" not in config


def test_a_cpu_gets_no_gpu_kernels_and_a_gpu_gets_batches_without_padding() -> None:
    loaded = recipe.load(ROOT / "recipes" / "llama_qlora.yml")
    cpu, cuda = axolotl_config.config(loaded, "cpu"), axolotl_config.config(loaded, "cuda")
    assert (cpu["bf16"], cpu["lora_mlp_kernel"], cpu["attn_implementation"]) == (False, False, "sdpa")
    assert (cuda["bf16"], cuda["lora_mlp_kernel"], cuda["batch_flattening"]) == ("auto", True, "auto")
    assert cpu["load_in_4bit"] is True
    assert cuda["load_in_4bit"] is True


def test_the_recipe_wins_over_the_defaults_of_its_device() -> None:
    loaded = recipe.load(ROOT / "recipes" / "llama_lora.yml", ("axolotl.bf16=true", "axolotl.lora_r=8"))
    config = axolotl_config.config(loaded, "cpu")
    assert (config["bf16"], config["lora_r"]) == (True, 8)


def test_accumulation_given_in_a_recipe_replaces_the_batch_size() -> None:
    words = ("axolotl.micro_batch_size=4", "axolotl.gradient_accumulation_steps=4")
    config = axolotl_config.config(recipe.load(ROOT / "recipes" / "llama_lora.yml", words), "cuda")
    assert "batch_size" not in config


def test_data_set_keys_of_a_recipe_are_laid_over_ours_but_never_the_path() -> None:
    words = ("axolotl.datasets=[{train_on_eos: all, path: elsewhere.jsonl}]",)
    config = axolotl_config.config(recipe.load(ROOT / "recipes" / "llama_lora.yml", words), "cpu")
    assert (config["datasets"][0]["train_on_eos"], config["datasets"][0]["path"]) == ("all", "data/train.jsonl")
