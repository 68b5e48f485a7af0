"""What a killed stage goes on from, and whether it can be believed: whole, finite and of the same inputs."""

import json
import shutil
from pathlib import Path
from typing import Any

from kotune.layout import WEIGHTS
from kotune.runs.folder import read_json, write_json

STATE = "trainer_state.json"  # written last
WHOLE = (WEIGHTS, "optimizer.pt", "scheduler.pt", "rng_state*.pth", STATE)  # each process has a random state of its own


def keep_matching(folder: Path, inputs: dict[str, Any]) -> None:
    """Empty a folder of unfinished work where it was made from other inputs."""
    note = folder / "inputs.json"
    if not note.exists() or read_json(note) != inputs:
        shutil.rmtree(folder, ignore_errors=True)
        write_json(note, inputs)


def drop_unusable(folder: Path) -> int:
    """Remove what training cannot go on from: Axolotl resumes from the highest-numbered folder unchecked.

    A kill while a checkpoint is saved, or removed, leaves a part of it; a loss that is no number leaves one that is not
    finite. Returns the step of the last one that is good, 0 where there is none.
    """
    steps = [0]
    for checkpoint in folder.glob("checkpoint-*"):
        if step := good_step(checkpoint):
            steps.append(step)
        else:
            shutil.rmtree(checkpoint)
    return max(steps)


def last_good_step(folder: Path) -> int:
    """The step that training would go on from; 0 where there is none."""
    return max((good_step(checkpoint) for checkpoint in folder.glob("checkpoint-*")), default=0)


def good_step(checkpoint: Path) -> int:
    """The step of a checkpoint that is whole and finite, else 0."""
    from safetensors import SafetensorError

    try:
        found = [[file.stat().st_size for file in checkpoint.glob(name)] for name in WHOLE]
        if not all(sizes and all(sizes) for sizes in found) or not_finite(checkpoint / WEIGHTS):
            return 0
        return int(json.loads((checkpoint / STATE).read_text(encoding="utf-8"))["global_step"])
    except (OSError, ValueError, SafetensorError):
        return 0


def not_finite(weights: Path) -> list[str]:
    """Names of the tensors in a safetensors file that hold NaN or infinity."""
    from safetensors import safe_open

    with safe_open(weights, framework="np") as file:
        names = list(file.keys())  # a handle, not a dict: it cannot be iterated
        if any(file.get_slice(name).get_dtype() == "BF16" for name in names):
            return _not_finite_in_torch(weights)
        import numpy as np

        return [name for name in names if not np.isfinite(file.get_tensor(name)).all()]


def _not_finite_in_torch(weights: Path) -> list[str]:
    """For bfloat16, which numpy does not know. Importing torch takes seconds, so it is not done where numpy will do."""
    import torch
    from safetensors import safe_open

    with safe_open(weights, framework="pt") as file:
        return [name for name in list(file.keys()) if not torch.isfinite(file.get_tensor(name)).all()]
