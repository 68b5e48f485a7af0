"""Predicts how long each part of a run takes on a GPU. docs/plan.md compares the predictions with
published figures.

A pass through the model takes as long as its slowest part. The parts are the matrix products and
the Python code that launches the kernels. In generation, the third part is reading the weights,
keys and values. The time of the Python code does not depend on the GPU.

The forward pass takes two operations per parameter and token. The backward pass of LoRA takes two
more, not four, because the frozen weights need no gradients. With gradient checkpointing,
recomputing the activations takes two more.

The matrix products inside attention are left out: queries with keys, and attention weights with
values. In the published figures, a token takes the same time in rows of 2,048 and of 8,192 tokens,
so these products do not matter there."""

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
from kotune.score.likelihood.reading import limits
from kotune.score.model import BATCH_SIZE


@dataclass(frozen=True)
class Schedule:
    """The training schedule of a recipe.

    - `batch_size`: examples per optimizer step; with packing, rows of `sequence_len` tokens
    - `steps`: optimizer steps of the whole training
    - `evaluations`: passes over the validation data; a fraction if training ends within an epoch
    - `pad_to`: the length of a batch is padded to a multiple of this number of tokens"""

    batch_size: int
    steps: int
    packing: bool
    sequence_len: int
    evaluations: float
    pad_to: int

    def row(self, longest: int) -> int:
        """The length in tokens, padding included, of a row in the batch that has the longest
        example. `longest`: the number of tokens of that example."""
        if self.packing:
            return self.sequence_len
        return padded(min(longest, self.sequence_len), self.pad_to)


@dataclass(frozen=True)
class Speed:
    """The speed of a device. `tflops`: its peak in the run's precision; `bandwidth`: bytes per
    second. `waits`: whether a pass takes at least the time of the Python code that launches
    kernels. True for a GPU. False for a CPU, where this time is ignored."""

    tflops: float
    bandwidth: float
    waits: bool = True

    def products(self, weights: float, share: float) -> float:
        """Seconds of the matrix products of one forward pass. `weights`: the number of weights that
        each token is multiplied with, summed over the tokens (Shape.in_products). `share`: the
        share of `tflops` that is reached."""
        return 2 * weights / (self.tflops * 1e12 * share)


def steps(counted: Counted, batch_size: int, epochs: float, packed: int | None) -> int:
    """The number of optimizer steps. `batch_size`: examples, or packed rows, per step. `packed`:
    the number of tokens of a packed row; None without packing.

    The number is computed as in Axolotl, which rounds differently from transformers."""
    if packed is None:
        return max(math.ceil(counted.rows * epochs / batch_size), 1)
    rows = math.ceil(counted.tokens / (packed * assumptions.PACKED))
    return max(math.floor(max(rows // batch_size, 1) * epochs), 1)


def batch_tokens(counted: Counted, micro: int, pad_to: int) -> float:
    """The mean number of tokens of a padded micro-batch. `micro`: the number of its examples.
    `pad_to`: as in Schedule. Each example is padded to the longest example of its micro-batch."""
    number = len(counted.lengths)
    # The expected length of the longest of `micro` random examples. Its rank in the sorted lengths
    # is at most `rank` with probability (rank / number) ** micro.
    longest = sum(
        padded(length, pad_to) * ((rank / number) ** micro - ((rank - 1) / number) ** micro)
        for rank, length in enumerate(counted.lengths, 1)
    )
    return micro * longest


def micro_step(shape: Shape, speed: Speed, method: Method, tokens: float, trained: float) -> float:
    """Seconds of training on a micro-batch. `tokens`: the number of its tokens, padding included;
    `trained`: the number of its trained tokens, for which alone the head is computed."""
    passes = _passes(method)
    # Both constants are the time of three passes.
    layer = assumptions.TRAINED_LAYER_4BIT if method.bits == 4 else assumptions.TRAINED_LAYER
    python = speed.waits * layer * shape.layers / 3
    return passes * max(
        python, speed.products(shape.in_products(tokens, trained), assumptions.TRAINING)
    )


def training(
    shape: Shape, speed: Speed, method: Method, schedule: Schedule, counted: Counted, micro: int
) -> float:
    """Seconds of all training steps and of validation. `micro`: the examples, or packed rows, of a
    micro-batch. Validation has only forward passes, so its batches take less time than a step."""
    if schedule.packing:
        tokens = micro * float(schedule.sequence_len)
        trained = tokens * counted.share
    else:
        tokens = batch_tokens(counted, micro, schedule.pad_to)
        trained = micro * counted.mean * counted.share
    validation_batches = counted.validation / schedule.batch_size * schedule.evaluations
    steps = schedule.steps + validation_batches / _passes(method)
    return steps * schedule.batch_size / micro * micro_step(shape, speed, method, tokens, trained)


def _passes(method: Method) -> int:
    """The time of a training step as a multiple of the time of its forward pass. The backward pass
    and the recomputation of activations take as long as the forward pass."""
    return 3 if method.checkpointing else 2


def likelihood(shape: Shape, speed: Speed, works: Sequence[Work], variant: str) -> float:
    """Seconds in which a variant (base or tuned) reads every prompt of all tasks once. For a choice
    task, this gives the log-likelihoods; the few tokens of the choices and their logits are left
    out. For a generation task, this comes before the first token of the answer."""
    python = speed.waits * shape.layers * assumptions.PASSED_LAYER[variant]
    total = 0.0
    for work in works:
        tokens = (work.items or 0) * work.prompt
        passes = math.ceil(tokens / limits("cuda", BATCH_SIZE).read)
        products = speed.products(shape.in_products(tokens, 0), assumptions.SCORING)
        total += max(passes * python, products)
    return total


def token(shape: Shape, speed: Speed, read: float, batch: int, variant: str) -> float:
    """Seconds in which a variant generates one token for each answer in a batch of `batch` answers.
    `read`: the bytes of weights, keys and values that are read for this token."""
    python = shape.layers * assumptions.PASSED_LAYER[variant]
    reading = read / (speed.bandwidth * assumptions.BANDWIDTH)
    return max(
        python, reading, speed.products(shape.in_products(batch, batch), assumptions.SCORING)
    )


def generation(
    shape: Shape, speed: Speed, weights: float, tasks: Sequence[tuple[Work, int]], variant: str
) -> float:
    """The maximum seconds in which a variant generates its answers: every batch is assumed to
    continue to the task's maximum length. `weights`: bytes of weights that are read per token;
    `tasks`: the generation tasks, each with its batch size."""
    total = 0.0
    for work, batch in tasks:
        # On average over its tokens, half of an answer is in the cache.
        cache = batch * batches.cached(sizes_of(shape), work.prompt + work.written / 2)
        number = math.ceil((work.items or 0) / batch)
        total += number * work.written * token(shape, speed, weights + cache, batch, variant)
    return total


def speed_of(gpu: Gpu, in_fp32: bool) -> Speed:
    """A GPU's speed in 16 bits; with `in_fp32`, its speed in fp32 without tensor cores."""
    return Speed(gpu.tflops_fp32 if in_fp32 else gpu.tflops, gpu.bandwidth)
