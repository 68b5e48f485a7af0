"""Checks a recipe's `axolotl:` block.

Keys must be allowed by kotune.recipe.axolotl_keys. Types must fit Axolotl's schema. Values must be
accepted by kotune.recipe.axolotl_values. One value is kotune's own: `gradient_checkpointing: auto`
(kotune.train.config)."""

from typing import Any

from kotune.recipe import axolotl_schema, axolotl_values
from kotune.recipe.axolotl_keys import ALLOWED, OWNED, REFUSED, UNREVIEWED, AxolotlConfig

AUTO = ("gradient_checkpointing", "auto")


def problems(block: Any, key: str = "axolotl", defaults: AxolotlConfig | None = None) -> list[str]:
    """Every problem of the block as `key.path: what; what to do`. Values are checked only if all
    keys and types are right.

    `key`: the name of the block in messages. `defaults`: the values that the block overrides."""
    if not isinstance(block, dict):
        return []
    block = {name: value for name, value in block.items() if (name, value) != AUTO}
    problems = [(name, reason) for name in block if (reason := _refusal(name))]
    problems += axolotl_schema.problems(block)
    problems = problems or [
        *axolotl_values.problems(block),
        *_batch_problems(block, defaults or {}),
    ]
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


def _batch_problems(block: AxolotlConfig, defaults: AxolotlConfig) -> list[tuple[str, str]]:
    """Checks that micro_batch_size x gradient_accumulation_steps = batch_size, as on one GPU.

    A block gives at most one of batch_size and gradient_accumulation_steps; the other is
    computed."""
    batch, micro = ({**defaults, **block}.get(key) for key in ("batch_size", "micro_batch_size"))
    if "gradient_accumulation_steps" in block:
        message = "is computed from micro_batch_size and gradient_accumulation_steps; remove it"
        return [("batch_size", message)] if "batch_size" in block else []
    if isinstance(batch, int) and isinstance(micro, int) and micro > 0 and batch % micro:
        message = f"{micro} does not divide the {batch} examples of a step (batch_size)"
        return [("micro_batch_size", message)]
    return []
