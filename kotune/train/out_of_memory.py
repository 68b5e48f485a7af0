"""Lets training recover from running out of GPU memory.

First, gradient checkpointing is switched on if it is off. If memory is still too small, the
micro-batch is halved and the number of accumulation steps is doubled. So a step still trains on the
same examples. The setting is saved in the run folder, and a run that was killed resumes with it.

Axolotl's `auto_find_batch_size` is not used, because it would change the number of examples in a
step and thus the experiment."""

import math
import re
from pathlib import Path

from kodata.errors import Translatable
from kotune.display.progress import OutOfMemory
from kotune.errors import StageError
from kotune.layout import CONFIG, HALVINGS, NEEDED, TRAIN_LOG
from kotune.runs.folder import write_json
from kotune.runs.reading import json_of, yaml_of
from kotune.runs.records import Halved, parsed

# How torch (the exception's name), CUDA, Triton and cuBLAS report that GPU memory is full.
EXHAUSTED = re.compile(
    r"OutOfMemoryError|(?:CUDA error|CUDA driver error|Triton Error \[CUDA\]): out of"
    r" memory|CUBLAS_STATUS_ALLOC_FAILED"
)
# Advice if the model itself does not fit, and advice if even a micro-batch of 1 does not fit.
LARGER = Translatable(
    "end other processes on the GPU, set adapter=qlora, or use a GPU with more memory"
)
ADVICE = Translatable(
    "shorten axolotl.sequence_len, set axolotl.gradient_checkpointing=true or"
    " adapter=qlora, or use a GPU with more memory"
)


def is_exhausted(log: Path) -> bool:
    """Whether training ran out of GPU memory; `log` is the log of its last start."""
    return bool(EXHAUSTED.search(log.read_text(encoding="utf-8", errors="replace")))


def halvings(root: Path) -> list[Halved]:
    """All halvings of the micro-batch so far, oldest first, from the file HALVINGS in the run
    folder `root`.

    The list is empty if the file is missing or damaged. The list is also empty if a halving has
    another effective batch size than the recipe, because the file then belongs to another
    experiment. In both cases, training starts with the recipe's micro-batch."""
    try:
        saved = parsed(json_of(root / HALVINGS), list[Halved])
        batch_size = math.prod(_batch(root))
    except (OSError, ValueError):  # missing or damaged
        return []
    if saved is None or any(math.prod(_sizes(halving)) != batch_size for halving in saved):
        return []
    return saved


def damaged(root: Path) -> str:
    """A message if the file HALVINGS exists but cannot be used; otherwise an empty string."""
    if not (root / HALVINGS).exists() or halvings(root):
        return ""
    return (
        f"{HALVINGS}: damaged, or from another recipe; training starts with the recipe's"
        " micro_batch_size"
    )


def options(root: Path, is_lean: bool) -> list[str]:
    """Options for Axolotl's command line: the micro-batch of the last halving, and gradient
    checkpointing off if possible.

    `is_lean`: train without gradient checkpointing, unless an earlier start without checkpointing
    ran out of memory. The file NEEDED records such a start."""
    sizes: list[str] = []
    for halving in halvings(root)[-1:]:
        micro, steps = _sizes(halving)
        sizes = [f"--micro-batch-size={micro}", f"--gradient-accumulation-steps={steps}"]
    is_off = is_lean and not (root / NEEDED).exists()
    return [*sizes, "--gradient-checkpointing=false"] if is_off else sizes


def save(root: Path, step: int, is_lean: bool) -> OutOfMemory:
    """Save a setting with which the next start of training needs less memory: gradient
    checkpointing if it was off, otherwise a smaller micro-batch.

    `step`: the last step before memory ran out. `is_lean`: as in options(). Returns the event to
    display. Raises StageError if the micro-batch is already 1."""
    if is_lean and not (root / NEEDED).exists():
        write_json(root / NEEDED, {"step": step})
        return OutOfMemory(step)
    return OutOfMemory(step, *_sizes(halve(root, step)))


def halve(root: Path, step: int) -> Halved:
    """Save a smaller micro-batch with the same effective batch size, and return it. Raises
    StageError if the micro-batch is already 1."""
    earlier = halvings(root)
    micro, steps = smaller(*(_sizes(earlier[-1]) if earlier else _batch(root)))
    if not micro:
        raise StageError(
            Translatable(
                "train: out of GPU memory after step {step}, even with micro_batch_size 1;"
                " {advice} (Axolotl's log: {log})",
                step=step,
                advice=ADVICE,
                log=root / TRAIN_LOG,
            )
        )
    halving = Halved(step=step, micro_batch_size=micro, gradient_accumulation_steps=steps)
    write_json(root / HALVINGS, [each.as_json() for each in (*earlier, halving)])
    return halving


def smaller(micro: int, steps: int) -> tuple[int, int]:
    """The next micro-batch, at most half of `micro`, and the number of accumulation steps. Their
    product stays the same. Returns (0, 0) if `micro` is 1."""
    batch_size = micro * steps
    size = next((size for size in range(micro // 2, 0, -1) if batch_size % size == 0), 0)
    return size, batch_size // size if size else 0


def _sizes(halving: Halved) -> tuple[int, int]:
    return halving.micro_batch_size, halving.gradient_accumulation_steps


def _batch(root: Path) -> tuple[int, int]:
    """The recipe's micro-batch and number of accumulation steps, from axolotl.yml."""
    config = yaml_of(root / CONFIG)
    return int(config["micro_batch_size"]), int(config.get("gradient_accumulation_steps") or 1)
