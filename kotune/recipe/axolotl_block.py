"""What may stand in a recipe's `axolotl:` block: keys that kotune.recipe.axolotl_keys allows, of
types that Axolotl takes, with values that kotune.recipe.axolotl_values takes. One value is ours:
`gradient_checkpointing: auto` (kotune.train.config)."""

from typing import Any

from kotune.recipe import axolotl_schema, axolotl_values
from kotune.recipe.axolotl_keys import ALLOWED, OWNED, REFUSED, UNJUDGED, AxolotlConfig

AUTO = ("gradient_checkpointing", "auto")


def problems(block: Any, key: str = "axolotl", under: AxolotlConfig | None = None) -> list[str]:
    """Every `key.path: what; what to do` of the block, which is laid over the defaults `under`.

    Values are judged once all keys and types are right.
    """
    if not isinstance(block, dict):
        return []
    block = {name: value for name, value in block.items() if (name, value) != AUTO}
    found = [(name, told) for name in block if (told := _not_allowed(name))]
    found += axolotl_schema.problems(block)
    found = found or [*axolotl_values.problems(block), *_step(block, under or {})]
    return [f"{key}.{path}: {told}" for path, told in found]


def _not_allowed(name: str) -> str | None:
    """Why a key may not be said; None where it may, or where the schema tells that Axolotl has none
    of that name."""
    if name in OWNED:
        return f"kotune sets this from the recipe; use `{OWNED[name]}`"
    if name in REFUSED:
        return REFUSED[name]
    return None if name in ALLOWED or name not in axolotl_schema.load()["properties"] else UNJUDGED


def _step(block: AxolotlConfig, under: AxolotlConfig) -> list[tuple[str, str]]:
    """micro_batch_size x gradient_accumulation_steps = batch_size, on one GPU."""
    whole, micro = ({**under, **block}.get(key) for key in ("batch_size", "micro_batch_size"))
    if "gradient_accumulation_steps" in block:
        told = "follows from micro_batch_size and gradient_accumulation_steps; leave it out"
        return [("batch_size", told)] if "batch_size" in block else []
    if isinstance(whole, int) and isinstance(micro, int) and micro > 0 and whole % micro:
        return [
            (
                "micro_batch_size",
                f"{micro} does not divide the {whole} examples of a step (batch_size)",
            )
        ]
    return []
