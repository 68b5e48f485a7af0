"""Out of GPU memory: the micro-batch is halved and the accumulation doubled, so that a step still
learns from the same examples. What was found out is kept beside the checkpoints, for a run that is
killed and goes on.

Where gradient checkpointing was off, it is switched on before that.

Axolotl's `auto_find_batch_size` would change the examples of a step and so the experiment.
"""

import math
import re
from pathlib import Path
from typing import Any

from kotune.errors import StageError
from kotune.layout import CONFIG, HALVINGS, NEEDED, TRAIN_LOG
from kotune.runs.folder import write_json
from kotune.runs.reading import json_of, yaml_of
from kotune.runs.records import Halved, fits

# How torch, CUDA, Triton and cuBLAS say it; the first of them ends a Python traceback.
EXHAUSTED = re.compile(
    r"OutOfMemoryError|(?:CUDA error|CUDA driver error|Triton Error \[CUDA\]): out of"
    r" memory|CUBLAS_STATUS_ALLOC_FAILED"
)
LARGER = "end what else uses it, set adapter=qlora, or take a GPU with more memory"
ADVICE = (
    "shorten axolotl.sequence_len, set axolotl.gradient_checkpointing=true or adapter=qlora, or"
    " take a GPU with more memory"
)
Halving = dict[str, Any]


def is_exhausted(log: Path) -> bool:
    """Whether training ended for want of GPU memory; the log is that of its last start."""
    return bool(EXHAUSTED.search(log.read_text(encoding="utf-8", errors="replace")))


def halvings(root: Path) -> list[Halving]:
    """Every halving so far: the last step reached before it, and the batch that it came to. None
    where the note is damaged, or is another experiment's, whose steps have another number of
    examples: what it knew is found out again."""
    try:
        found = json_of(_note(root))
        if not fits(found, list[Halved]):
            return []
        whole = math.prod(_batch([yaml_of(root / CONFIG)]))
    except (OSError, ValueError):
        return []
    return list(found) if all(math.prod(_batch([halving])) == whole for halving in found) else []


def damaged(root: Path) -> str:
    """What to tell where there is a note that cannot be used; else empty."""
    if not _note(root).exists() or halvings(root):
        return ""
    return (
        f"{HALVINGS}: damaged, or not of this recipe, so training begins with the micro-batches of"
        " the recipe"
    )


def options(root: Path, is_lean: bool) -> list[str]:
    """What is added to Axolotl's command line. `is_lean`: without gradient checkpointing, unless
    the memory was too small."""
    last = halvings(root)[-1:]
    keys = ("micro_batch_size", "gradient_accumulation_steps")
    told = [f"--{key.replace('_', '-')}={halving[key]}" for halving in last for key in keys]
    return [*told, *["--gradient-checkpointing=false"] * (is_lean and not (root / NEEDED).exists())]


def save(root: Path, step: int, is_lean: bool) -> dict[str, Any]:
    """Note what will save memory in the next start of training: gradient checkpointing, where it
    was off, else a smaller micro-batch. StageError where there is nothing left."""
    if is_lean and not (root / NEEDED).exists():
        write_json(root / NEEDED, {"step": step})
        return {"step": step}
    return halve(root, step)


def halve(root: Path, step: int) -> Halving:
    """Note a smaller micro-batch of the same effective batch. StageError where it cannot be
    smaller."""
    config = yaml_of(root / CONFIG)
    micro, steps = smaller(*_batch(halvings(root)[-1:] or [config]))
    if not micro:
        raise StageError(
            f"train: the GPU's memory is too small after step {step} even for one example at a"
            f" time; {ADVICE} (Axolotl's own words are in {root / TRAIN_LOG})"
        )
    halving = {"step": step, "micro_batch_size": micro, "gradient_accumulation_steps": steps}
    write_json(_note(root), [*halvings(root), halving])
    return halving


def smaller(micro: int, steps: int) -> tuple[int, int]:
    """The next smaller micro-batch, about half, and the accumulation that keeps their product; (0,
    0) after 1."""
    whole = micro * steps
    found = next((size for size in range(micro // 2, 0, -1) if whole % size == 0), 0)
    return found, whole // found if found else 0


def _batch(configs: list[dict[str, Any]]) -> tuple[int, int]:
    return int(configs[0]["micro_batch_size"]), int(
        configs[0].get("gradient_accumulation_steps") or 1
    )


def _note(root: Path) -> Path:
    return root / HALVINGS
