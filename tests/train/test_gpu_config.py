"""Every recipe as a GPU would train it: Axolotl's own checks accept its configuration, and make of
it what was meant."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from kotune.models import generation, presets
from kotune.recipe import reading
from kotune.recipe.schema import Recipe
from kotune.train import config as axolotl_config
from kotune.worker import driver
from kotune.worker.driver import Driver
from tests.gpus import pretended, resolved
from tests.train.test_config import RECIPES

pytest.importorskip("axolotl")
T4, A100, L4, H100 = (7, 5), (8, 0), (8, 9), (9, 0)
GEMMA = {"model_type": "gemma3_text", "hidden_size": 64, "num_hidden_layers": 2}


def rendered(
    recipe: Recipe, capability: tuple[int, int], has_flash: bool, patch: pytest.MonkeyPatch
) -> dict[str, Any]:
    """The configuration that a run writes on a machine with such a GPU, its driver's answer
    included, as Axolotl reads it."""
    patch.setattr(driver, "look", lambda: Driver((13, 0), [capability], ""))
    patch.setattr(axolotl_config, "_has_flash_attention", lambda: bool(has_flash))
    keys: dict[str, Any] = yaml.safe_load(
        axolotl_config.render(recipe, "cuda", is_old=driver.is_old())
    )
    return keys


def hub_config(recipe: Recipe) -> dict[str, Any] | None:
    """The config.json of a recipe's model, None for one that lies here."""
    is_here = presets.is_folder(presets.find(recipe.model, None).base)
    return None if is_here else presets.ROWS[recipe.model].shape_keys()


def precision(cfg: Any) -> tuple[Any, ...]:
    return cfg.bf16, cfg.fp16, cfg.tf32, str(cfg.torch_dtype)


@pytest.mark.usefixtures("users_data")
@pytest.mark.parametrize("capability", [T4, A100, L4, H100], ids=["T4", "A100", "L4", "H100"])
@pytest.mark.parametrize("has_flash", [False, True], ids=["sdpa", "flash"])
@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_axolotl_accepts_every_recipe_on_every_gpu_and_trains_it_as_meant(
    path: Path, has_flash: bool, capability: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, is_old = reading.load(path), capability == T4
    keys = rendered(recipe, capability, has_flash, monkeypatch)
    with pretended(capability):
        cfg = resolved(keys, has_flash, hub_config(recipe))
    assert precision(cfg) == (
        (False, True, False, "torch.float16") if is_old else (True, False, True, "torch.bfloat16")
    )
    assert cfg.attn_implementation == ("flash_attention_2" if has_flash and not is_old else "sdpa")
    assert cfg.batch_flattening is (has_flash and not is_old)  # no padding where it can be left out
    assert (cfg.lora_mlp_kernel, cfg.lora_qkv_kernel, cfg.lora_o_kernel) == (True, True, True)
    assert not cfg.lora_embedding_kernel
    assert (cfg.gradient_checkpointing, cfg.sample_packing, cfg.torch_compile) == (
        True,
        False,
        None,
    )
    assert (cfg.adapter, cfg.load_in_4bit) == (recipe.adapter, recipe.adapter == "qlora")
    assert (cfg.lora_target_linear, cfg.lora_dropout) == (True, 0)
    assert (cfg.device, cfg.device_map) == ("cuda:0", {"": 0})


@pytest.mark.parametrize("capability", [T4, H100])
def test_a_model_whose_numbers_are_too_large_for_fp16_is_trained_in_float32_on_an_old_gpu(
    capability: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generation, "model_type", lambda *_: "gemma3_text")
    keys = rendered(reading.load(RECIPES[-1]), capability, True, monkeypatch)
    with pretended(capability):
        cfg = resolved(keys, True, GEMMA)
    old = (False, False, False, "torch.float32")
    assert precision(cfg) == (old if capability == T4 else (True, False, True, "torch.bfloat16"))
    assert (cfg.lora_mlp_kernel, cfg.lora_qkv_kernel, cfg.lora_o_kernel) == (True, True, True)


def test_axolotl_takes_bf16_on_an_old_gpu_unless_it_is_told_not_to() -> None:
    """torch says that a T4 has it."""
    with pretended(T4):
        assert precision(resolved(axolotl_config.config(reading.load(RECIPES[-1]), "cuda")))[
            :2
        ] == (True, False)


def test_axolotl_refuses_flash_attention_that_is_not_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """So kotune looks for it before it names it, and leaves no choice to `auto`."""
    keys = rendered(reading.load(RECIPES[-1]), A100, True, monkeypatch)
    with pretended(A100), pytest.raises(ValueError, match="no flash-attn build"):
        resolved(keys)
