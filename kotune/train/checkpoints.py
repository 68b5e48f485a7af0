"""Manages the files from which an interrupted stage resumes: training's checkpoints, and the
answers that scoring has so far. A checkpoint is used only if it is complete, has only finite
numbers, and was made from the same inputs."""

import shutil
from pathlib import Path

from kodata.errors import Translatable
from kotune.layout import WEIGHTS
from kotune.runs.folder import Inputs, write_json
from kotune.runs.reading import json_of, long_json_of
from kotune.runs.records import parsed
from kotune.runs.unfinished import TrainerState
from kotune.train.finite import nonfinite_tensors

STATE = "trainer_state.json"  # the file that the trainer writes last when it saves a checkpoint
WHOLE = (  # the files of a complete checkpoint; each must exist and not be empty
    WEIGHTS,
    "optimizer.pt",
    "scheduler.pt",
    "rng_state*.pth",  # one file per process
    STATE,
)


def keep_matching(folder: Path, inputs: Inputs) -> str:
    """Keep a stage's unfinished work only if its inputs.json records the same `inputs`.

    Otherwise the folder is emptied, and `inputs` are written to its inputs.json. Returns a message
    if inputs.json exists but cannot be read; otherwise an empty string."""
    record, message = folder / "inputs.json", ""
    try:
        if json_of(record) == inputs:
            return ""
    except FileNotFoundError:
        pass
    except (OSError, ValueError):  # unreadable, or not JSON
        message = Translatable(
            "{folder}/{file}: damaged; the unfinished work beside it is not used",
            folder=folder.name,
            file=record.name,
        )
    shutil.rmtree(folder, ignore_errors=True)
    write_json(record, inputs)
    return message


def drop_unusable(folder: Path) -> tuple[int, list[str]]:
    """Remove the checkpoints in `folder` from which training cannot resume. Axolotl would resume
    from the checkpoint with the highest step, without checking its files.

    A checkpoint is incomplete if the process was killed while it saved or removed the checkpoint.
    After a loss of NaN, a checkpoint has numbers that are not finite. Returns the step of the last
    usable checkpoint (0 if there is none) and the names of the removed checkpoints."""
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
    """The step of the last usable checkpoint in `folder`; 0 if there is none."""
    return max((good_step(checkpoint) for checkpoint in folder.glob("checkpoint-*")), default=0)


def good_step(checkpoint: Path) -> int:
    """The step of a checkpoint if it is complete and has only finite numbers; otherwise 0."""
    try:
        sizes_by_name = [
            [file.is_file() and file.stat().st_size for file in checkpoint.glob(name)]
            for name in WHOLE
        ]
        is_complete = all(sizes and all(sizes) for sizes in sizes_by_name)
        if not is_complete or nonfinite_tensors(checkpoint / WEIGHTS):
            return 0
        state = long_json_of(checkpoint / STATE)
    except (OSError, ValueError):  # unreadable, not JSON, or not safetensors
        return 0
    known = parsed(state, TrainerState)
    return known.global_step if known else 0
