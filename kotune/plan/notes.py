"""Writes the notes of a plan: about settings that its predictions ignore, and about the precision
on a GPU."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kodata.errors import Translatable
from kotune.plan.counting import Counted
from kotune.plan.gpus import Gpu
from kotune.recipe.axolotl_keys import AxolotlConfig

if TYPE_CHECKING:
    from kotune.plan.plan import Mode

# Keys of Axolotl with which more parameters are trained or stored. The predictions ignore them.
NOT_COUNTED = (
    "lora_modules_to_save",
    "lora_target_parameters",
    "peft_layers_to_transform",
    "peft_use_dora",
    "unfrozen_parameters",
)


def of_settings(config: AxolotlConfig, counted: Counted) -> Sequence[str]:
    """Notes about settings that the predictions ignore, and about examples that are too long."""
    notes = [
        Translatable(
            "axolotl.{key} is not counted: more is trained or stored than predicted here", key=key
        )
        for key in NOT_COUNTED
        if config.get(key)
    ]
    if not str(config.get("optimizer")).startswith("adamw_torch"):
        notes.append(
            Translatable(
                "axolotl.optimizer {optimizer}: its memory is predicted as AdamW's, two fp32"
                " moments",
                optimizer=config.get("optimizer"),
            )
        )
    if counted.longest > int(config["sequence_len"]):
        notes.append(
            Translatable(
                "the longest example has {tokens:,} tokens, more than sequence_len {limit:,}:"
                " excess_length_strategy is {strategy}"
                if counted.exact
                else "the longest examples are about {tokens:,} tokens, more than sequence_len"
                " {limit:,}: excess_length_strategy is {strategy}",
                tokens=counted.longest,
                limit=config["sequence_len"],
                strategy=config.get("excess_length_strategy") or "drop",
            )
        )
    return notes


def of_precision(gpu: Gpu, mode: "Mode") -> list[str]:
    """Notes about the precision on a GPU; empty for 16-bit training that needs no note."""
    if not gpu.is_old or mode.is_explicit:
        if mode.precision == "fp32":
            return [
                Translatable(
                    "trains in fp32: twice the weights and activations of 16 bits, and no tensor"
                    " cores"
                )
            ]
        if gpu.is_old and mode.precision == "bf16":
            return [
                Translatable(
                    "no native bf16: the recipe's bf16 is emulated, at most at fp32's speed;"
                    " remove bf16 from the recipe"
                )
            ]
        return []
    if mode.precision == "fp32":
        return [
            Translatable(
                "no native bf16, and this model overflows in fp16: trains and scores in fp32,"
                " without tensor cores"
            )
        ]
    return [
        Translatable("no native bf16: trains and scores in fp16, whose small range may overflow")
    ]
