"""What may stand in a recipe's `axolotl:` block: keys that Axolotl knows, with values that it can mean, and none that
follow from the recipe's other keys.
"""

from typing import Any

from kotune import axolotl_schema

# Keys of Axolotl's that follow from the recipe's own keys, with what to use instead.
OWNED = {
    "base_model": "model", "adapter": "adapter", "load_in_4bit": "adapter: qlora", "load_in_8bit": "adapter",
    "bnb_config_kwargs": "adapter", "chat_template": "template", "chat_template_jinja": "template", "seed": "seed",
    "test_datasets": "data", "val_set_size": "data", "output_dir": "--runs-dir", "dataset_prepared_path": "--runs-dir",
    "revision_of_model": "model", "auto_resume_from_checkpoints": "the same command again",
    "resume_from_checkpoint": "the same command again",
}  # fmt: skip
REFUSED = {
    "plugins": "a plugin runs foreign code and is not accepted in a recipe; remove it",
    "trust_remote_code": "code that comes with a model is never run; choose a model of a kind that transformers has",
    "comet_api_key": "a secret has no place in a recipe; set it in the environment",
}
POSITIVE = (
    "batch_size", "micro_batch_size", "gradient_accumulation_steps", "max_steps", "num_epochs", "learning_rate",
    "sequence_len", "lora_r", "lora_alpha",
)  # fmt: skip
# The keys of Axolotl's data set that may differ; all others follow from `data`, and parity is proven on those.
LAID_OVER = ("roles_to_train", "train_on_eos", "train_on_eot")


def problems(block: Any, key: str = "axolotl", under: dict[str, Any] | None = None) -> list[str]:
    """Every `key.path: what; what to do` of the block, which is laid over the defaults `under`.

    Values are judged once all keys and types are right.
    """
    if not isinstance(block, dict):
        return []
    found = [f"{key}.{name}: kotune sets this from the recipe; use `{OWNED[name]}`" for name in block if name in OWNED]
    found += [f"{key}.{name}: {REFUSED[name]}" for name in block if name in REFUSED]
    found += [f"{key}.{path}: {what}" for path, what in axolotl_schema.problems(block)]
    return found or [
        f"{key}.{path}: {what}" for path, what in [*_values(block), *_data_set(block), *_step(block, under or {})]
    ]


def _values(block: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        (name, f"must be a number above 0, found `{block[name]}`")
        for name in POSITIVE
        if name in block and not (isinstance(block[name], (int, float)) and 0 < block[name] < float("inf"))
    ]


def _data_set(block: dict[str, Any]) -> list[tuple[str, str]]:
    entry = (block.get("datasets") or [{}])[0]
    told = f"follows from `data`; only {', '.join(LAID_OVER)} can be laid over the data set that kotune writes"
    return [(f"datasets.0.{name}", told) for name in entry if name not in LAID_OVER]


def _step(block: dict[str, Any], under: dict[str, Any]) -> list[tuple[str, str]]:
    """micro_batch_size x gradient_accumulation_steps = batch_size, on one GPU."""
    whole, micro = ({**under, **block}.get(key) for key in ("batch_size", "micro_batch_size"))
    if "gradient_accumulation_steps" in block:
        told = "follows from micro_batch_size and gradient_accumulation_steps; leave it out"
        return [("batch_size", told)] if "batch_size" in block else []
    if isinstance(whole, int) and isinstance(micro, int) and micro > 0 and whole % micro:
        return [("micro_batch_size", f"{micro} does not divide the {whole} examples of a step (batch_size)")]
    return []
