"""How long a run takes on a GPU, part by part. Predicted: docs/plan.md sets it beside figures that
others published.

Each pass through the model takes the longest of what it waits for: the products of its tokens, the
reading of weights, keys and values where a token is written, and the Python code that starts it
all, which takes its time whatever the GPU.

A token costs two operations a parameter that it is multiplied with, forward; two more backward,
since a LoRA run computes no gradient of the frozen weights; and two again where activations are
computed anew. Attention's own products are left out: in the published figures a token takes no
longer in a row of 8,192 than in one of 2,048."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from kotune.plan import assumptions
from kotune.plan.counting import Counted
from kotune.plan.gpus import Gpu
from kotune.plan.memory import Method, padded, sizes_of
from kotune.plan.shapes import Shape
from kotune.plan.work import Work
from kotune.score import batches
from kotune.score.model import BATCH_SIZE
from kotune.score.shared import on_device


@dataclass(frozen=True)
class Schedule:
    """`batch_size`: examples (packed: rows of `sequence_len` tokens) a step; `evaluations`: on all
    of validation; `pad_to`: the length of a padded batch is a multiple of so many tokens."""

    batch_size: int
    steps: int
    packing: bool
    sequence_len: int
    evaluations: float
    pad_to: int

    def row(self, longest: int) -> int:
        """Tokens of a row in the largest batch, where the longest example has so many."""
        return (
            self.sequence_len
            if self.packing
            else padded(min(longest, self.sequence_len), self.pad_to)
        )


@dataclass(frozen=True)
class Speed:
    """What a run is done with on one GPU: `tflops` in its precision, `bandwidth` in bytes a second.
    `waits`: for the Python code that starts its work; a CPU does not, which does both."""

    tflops: float
    bandwidth: float
    waits: bool = True

    def products(self, weights: float, share: float) -> float:
        """Seconds of one forward pass with so many weights, each token's counted, at this share of
        the peak."""
        return 2 * weights / (self.tflops * 1e12 * share)


def steps(counted: Counted, batch_size: int, epochs: float, packed: int | None) -> int:
    """Optimizer steps, as Axolotl counts them, which leaves transformers no say; `packed`: tokens
    of a packed row."""
    if packed is None:
        return max(math.ceil(counted.rows * epochs / batch_size), 1)
    rows = math.ceil(counted.tokens / (packed * assumptions.PACKED))
    return max(math.floor(max(rows // batch_size, 1) * epochs), 1)


def batch_tokens(counted: Counted, micro: int, pad_to: int) -> float:
    """The tokens of a padded micro-batch, on average: each example becomes as long as the longest
    of them."""
    number = len(counted.lengths)
    longest = sum(
        padded(length, pad_to) * ((at / number) ** micro - ((at - 1) / number) ** micro)
        for at, length in enumerate(counted.lengths, 1)
    )
    return micro * longest


def micro_step(shape: Shape, speed: Speed, method: Method, tokens: float, trained: float) -> float:
    """Seconds of training on a micro-batch of so many tokens, padding included, of which so many
    are trained."""
    passes = 3 if method.checkpointing else 2
    layer = assumptions.TRAINED_LAYER_4BIT if method.bits == 4 else assumptions.TRAINED_LAYER
    python = speed.waits * layer * shape.layers / 3
    return passes * max(
        python, speed.products(shape.in_products(tokens, trained), assumptions.TRAINING)
    )


def training(
    shape: Shape, speed: Speed, method: Method, schedule: Schedule, counted: Counted, micro: int
) -> float:
    """Seconds of all steps, and of validation, which is read forward only: a third of what training
    costs, or half of it without checkpointing."""
    if schedule.packing:
        tokens = micro * float(schedule.sequence_len)
        trained = tokens * counted.share
    else:
        tokens = batch_tokens(counted, micro, schedule.pad_to)
        trained = micro * counted.mean * counted.share
    passes = 3 if method.checkpointing else 2
    steps = (
        schedule.steps + counted.validation / schedule.batch_size * schedule.evaluations / passes
    )
    return steps * schedule.batch_size / micro * micro_step(shape, speed, method, tokens, trained)


def likelihood(shape: Shape, speed: Speed, works: Sequence[Work], variant: str) -> float:
    """Seconds in which a variant reads every prompt once. The few tokens of a choice, and the head
    at them, are left out."""
    python = speed.waits * shape.layers * assumptions.PASSED_LAYER[variant]
    tokens = [(work.items or 0) * work.prompt for work in works]
    batches_of = [math.ceil(number / on_device("cuda", BATCH_SIZE).read) for number in tokens]
    read = (speed.products(shape.in_products(number, 0), assumptions.SCORING) for number in tokens)
    return sum(
        max(number * python, seconds) for number, seconds in zip(batches_of, read, strict=True)
    )


def token(shape: Shape, speed: Speed, read: float, batch: int, variant: str) -> float:
    """Seconds in which a variant writes one token of each answer in a batch. `read`: bytes of
    weights, keys and values."""
    python = shape.layers * assumptions.PASSED_LAYER[variant]
    reading = read / (speed.bandwidth * assumptions.BANDWIDTH)
    return max(
        python, reading, speed.products(shape.in_products(batch, batch), assumptions.SCORING)
    )


def generation(
    shape: Shape, speed: Speed, weights: float, written: Sequence[tuple[Work, int]], variant: str
) -> float:
    """Seconds in which a variant writes, at most: every batch goes on to the task's last token.
    `weights`: bytes of them that a token reads; `written`: tasks and the answers that are written
    at once."""
    total = 0.0
    for work, batch in written:
        cache = batch * batches.cached(sizes_of(shape), work.prompt + work.written / 2)
        number = math.ceil((work.items or 0) / batch)
        total += number * work.written * token(shape, speed, weights + cache, batch, variant)
    return total


def speed_of(gpu: Gpu, in_fp32: bool) -> Speed:
    """In 16 bits, or in fp32 without tensor cores."""
    return Speed(gpu.tflops_fp32 if in_fp32 else gpu.tflops, gpu.bandwidth)
