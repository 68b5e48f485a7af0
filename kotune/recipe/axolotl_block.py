"""Checks a recipe's `axolotl:` block. There are three checks:

- axolotl_keys.py lists the keys that a recipe may set
- axolotl_schema.py checks the types against Axolotl's own schema
- axolotl_values.py checks the values

A recipe may also set `gradient_checkpointing: auto`. Axolotl has no such value, so
kotune.train.config replaces it before training."""

from typing import Any

from kodata.errors import joined
from kotune.recipe import axolotl_schema, axolotl_values
from kotune.recipe.axolotl_keys import ALLOWED, OWNED, REFUSED, UNREVIEWED, AxolotlConfig

AUTO = ("gradient_checkpointing", "auto")  # a key and its value


def problems(block: Any, key: str = "axolotl", defaults: AxolotlConfig | None = None) -> list[str]:
    """Every problem of an `axolotl:` block, as `key.path: problem; what to do`. Values are checked
    only if all keys and types are valid.

    - `block`: the value in the recipe. If it is not a mapping, the result is empty, because
      kotune.recipe.schema reports it.
    - `key`: the name of the block in messages
    - `defaults`: the values that the block overrides
    """
    if not isinstance(block, dict):
        return []
    block = {name: value for name, value in block.items() if (name, value) != AUTO}
    problems = [(name, reason) for name in block if (reason := _refusal(name))]
    problems += axolotl_schema.problems(block)
    problems = problems or [
        *axolotl_values.problems(block),
        *_batch_problems(block, defaults or {}),
    ]
    return [joined("", (f"{key}.{path}: ", message)) for path, message in problems]


def _refusal(name: str) -> str | None:
    """The reason why a recipe may not set the key `name`. None for an allowed key. Also None for a
    key that Axolotl does not have, because the schema check reports it."""
    if name in OWNED:
        return f"kotune sets this from the recipe; use `{OWNED[name]}`"
    if name in REFUSED:
        return REFUSED[name]
    is_known = name in axolotl_schema.load()["properties"]
    return UNREVIEWED if is_known and name not in ALLOWED else None


def _batch_problems(block: AxolotlConfig, defaults: AxolotlConfig) -> list[tuple[str, str]]:
    """Problems with the batch sizes, as (key, message). `defaults`: the values that the block
    overrides.

    batch_size is the number of examples of one optimizer step. On one GPU, it is micro_batch_size x
    gradient_accumulation_steps. So a block must not set both batch_size and
    gradient_accumulation_steps. If it does not set the latter, micro_batch_size must divide
    batch_size."""
    batch, micro = ({**defaults, **block}.get(key) for key in ("batch_size", "micro_batch_size"))
    if "gradient_accumulation_steps" in block:
        message = "is computed from micro_batch_size and gradient_accumulation_steps; remove it"
        return [("batch_size", message)] if "batch_size" in block else []
    if isinstance(batch, int) and isinstance(micro, int) and micro > 0 and batch % micro:
        message = f"{micro} does not divide the {batch} examples of a step (batch_size)"
        return [("micro_batch_size", message)]
    return []
