"""A recipe as the YAML that `axolotl train` reads. Paths are relative to the run folder, in which Axolotl is started.

Order of precedence: recipes/defaults.yml `axolotl`, its `cpu` or `cuda` block, the recipe's own `axolotl`, and last what
follows from the recipe's other keys (model, adapter, data, seed), which a recipe cannot set twice.
"""

from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import yaml

from kotune import models
from kotune.recipe import Recipe, defaults

Device = Literal["cpu", "cuda"]
CHECKPOINTS = "checkpoints"
TEMPLATE_FILE = "chat_template.jinja"


def detect_device() -> Device:
    """`cuda` where an NVIDIA driver is loaded. Asks the kernel, because importing torch costs seconds."""
    return "cuda" if Path("/proc/driver/nvidia/version").exists() or Path("/dev/nvidia0").exists() else "cpu"


def config(recipe: Recipe, device: Device) -> dict[str, Any]:
    """The whole Axolotl configuration of a recipe on a device."""
    base = defaults()
    chosen = {**base.axolotl, **(base.cuda if device == "cuda" else base.cpu), **recipe.axolotl}
    if "gradient_accumulation_steps" in recipe.axolotl:
        chosen.pop("batch_size")  # Axolotl takes one of the two
    if device == "cuda":
        chosen.setdefault("attn_implementation", "flash_attention_2" if find_spec("flash_attn") else "sdpa")
    overlay = (chosen.pop("datasets", None) or [{}])[0]
    return {**_model_keys(recipe), **chosen, **_data_keys(overlay), **_run_keys(recipe)}


def render(recipe: Recipe, device: Device) -> str:
    """The configuration as YAML text, keys in a reader's order."""
    head = f"# Written by kotune for a {device} machine; start it in this folder with: axolotl train axolotl.yml\n"
    return head + yaml.safe_dump(config(recipe, device), sort_keys=False, allow_unicode=True)


def _model_keys(recipe: Recipe) -> dict[str, Any]:
    model = models.find(recipe.model, recipe.template)
    keys: dict[str, Any] = {
        "base_model": model.base,
        "adapter": recipe.adapter,
        "load_in_4bit": recipe.adapter == "qlora",
        "chat_template": "jinja",
        "chat_template_jinja": TEMPLATE_FILE,
        "trust_remote_code": recipe.trust_remote_code,
    }
    if model.end_of_turn:
        keys["eot_tokens"] = [model.end_of_turn]
    if model.pad:
        keys["special_tokens"] = {"pad_token": model.pad}
    return keys


def _data_keys(overlay: dict[str, Any]) -> dict[str, Any]:
    def entry(part: str) -> dict[str, Any]:
        return {
            "ds_type": "json",
            "type": "chat_template",
            "split": "train",  # the only split that a JSON Lines file has
            "field_messages": "messages",
            "message_property_mappings": {"role": "role", "content": "content"},
            "roles_to_train": ["assistant"],
            "train_on_eos": "turn",
            **overlay,
            "path": f"data/{part}.jsonl",
        }

    return {"datasets": [entry("train")], "test_datasets": [entry("validation")], "dataset_prepared_path": "prepared"}


def _run_keys(recipe: Recipe) -> dict[str, Any]:
    return {
        "output_dir": CHECKPOINTS,
        "seed": recipe.seed,
        "plugins": ["kotune.plugin.KotunePlugin"],
        "auto_resume_from_checkpoints": True,
        # Keys that are absent from a config make Axolotl talk to services; named here, they stay off unless asked for.
        **{key: recipe.axolotl.get(key, False) for key in ("use_wandb", "use_mlflow", "use_comet", "use_tensorboard")},
    }
