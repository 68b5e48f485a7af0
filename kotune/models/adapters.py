"""The adapter and tokenizer that a run saved, which may be a stranger's: nothing in them leads elsewhere.

peft (0.20) takes its adapter_config.json for any of its methods: some load other adapters, a pickle, a tokenizer with arguments
of their own choice, or import the module that `megatron_core` names.
"""

from pathlib import Path
from typing import Any

from kodata.errors import on_one_line, shown
from kotune.errors import RecipeError
from kotune.models.refusals import ADAPTER, object_of, refuse_config, refuse_strange, refuse_tokenizer

# Where texts may stand in what peft saves of a LoRA: names of layers, words, and what is only told.
TEXTS = (
    "base_model_name_or_path", "bias", "exclude_modules", "init_lora_weights", "layers_pattern", "modules_to_save",
    "peft_type", "peft_version", "revision", "target_modules", "target_parameters", "task_type",
)  # fmt: skip
PATTERNS = ("alpha_pattern", "rank_pattern")  # layers' names to numbers


def refuse_saved(name: str, folder: Path) -> None:
    """RecipeError for a run's model/ with anything but a LoRA and a tokenizer; `name` is how it is called."""
    refuse_strange(name, folder)
    config = object_of(name, folder / ADAPTER)
    if key := next((key for key, value in config.items() if not _passes(key, value)), None):
        raise RecipeError(
            f"model {name}: its {ADAPTER} says `{on_one_line(key[:60])}: {on_one_line(shown(config[key]))}`, which the "
            "adapters that kotune trains do not; train again"
        )
    refuse_tokenizer(name, folder)
    if (folder / "config.json").exists():  # transformers looks into it for the tokenizer's class
        refuse_config(name, object_of(name, folder / "config.json"))


def _passes(key: str, value: Any) -> bool:
    if key == "peft_type":
        return bool(value == "LORA")
    if key in PATTERNS:
        return isinstance(value, dict) and all(isinstance(one, (int, float)) for one in value.values())
    if key == "megatron_core":  # imported where there is a megatron_config
        return value in (None, "megatron.core")
    return key in TEXTS or value is None or isinstance(value, (bool, int, float)) or _are_numbers(value)


def _are_numbers(value: Any) -> bool:
    """Lists of numbers, of pairs of them, or nothing at all: no settings of a method, no text."""
    return value == {} or (
        isinstance(value, list) and all(isinstance(one, (int, float)) or _are_numbers(one) for one in value)
    )
