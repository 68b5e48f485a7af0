"""Writes the notes of a plan about settings that the predictions ignore, and about examples that
are too long."""

from collections.abc import Sequence

from kotune.plan.counting import Counted
from kotune.recipe.axolotl_keys import AxolotlConfig

# Keys of Axolotl with which more parameters are trained or stored. The predictions ignore them.
NOT_COUNTED = (
    "lora_modules_to_save",
    "lora_target_parameters",
    "peft_layers_to_transform",
    "peft_use_dora",
    "unfrozen_parameters",
)


def of(config: AxolotlConfig, counted: Counted) -> Sequence[str]:
    """Notes about settings that the predictions ignore, and about examples that are too long."""
    notes = [
        f"axolotl.{key} is not counted: more is trained or stored than predicted here"
        for key in NOT_COUNTED
        if config.get(key)
    ]
    if not str(config.get("optimizer")).startswith("adamw_torch"):
        notes.append(
            f"axolotl.optimizer {config.get('optimizer')}: its memory is predicted as AdamW's, two"
            " fp32 moments"
        )
    if counted.longest > int(config["sequence_len"]):
        word = "are about" if not counted.exact else "has"
        which = "the longest examples" if not counted.exact else "the longest example"
        notes.append(
            f"{which} {word} {counted.longest:,} tokens, more than sequence_len"
            f" {config['sequence_len']:,}: excess_length_strategy is"
            f" {config.get('excess_length_strategy') or 'drop'}"
        )
    return notes
