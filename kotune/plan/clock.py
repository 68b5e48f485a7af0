"""Predicts how long each part of a run takes on a GPU. docs/plan.md compares the predictions with
published figures.

The time of a pass through the model is the time of its slowest part. The parts are the matrix
products, the Python code that launches the kernels, and, if a token is generated, reading weights,
keys and values. The time of the Python code does not depend on the GPU.

The forward pass takes two operations per parameter and token. The backward pass of LoRA takes two
more, not four, because the frozen weights need no gradients. Recomputing activations takes two
more. The products of queries and keys, and of their result with the values, are left out, because
the published time per token is the same in rows of 8,192 and of 2,048 tokens."""

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
from kotune.score.shared import limits


@dataclass(frozen=True)
class Schedule:
    """How a recipe trains. `batch_size`: examples per step, or with packing, rows of `sequence_len`
    tokens per step. `evaluations`: number of passes over the validation data. `pad_to`: batches are
    padded to a multiple of this length."""

    batch_size: int
    steps: int
    packing: bool
    sequence_len: int
    evaluations: float
    pad_to: int

    def row(self, longest: int) -> int:
        """The number of tokens of a row in the largest batch. `longest`: the number of tokens of
        the longest example."""
        if self.packing:
            return self.sequence_len
        return padded(min(longest, self.sequence_len), self.pad_to)


@dataclass(frozen=True)
class Speed:
    """The speed of a device. `tflops`: in the run's precision; `bandwidth`: bytes per second.
    `waits`: whether the device waits for the Python code that launches its work. A CPU does not
    wait, because it runs that code itself."""

    tflops: float
    bandwidth: float
    waits: bool = True

    def products(self, weights: float, share: float) -> float:
        """Seconds of one forward pass. `weights`: the number of weights that are multiplied, summed
        over tokens. `share`: the share of the peak speed that is reached."""
        return 2 * weights / (self.tflops * 1e12 * share)


def steps(counted: Counted, batch_size: int, epochs: float, packed: int | None) -> int:
    """The number of optimizer steps. It is computed as in Axolotl, which computes another number
    than transformers. `packed`: the number of tokens of a packed row, None without packing."""
    if packed is None:
        return max(math.ceil(counted.rows * epochs / batch_size), 1)
    rows = math.ceil(counted.tokens / (packed * assumptions.PACKED))
    return max(math.floor(max(rows // batch_size, 1) * epochs), 1)


def batch_tokens(counted: Counted, micro: int, pad_to: int) -> float:
    """The mean number of tokens of a padded micro-batch. Each example is padded to the longest
    example of its batch, whose expected length is computed from the sorted lengths."""
    number = len(counted.lengths)
    longest = sum(
        padded(length, pad_to) * ((rank / number) ** micro - ((rank - 1) / number) ** micro)
        for rank, length in enumerate(counted.lengths, 1)
    )
    return micro * longest


def micro_step(shape: Shape, speed: Speed, method: Method, tokens: float, trained: float) -> float:
    """Seconds of training on a micro-batch. `tokens`: the number of its tokens, padding included;
    `trained`: the number of its trained tokens."""
    passes = 3 if method.checkpointing else 2
    layer = assumptions.TRAINED_LAYER_4BIT if method.bits == 4 else assumptions.TRAINED_LAYER
    python = speed.waits * layer * shape.layers / 3
    return passes * max(
        python, speed.products(shape.in_products(tokens, trained), assumptions.TRAINING)
    )


def training(
    shape: Shape, speed: Speed, method: Method, schedule: Schedule, counted: Counted, micro: int
) -> float:
    """Seconds of all training steps and of validation. Validation has only forward passes. A
    forward pass takes a third of a training step with checkpointing, and half of a step without."""
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
    """Seconds of computing the log-likelihoods of all choice tasks with a variant (base or tuned):
    every prompt is read once. The few tokens of the choices and their logits are left out."""
    python = speed.waits * shape.layers * assumptions.PASSED_LAYER[variant]
    total = 0.0
    for work in works:
        tokens = (work.items or 0) * work.prompt
        passes = math.ceil(tokens / limits("cuda", BATCH_SIZE).read)
        products = speed.products(shape.in_products(tokens, 0), assumptions.SCORING)
        total += max(passes * python, products)
    return total


def token(shape: Shape, speed: Speed, read: float, batch: int, variant: str) -> float:
    """Seconds in which a variant generates one token for each answer in a batch. `read`: the bytes
    of weights, keys and values to be read."""
    python = shape.layers * assumptions.PASSED_LAYER[variant]
    reading = read / (speed.bandwidth * assumptions.BANDWIDTH)
    return max(
        python, reading, speed.products(shape.in_products(batch, batch), assumptions.SCORING)
    )


def generation(
    shape: Shape, speed: Speed, weights: float, tasks: Sequence[tuple[Work, int]], variant: str
) -> float:
    """An upper bound for the seconds in which a variant generates its answers. It assumes that
    every batch continues to the task's maximum length. `weights`: bytes of weights read per token;
    `tasks`: tasks, each with its batch size."""
    total = 0.0
    for work, batch in tasks:
        cache = batch * batches.cached(sizes_of(shape), work.prompt + work.written / 2)
        number = math.ceil((work.items or 0) / batch)
        total += number * work.written * token(shape, speed, weights + cache, batch, variant)
    return total


def speed_of(gpu: Gpu, in_fp32: bool) -> Speed:
    """A GPU's speed in 16 bits. With `in_fp32`, the GPU's speed in fp32 without tensor cores."""
    return Speed(gpu.tflops_fp32 if in_fp32 else gpu.tflops, gpu.bandwidth)
