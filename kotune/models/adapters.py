"""The adapter and tokenizer that a run saved, which may be a stranger's: nothing in them leads elsewhere or takes for ever.

peft (0.20) takes its adapter_config.json for any of its methods: some load other adapters, a pickle, a tokenizer with arguments
of their own choice, or import the module that `megatron_core` names. It matches patterns with each module's name, and makes
layers of the ranks that it is told.
"""

from pathlib import Path
from typing import Any

from kodata.errors import on_one_line, shown
from kotune.errors import RecipeError
from kotune.models.patterns import trouble
from kotune.models.refusals import ADAPTER, object_of, refuse_config, refuse_strange, refuse_tokenizer

KIND = {"peft_type": "LORA", "task_type": "CAUSAL_LM", "megatron_core": "megatron.core"}
PATTERNS = (
    "alpha_pattern", "exclude_modules", "layers_pattern", "modules_to_save", "rank_pattern", "target_modules",
    "target_parameters", "trainable_token_indices",
)  # fmt: skip
# What else training writes there. All other keys say nothing: null, false or empty.
OTHERS = (
    "base_model_name_or_path", "bias", "ensure_weight_tying", "fan_in_fan_out", "inference_mode", "init_lora_weights",
    "layers_to_transform", "loftq_config", "lora_alpha", "lora_bias", "lora_dropout", "peft_version", "qalora_group_size", "r",
    "revision", "use_dora", "use_rslora",
)  # fmt: skip
MOST = 1_024  # of a rank, as in a recipe


def refuse_saved(name: str, folder: Path) -> None:
    """RecipeError for a run's model/ with anything but a LoRA and a tokenizer; `name` is how it is called."""
    refuse_strange(name, folder)
    if told := _wrong(object_of(name, folder / ADAPTER)):
        raise RecipeError(
            f"model {name}: its {ADAPTER} says {told}, which the adapters that kotune trains do not; move the run folder away "
            "and run again"
        )
    refuse_tokenizer(name, folder)
    if (folder / "config.json").exists():  # transformers looks into it for the tokenizer's class
        refuse_config(name, object_of(name, folder / "config.json"))


def _wrong(config: dict[str, Any]) -> str:
    """What a configuration says that no training of kotune's writes, empty where it says nothing such."""
    for key, value in config.items():
        said = f"`{on_one_line(key[:60])}: {on_one_line(shown(value))}`"
        if value and key not in (*KIND, *PATTERNS, *OTHERS):
            return said
        if key in KIND and value not in (None, KIND[key]):
            return said
        if key in OTHERS and isinstance(value, (dict, list)) and _has_text(value):
            return said
        if key in PATTERNS and (told := _unlike_names(value)):
            return f"{said} ({told})"
    ranks = config.get("rank_pattern") or {}
    for rank in [config.get("r", 1), *(ranks.values() if isinstance(ranks, dict) else [ranks])]:
        if type(rank) is not int or not 1 <= rank <= MOST:
            return f"that a rank is {on_one_line(shown(rank))}, not a number from 1 to {MOST:,}"
    return ""


def _has_text(value: Any) -> bool:
    """Whether a text stands among the values of a list or dict, as settings of a method have one."""
    inner = value.values() if isinstance(value, dict) else value
    return any(isinstance(one, str) or (isinstance(one, (list, dict)) and _has_text(one)) for one in inner)


def _unlike_names(value: Any) -> str:
    """What is wrong with names or patterns: one, a list, or a mapping of them."""
    names = [value] if isinstance(value, str) else list(value) if isinstance(value, (list, dict)) else []
    if value and not names:
        return "no list of names"
    return trouble(name for name in names if isinstance(name, str))
