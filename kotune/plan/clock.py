"""How long a run takes on a GPU, part by part: the roofline of its data sheet times an assumed efficiency. Predicted.

A token costs two operations a parameter that it is multiplied with, forward; two more backward, since a LoRA run computes no
gradient of the frozen weights; and two again where activations are computed anew. Attention's own products are left out: a
few percent at a thousand tokens. Writing is bound by memory: each token of a batch takes one reading of all weights.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from kotune.plan import assumptions
from kotune.plan.counting import Counted
from kotune.plan.gpus import Gpu
from kotune.plan.memory import padded
from kotune.plan.shapes import Shape
from kotune.plan.work import Work
from kotune.score.model import BATCH_SIZE
from kotune.score.scoring import VARIANTS


@dataclass(frozen=True)
class Schedule:
    """`batch_size`: examples (packed: rows of `sequence_len` tokens) a step; `evaluations`: on all of validation."""

    batch_size: int
    steps: int
    packing: bool
    sequence_len: int
    evaluations: float


def steps(counted: Counted, batch_size: int, epochs: float, packed: int | None) -> int:
    """Optimizer steps, as Axolotl counts them, which leaves transformers no say; `packed`: tokens of a packed row."""
    if packed is None:
        return max(math.ceil(counted.rows * epochs / batch_size), 1)
    rows = math.ceil(counted.tokens / (packed * assumptions.PACKED))
    return max(math.floor(max(rows // batch_size, 1) * epochs), 1)


def batch_tokens(counted: Counted, micro: int) -> float:
    """The tokens of a padded micro-batch, on average: each example becomes as long as the longest of them."""
    number = len(counted.lengths)
    longest = sum(
        padded(length) * ((at / number) ** micro - ((at - 1) / number) ** micro)
        for at, length in enumerate(counted.lengths, 1)
    )
    return micro * longest


def training(shape: Shape, tflops: float, tokens: float, checkpointing: bool) -> float:
    """Seconds of training on so many tokens, padding included."""
    operations = 2 * shape.in_products * (3 if checkpointing else 2)
    return tokens * operations / (tflops * 1e12 * assumptions.TRAINING)


def likelihood(shape: Shape, tflops: float, works: Sequence[Work]) -> float:
    """Seconds of reading every prompt once. The few tokens of a choice, and the head at them alone, are left out."""
    read = sum((work.items or 0) * work.prompt for work in works)
    return len(VARIANTS) * read * 2 * shape.in_linears / (tflops * 1e12 * assumptions.SCORING)


def generation(shape: Shape, gpu: Gpu, stored: int, works: Sequence[Work]) -> float:
    """Seconds of writing, at most: every batch goes on to the task's last token. `stored`: bytes that a token needs of the
    weights."""
    total = 0.0
    for work in works:
        batches = math.ceil((work.items or 0) / BATCH_SIZE)
        cache = cache_bytes(shape, work.prompt + work.written / 2)
        total += batches * work.written * (stored + cache)
    return len(VARIANTS) * total / (gpu.bandwidth * assumptions.GENERATION)


def cache_bytes(shape: Shape, tokens: float) -> int:
    """Keys and values, 16-bit, of a batch in scoring with so many tokens each."""
    return round(BATCH_SIZE * tokens * 2 * 2 * shape.layers * shape.kv_heads * shape.head_dim)
