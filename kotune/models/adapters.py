"""The adapter and tokenizer that a run saved, which may be a stranger's: nothing in them leads
elsewhere or takes for ever.

peft (0.20) takes its adapter_config.json for any of its methods: some load other adapters, a
pickle, a tokenizer with arguments of their own choice, or import the module that `megatron_core`
names. It matches patterns with each module's name, and makes layers of the ranks that it is told.
"""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kodata.errors import on_one_line, shown
from kotune.errors import RecipeError
from kotune.models.patterns import trouble
from kotune.models.refusals import (
    ADAPTER,
    object_of,
    refuse_config,
    refuse_strange,
    refuse_tokenizer,
)
from kotune.models.tokenizer_files import ModelConfig

MOST = 1_024  # of a rank, as in a recipe
LARGEST = 100_000_000  # of any other number
MANY = 100_000  # names or numbers in one key
Passes = Callable[[Any], bool]


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value) and 0 <= value <= LARGEST


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value <= LARGEST


def _is_rank(value: Any) -> bool:
    return type(value) is int and 1 <= value <= MOST


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _one_of(*choices: object) -> Passes:
    return lambda value: any(
        value is choice or (isinstance(value, str) and value == choice) for choice in choices
    )


def _are(of_each: Passes) -> Passes:
    """A list, of each of whose values this is true."""
    return lambda value: isinstance(value, list) and len(value) <= MANY and all(map(of_each, value))


def _by_name(of_each: Passes) -> Passes:
    """A mapping of modules' names, of each of whose values this is true."""
    return lambda value: (
        isinstance(value, dict) and len(value) <= MANY and all(map(of_each, value.values()))
    )


def _any(*ways: Passes) -> Passes:
    return lambda value: any(passes(value) for passes in ways)


_NAMES = _any(_is_text, _are(_is_text))
_NUMBERS = _are(_is_count)
# What training writes there, each key with its kind of value. All other keys say nothing: null,
# false or empty.
KINDS: dict[str, Passes] = {
    "peft_type": _one_of("LORA"),
    "task_type": _one_of("CAUSAL_LM"),
    "megatron_core": _one_of("megatron.core"),
    # Others (pissa, olora, loftq, ...) take what they put into the adapter out of the base model,
    # which stays so when the adapter is switched off; and how long they take is theirs to say.
    "init_lora_weights": _one_of(True, False, "gaussian"),
    "bias": _one_of("none"),  # else the base model's own are trained, and stay
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
    "rank_pattern": _by_name(_is_rank),
    "alpha_pattern": _by_name(_is_number),
    "layers_to_transform": _any(_is_count, _NUMBERS),
    "trainable_token_indices": _any(_NUMBERS, _by_name(_NUMBERS)),
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


def refuse_saved(name: str, folder: Path) -> None:
    """RecipeError for a run's model/ with anything but a LoRA and a tokenizer; `name` is how it is
    called."""
    refuse_strange(name, folder)
    if told := _wrong(object_of(name, folder / ADAPTER)):
        raise RecipeError(
            f"model {name}: its {ADAPTER} says {told}, which the adapters that kotune trains do"
            " not; move the run folder away and run again"
        )
    refuse_tokenizer(name, folder)
    if (folder / "config.json").exists():  # transformers looks into it for the tokenizer's class
        refuse_config(name, object_of(name, folder / "config.json"))


def _wrong(config: ModelConfig) -> str:
    """What a configuration says that no training of kotune's writes, empty where it says nothing
    such."""
    for key, value in config.items():
        said = f"`{on_one_line(key[:60])}: {on_one_line(shown(value))}`"
        if _says_nothing(value) and key != "r":
            continue
        if not (passes := KINDS.get(key)) or not passes(value):
            return said
        if key in PATTERNS and (told := trouble(_names(value))):
            return f"{said} ({told})"
    return ""


def _says_nothing(value: Any) -> bool:
    return value is None or value is False or value in ({}, [], "")


def _names(value: Any) -> list[str]:
    """The names or patterns in a text, a list or the keys of a mapping."""
    every = [value] if isinstance(value, str) else value
    return [name for name in every if isinstance(name, str)]
