"""What an adapter_config.json of a run folder may say, before peft reads it: it may be a stranger's. peft imports the module that
it names (`megatron_core`), matches its patterns with each module's name, and makes layers of the ranks that it tells."""

from pathlib import Path
from typing import Any

from kodata.errors import shown
from kotune.errors import RecipeError, StageError
from kotune.layout import ADAPTER_CONFIG
from kotune.models.patterns import trouble
from kotune.models.refusals import object_of

KIND = {"peft_type": "LORA", "task_type": "CAUSAL_LM"}
PATTERNS = (
    "alpha_pattern", "exclude_modules", "layers_pattern", "modules_to_save", "rank_pattern", "target_modules",
    "target_parameters", "trainable_token_indices",
)  # fmt: skip
# What else training writes there. All other keys say nothing: null, false or empty.
OTHERS = (
    "base_model_name_or_path", "bias", "ensure_weight_tying", "fan_in_fan_out", "inference_mode", "init_lora_weights",
    "layers_to_transform", "loftq_config", "lora_alpha", "lora_bias", "lora_dropout", "megatron_core", "peft_version",
    "qalora_group_size", "r", "revision", "use_dora", "use_rslora",
)  # fmt: skip
MOST = 1_024  # of a rank, as in a recipe


def refuse(root: Path) -> None:
    """StageError for an adapter's configuration that no training of kotune's writes."""
    file = root / ADAPTER_CONFIG
    try:
        told = _wrong(object_of(str(root), file))
    except RecipeError as error:
        raise StageError(str(error)) from None
    if told:
        raise StageError(f"{file}: {told}; no training here writes that: move the run folder away and run again")


def _wrong(config: dict[str, Any]) -> str:
    """What is wrong with a configuration, empty where nothing is."""
    for key, value in config.items():
        if value and key not in (*KIND, *PATTERNS, *OTHERS):
            return f"it says {shown(key)}"
        if key in KIND and value not in (None, KIND[key]):
            return f"{key} is {shown(value)}, not {KIND[key]}"
        if key in PATTERNS and (told := _unlike_names(value)):
            return f"{key}: {told}"
    ranks = config.get("rank_pattern") or {}
    for rank in [config.get("r", 1), *(ranks.values() if isinstance(ranks, dict) else [ranks])]:
        if type(rank) is not int or not 1 <= rank <= MOST:
            return f"a rank is {shown(rank)}, not a number from 1 to {MOST:,}"
    return ""


def _unlike_names(value: Any) -> str:
    """What is wrong with names or patterns: one, a list, or a mapping of them."""
    names = [value] if isinstance(value, str) else list(value) if isinstance(value, (list, dict)) else []
    if value and not names:
        return f"{shown(value)} is no list of names"
    return trouble(name for name in names if isinstance(name, str))
