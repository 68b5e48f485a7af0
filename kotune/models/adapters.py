"""Checks the adapter and the tokenizer in a run's model/ folder, which may be untrusted. Loading
them must not load other files or repositories, and must end within bounded time and memory.

An adapter_config.json can select any method of peft (0.20). It can do harm in three ways:

- Some methods load other adapters, a pickle, or a tokenizer with arbitrary arguments. Others import
  the module that the key `megatron_core` names.
- peft matches patterns with the name of each module. Some patterns take forever to match.
- peft creates layers with the given ranks. A large rank needs much memory.
"""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kodata.errors import on_one_line, shown
from kotune.errors import RecipeError
from kotune.models.patterns import pattern_problem
from kotune.models.refusals import ADAPTER, object_of, refuse_config, refuse_links, refuse_tokenizer
from kotune.models.tokenizer_files import ModelConfig

MAX_RANK = 1_024  # the same maximum as for `lora_r` in a recipe
MAX_NUMBER = 100_000_000  # for every number that is not a rank
AGAIN = "move the run folder away and run again"
MAX_ENTRIES = 100_000  # names or numbers in the value of one key
Check = Callable[[Any], bool]  # whether the value of a key is accepted


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value) and 0 <= value <= MAX_NUMBER


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value <= MAX_NUMBER


def _is_rank(value: Any) -> bool:
    return type(value) is int and 1 <= value <= MAX_RANK


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _one_of(*choices: object) -> Check:
    return lambda value: any(
        value is choice or (isinstance(value, str) and value == choice) for choice in choices
    )


def _list_of(check: Check) -> Check:
    """Accepts a list whose values all pass the check."""
    return lambda value: (
        isinstance(value, list) and len(value) <= MAX_ENTRIES and all(map(check, value))
    )


def _mapping_of(check: Check) -> Check:
    """Accepts a mapping from module names to values that all pass the check."""
    return lambda value: (
        isinstance(value, dict) and len(value) <= MAX_ENTRIES and all(map(check, value.values()))
    )


def _any(*checks: Check) -> Check:
    return lambda value: any(check(value) for check in checks)


_NAMES = _any(_is_text, _list_of(_is_text))
_NUMBERS = _list_of(_is_count)
# The keys of an adapter_config.json that training writes, each with the check of its value. All
# other keys must be null, false or empty.
CHECKS: dict[str, Check] = {
    "peft_type": _one_of("LORA"),
    "task_type": _one_of("CAUSAL_LM"),
    "megatron_core": _one_of("megatron.core"),
    # Other methods (pissa, olora, loftq, ...) subtract the adapter's initial weights from the base
    # model. The base model would stay changed when the adapter is switched off. Some of these
    # methods also take very long.
    "init_lora_weights": _one_of(True, False, "gaussian"),
    "bias": _one_of("none"),  # other values change the base model's biases permanently
    **dict.fromkeys(("base_model_name_or_path", "peft_version", "revision"), _is_text),
    **dict.fromkeys(
        (
            "ensure_weight_tying",
            "fan_in_fan_out",
            "inference_mode",
            "lora_bias",
            "use_dora",
            "use_rslora",
        ),
        _is_flag,
    ),
    **dict.fromkeys(("lora_alpha", "lora_dropout"), _is_number),
    "qalora_group_size": _is_count,
    "r": _is_rank,
    "rank_pattern": _mapping_of(_is_rank),
    "alpha_pattern": _mapping_of(_is_number),
    "layers_to_transform": _any(_is_count, _NUMBERS),
    "trainable_token_indices": _any(_NUMBERS, _mapping_of(_NUMBERS)),
    **dict.fromkeys(
        (
            "exclude_modules",
            "layers_pattern",
            "modules_to_save",
            "target_modules",
            "target_parameters",
        ),
        _NAMES,
    ),
}
# The keys whose texts peft uses as patterns for the names of modules.
PATTERNS = (
    "alpha_pattern",
    "exclude_modules",
    "layers_pattern",
    "modules_to_save",
    "rank_pattern",
    "target_modules",
    "target_parameters",
    "trainable_token_indices",
)


def refuse_saved(name: str, folder: Path, is_tuned: bool = True, remedy: str = AGAIN) -> None:
    """Raises RecipeError unless a run's model/ folder, `folder`, holds a safe LoRA adapter and a
    safe tokenizer. `name` is the model's name in messages. `is_tuned`: whether there is an adapter.
    `remedy`: what to do about an unsafe adapter."""
    refuse_links(name, folder)
    if is_tuned and (entry := _refused_entry(object_of(name, folder / ADAPTER))):
        raise RecipeError(
            f"model {name}: its {ADAPTER} has {entry}, which an adapter trained by kotune never"
            f" has; {remedy}"
        )
    refuse_tokenizer(name, folder)
    # If config.json exists, transformers reads the tokenizer's class from it.
    if (folder / "config.json").exists():
        refuse_config(name, object_of(name, folder / "config.json"))


def _refused_entry(config: ModelConfig) -> str:
    """The first entry of an adapter_config.json that kotune's training never writes, as text for a
    message. Empty if there is none."""
    for key, value in config.items():
        entry = f"`{on_one_line(key[:60])}: {on_one_line(shown(value))}`"
        if _is_unset(value) and key != "r":
            continue
        if not (check := CHECKS.get(key)) or not check(value):
            return entry
        if key in PATTERNS and (problem := pattern_problem(_names(value))):
            return f"{entry} ({problem})"
    return ""


def _is_unset(value: Any) -> bool:
    """Whether a value is null, false or empty."""
    return value is None or value is False or value in ({}, [], "")


def _names(value: Any) -> list[str]:
    """The names or patterns in a text, a list or the keys of a mapping."""
    names = [value] if isinstance(value, str) else value
    return [name for name in names if isinstance(name, str)]
