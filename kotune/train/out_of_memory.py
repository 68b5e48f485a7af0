"""Out of GPU memory: the micro-batch is halved and the accumulation doubled, so that a step still
learns from the same examples. What was found out is kept beside the checkpoints, for a run that is
killed and goes on.

Where gradient checkpointing was off, it is switched on before that.

Axolotl's `auto_find_batch_size` would change the examples of a step and so the experiment.
"""

import math
import re
from pathlib import Path

from kotune.display.progress import OutOfMemory
from kotune.errors import StageError
from kotune.layout import CONFIG, HALVINGS, NEEDED, TRAIN_LOG
from kotune.runs.folder import write_json
from kotune.runs.reading import json_of, yaml_of
from kotune.runs.records import Halved, parsed

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


def is_exhausted(log: Path) -> bool:
    """Whether training ended for want of GPU memory; the log is that of its last start."""
    return bool(EXHAUSTED.search(log.read_text(encoding="utf-8", errors="replace")))


def halvings(root: Path) -> list[Halved]:
    """Every halving so far: the last step reached before it, and the batch that it came to. None
    where the note is damaged, or is another experiment's, whose steps have another number of
    examples: what it knew is found out again."""
    try:
        halvings = parsed(json_of(_note(root)), list[Halved])
        whole = math.prod(_batch(root))
    except (OSError, ValueError):  # missing, or damaged
        return []
    if halvings is None or any(math.prod(_sizes(halving)) != whole for halving in halvings):
        return []
    return halvings


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
    sizes: list[str] = []
    for halving in halvings(root)[-1:]:
        micro, steps = _sizes(halving)
        sizes = [f"--micro-batch-size={micro}", f"--gradient-accumulation-steps={steps}"]
    return [
        *sizes,
        *["--gradient-checkpointing=false"] * (is_lean and not (root / NEEDED).exists()),
    ]


def save(root: Path, step: int, is_lean: bool) -> OutOfMemory:
    """Note what will save memory in the next start of training: gradient checkpointing, where it
    was off, else a smaller micro-batch. StageError where there is nothing left."""
    if is_lean and not (root / NEEDED).exists():
        write_json(root / NEEDED, {"step": step})
        return OutOfMemory(step)
    return OutOfMemory(step, *_sizes(halve(root, step)))


def halve(root: Path, step: int) -> Halved:
    """Note a smaller micro-batch of the same effective batch. StageError where it cannot be
    smaller."""
    earlier = halvings(root)
    micro, steps = smaller(*(_sizes(earlier[-1]) if earlier else _batch(root)))
    if not micro:
        raise StageError(
            f"train: the GPU's memory is too small after step {step} even for one example at a"
            f" time; {ADVICE} (Axolotl's own words are in {root / TRAIN_LOG})"
        )
    halving = Halved(step=step, micro_batch_size=micro, gradient_accumulation_steps=steps)
    write_json(_note(root), [each.as_json() for each in (*earlier, halving)])
    return halving


def smaller(micro: int, steps: int) -> tuple[int, int]:
    """The next smaller micro-batch, about half, and the accumulation that keeps their product; (0,
    0) after 1."""
    whole = micro * steps
    found = next((size for size in range(micro // 2, 0, -1) if whole % size == 0), 0)
    return found, whole // found if found else 0


def _sizes(halving: Halved) -> tuple[int, int]:
    return halving.micro_batch_size, halving.gradient_accumulation_steps


def _batch(root: Path) -> tuple[int, int]:
    """The micro-batch and the accumulation of the recipe."""
    config = yaml_of(root / CONFIG)
    return int(config["micro_batch_size"]), int(config.get("gradient_accumulation_steps") or 1)


def _note(root: Path) -> Path:
    return root / HALVINGS
