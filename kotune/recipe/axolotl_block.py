"""Checks a recipe's `axolotl:` block.

Keys must be allowed by kotune.recipe.axolotl_keys. Types must fit Axolotl's schema. Values must be
accepted by kotune.recipe.axolotl_values. One value is kotune's own: `gradient_checkpointing: auto`
(kotune.train.config)."""

from typing import Any

from kotune.recipe import axolotl_schema, axolotl_values
from kotune.recipe.axolotl_keys import ALLOWED, OWNED, REFUSED, UNREVIEWED, AxolotlConfig

AUTO = ("gradient_checkpointing", "auto")


def problems(block: Any, key: str = "axolotl", under: AxolotlConfig | None = None) -> list[str]:
    """Every problem of the block as `key.path: what; what to do`. `under` are the defaults that the
    block overrides.

    Values are checked only if all keys and types are right.
    """
    if not isinstance(block, dict):
        return []
    block = {name: value for name, value in block.items() if (name, value) != AUTO}
    problems = [(name, reason) for name in block if (reason := _refusal(name))]
    problems += axolotl_schema.problems(block)
    problems = problems or [*axolotl_values.problems(block), *_batch(block, under or {})]
    return [f"{key}.{path}: {message}" for path, message in problems]


def _refusal(name: str) -> str | None:
    """Why a recipe may not set this key. None for an allowed key, and for a key that Axolotl does
    not have (the schema check reports it)."""
    if name in OWNED:
        return f"kotune sets this from the recipe; use `{OWNED[name]}`"
    if name in REFUSED:
        return REFUSED[name]
    is_known = name in axolotl_schema.load()["properties"]
    return UNREVIEWED if is_known and name not in ALLOWED else None


def _batch(block: AxolotlConfig, under: AxolotlConfig) -> list[tuple[str, str]]:
    """Checks micro_batch_size x gradient_accumulation_steps = batch_size, on one GPU."""
    whole, micro = ({**under, **block}.get(key) for key in ("batch_size", "micro_batch_size"))
    if "gradient_accumulation_steps" in block:
        message = "follows from micro_batch_size and gradient_accumulation_steps; leave it out"
        return [("batch_size", message)] if "batch_size" in block else []
    if isinstance(whole, int) and isinstance(micro, int) and micro > 0 and whole % micro:
        message = f"{micro} does not divide the {whole} examples of a step (batch_size)"
        return [("micro_batch_size", message)]
    return []
