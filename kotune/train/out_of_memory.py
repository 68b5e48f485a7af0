"""Lets training recover from running out of GPU memory.

First, gradient checkpointing is switched on if it is off. If that is not enough, the micro-batch is
halved and the accumulation is doubled, so a step still trains on the same examples. The setting is
saved beside the checkpoints. A run that is killed resumes with this setting.

Axolotl's `auto_find_batch_size` is not used, because it would change the examples of a step and
thus the experiment."""

import math
import re
from pathlib import Path

from kotune.display.progress import OutOfMemory
from kotune.errors import StageError
from kotune.layout import CONFIG, HALVINGS, NEEDED, TRAIN_LOG
from kotune.runs.folder import write_json
from kotune.runs.reading import json_of, yaml_of
from kotune.runs.records import Halved, parsed

# The error messages of torch, CUDA, Triton and cuBLAS. torch's message is at the end of a Python
# traceback.
EXHAUSTED = re.compile(
    r"OutOfMemoryError|(?:CUDA error|CUDA driver error|Triton Error \[CUDA\]): out of"
    r" memory|CUBLAS_STATUS_ALLOC_FAILED"
)
LARGER = "end other processes on the GPU, set adapter=qlora, or use a GPU with more memory"
ADVICE = (
    "shorten axolotl.sequence_len, set axolotl.gradient_checkpointing=true or adapter=qlora, or"
    " use a GPU with more memory"
)


def is_exhausted(log: Path) -> bool:
    """Whether training ran out of GPU memory; `log` is the log of its last start."""
    return bool(EXHAUSTED.search(log.read_text(encoding="utf-8", errors="replace")))


def halvings(root: Path) -> list[Halved]:
    """All halvings so far, from the file HALVINGS. Each entry has the last step before the halving,
    and the resulting micro-batch and accumulation.

    Returns an empty list if the file is missing or damaged. The list is also empty if the effective
    batch size differs from the recipe's, because the file then belongs to another experiment. In
    these cases, training starts with the recipe's micro-batch and halves it again if needed."""
    try:
        saved = parsed(json_of(_note(root)), list[Halved])
        batch_size = math.prod(_batch(root))
    except (OSError, ValueError):  # missing or damaged
        return []
    if saved is None or any(math.prod(_sizes(halving)) != batch_size for halving in saved):
        return []
    return saved


def damaged(root: Path) -> str:
    """A message if the file of halvings exists but cannot be used; otherwise an empty string."""
    if not _note(root).exists() or halvings(root):
        return ""
    return (
        f"{HALVINGS}: damaged, or from another recipe; training starts with the recipe's"
        " micro_batch_size"
    )


def options(root: Path, is_lean: bool) -> list[str]:
    """Options for Axolotl's command line. `is_lean`: train without gradient checkpointing, unless
    an earlier start without checkpointing ran out of memory."""
    sizes: list[str] = []
    for halving in halvings(root)[-1:]:
        micro, steps = _sizes(halving)
        sizes = [f"--micro-batch-size={micro}", f"--gradient-accumulation-steps={steps}"]
    is_off = is_lean and not (root / NEEDED).exists()
    return [*sizes, "--gradient-checkpointing=false"] if is_off else sizes


def save(root: Path, step: int, is_lean: bool) -> OutOfMemory:
    """Save a setting that lowers the memory of the next start of training: gradient checkpointing
    if it was off, otherwise a smaller micro-batch. Raises StageError if memory cannot be lowered
    further."""
    if is_lean and not (root / NEEDED).exists():
        write_json(root / NEEDED, {"step": step})
        return OutOfMemory(step)
    return OutOfMemory(step, *_sizes(halve(root, step)))


def halve(root: Path, step: int) -> Halved:
    """Save a smaller micro-batch with the same effective batch size. Raises StageError if the
    micro-batch cannot be smaller."""
    earlier = halvings(root)
    micro, steps = smaller(*(_sizes(earlier[-1]) if earlier else _batch(root)))
    if not micro:
        raise StageError(
            f"train: out of GPU memory after step {step}, even with micro_batch_size 1;"
            f" {ADVICE} (Axolotl's log: {root / TRAIN_LOG})"
        )
    halving = Halved(step=step, micro_batch_size=micro, gradient_accumulation_steps=steps)
    write_json(_note(root), [each.as_json() for each in (*earlier, halving)])
    return halving


def smaller(micro: int, steps: int) -> tuple[int, int]:
    """The next smaller micro-batch, which is about half, and the number of accumulation steps.
    Their product stays the same. Returns (0, 0) if the micro-batch is 1."""
    batch_size = micro * steps
    size = next((size for size in range(micro // 2, 0, -1) if batch_size % size == 0), 0)
    return size, batch_size // size if size else 0


def _sizes(halving: Halved) -> tuple[int, int]:
    return halving.micro_batch_size, halving.gradient_accumulation_steps


def _batch(root: Path) -> tuple[int, int]:
    """The micro-batch and the accumulation of the recipe."""
    config = yaml_of(root / CONFIG)
    return int(config["micro_batch_size"]), int(config.get("gradient_accumulation_steps") or 1)


def _note(root: Path) -> Path:
    return root / HALVINGS
