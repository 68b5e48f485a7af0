"""What a killed stage goes on from, and whether it can be believed: whole, finite and of the same
inputs."""

import shutil
from pathlib import Path

from kotune.layout import WEIGHTS
from kotune.runs.folder import Inputs, write_json
from kotune.runs.reading import json_of, long_json_of
from kotune.runs.records import parsed
from kotune.runs.unfinished import TrainerState
from kotune.train.finite import not_finite

STATE = "trainer_state.json"  # written last
# Each process has a random state of its own.
WHOLE = (WEIGHTS, "optimizer.pt", "scheduler.pt", "rng_state*.pth", STATE)


def keep_matching(folder: Path, inputs: Inputs) -> str:
    """Empty a folder of unfinished work where it was made from other inputs. What is to be told:
    that work is lost since its note cannot be read; else empty."""
    note, told = folder / "inputs.json", ""
    try:
        if json_of(note) == inputs:
            return ""
    except FileNotFoundError:
        pass
    except (OSError, ValueError):  # unreadable, or no JSON
        told = f"{folder.name}/{note.name}: damaged, so the unfinished work beside it is not used"
    shutil.rmtree(folder, ignore_errors=True)
    write_json(note, inputs)
    return told


def drop_unusable(folder: Path) -> tuple[int, list[str]]:
    """Remove what training cannot go on from: Axolotl resumes from the highest-numbered folder
    unchecked.

    A kill while a checkpoint is saved, or removed, leaves a part of it; a loss that is no number
    leaves one that is not finite. Returns the step of the last one that is good, 0 where there is
    none, and the names of what was removed."""
    steps, removed = [0], []
    for checkpoint in sorted(folder.glob("checkpoint-*")):
        if step := good_step(checkpoint):
            steps.append(step)
        else:
            removed.append(checkpoint.name)
            if checkpoint.is_dir():
                shutil.rmtree(checkpoint)
            else:
                checkpoint.unlink()
    return max(steps), removed


def last_good_step(folder: Path) -> int:
    """The step that training would go on from; 0 where there is none."""
    return max((good_step(checkpoint) for checkpoint in folder.glob("checkpoint-*")), default=0)


def good_step(checkpoint: Path) -> int:
    """The step of a checkpoint that is whole and finite, else 0."""
    try:
        found = [
            [file.is_file() and file.stat().st_size for file in checkpoint.glob(name)]
            for name in WHOLE
        ]
        if not all(sizes and all(sizes) for sizes in found) or not_finite(checkpoint / WEIGHTS):
            return 0
        state = long_json_of(checkpoint / STATE)
    except (OSError, ValueError):  # unreadable, no JSON, or no safetensors
        return 0
    known = parsed(state, TrainerState)
    return known.global_step if known else 0
