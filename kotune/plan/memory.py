"""The most GPU memory that training and scoring hold at one moment, part by part, in bytes:
predicted, not measured.

Stored tensors are exact. What training holds beside them was derived from the operations of
transformers' decoder, peft's LoRA layers and torch's loss under bf16 autocast, and is held against
every tensor that torch itself makes of both real architectures (tests/plan/test_plan.py,
benchmarks/plan.py). What no tensor shows, above all the CUDA context and gaps between tensors, is
the share of the GPU that USABLE leaves free: an assumption."""

import math
from dataclasses import dataclass

from kotune.plan.shapes import Shape
from kotune.score.batches import Sizes, cached
from kotune.score.contexts import Room

# tokens: Axolotl pads a batch to a multiple of them where nothing else is said
# (core/builders/causal.py of 0.19)
PAD_TO = 64
# of a GPU's memory that training without gradient checkpointing may take, where a recipe leaves it
# to the run
LEAN = 0.85
# bytes a logit in the loss's backward pass: fp32 log-probabilities, their gradient and that of the
# logits
LOSS = 12
# bytes of a log-probability in scoring, beside the logit in the model's own precision: always fp32
SCORED = 4
# Weights, and blocks, that share one scale (bitsandbytes, double quantization)
NF4_BLOCK, NESTED_BLOCK = (64, 256)
NF4_TABLES = 16 * 4 + 256 * 4 + 4  # bytes beside them: both code books and the mean of the scales


@dataclass(frozen=True)
class Method:
    """How a recipe trains: `bits` of the stored linear weights (32, 16 or 4), the adapter's
    trainable parameters and rank. `in_fp32`: what is not stored in 4 bits, and all that is
    computed, has 32."""

    bits: int
    trainable: int
    r: int
    checkpointing: bool
    in_fp32: bool = False


@dataclass(frozen=True)
class Memory:
    """Bytes by part at the peak of training; `scoring`: the whole of what scoring holds."""

    weights: int
    adapter: int
    gradients: int
    optimizer: int
    activations: int
    logits: int
    scoring: int

    @property
    def training(self) -> int:
        return (
            self.weights
            + self.adapter
            + self.gradients
            + self.optimizer
            + self.activations
            + self.logits
        )

    @property
    def peak(self) -> int:
        return max(self.training, self.scoring)


def peak(shape: Shape, method: Method, tokens: int, headed: int, scored: int) -> Memory:
    """`tokens`: of the largest micro-batch, padding included; `headed`: those of them whose logits
    are in memory at a time; `scored`: bytes of the largest batch in scoring.

    The peak of training is the loss, or the backward pass through the last layer, which holds the
    gradients of an MLP's maps."""
    stored, wide = weights(shape, method.bits, method.in_fp32), 2 if method.in_fp32 else 1
    logits, layer = LOSS * headed * shape.vocab, round(wide * tokens * per_token(shape, method.r))
    more, back = shape.norms - 2, 6 * shape.intermediate
    if method.checkpointing:
        # Each layer's input stays; one layer at a time is computed again, after the loss is
        # through.
        kept = wide * tokens * shape.hidden * (2 * shape.layers + 4)
        again = layer + wide * tokens * round(back + (6 + 1.5 * more) * shape.hidden)
    else:
        kept, again = shape.layers * layer, wide * tokens * (back + 11 * shape.hidden)
    return Memory(
        weights=stored,
        adapter=4 * method.trainable,  # fp32, as peft keeps it over 16-bit and 4-bit weights alike
        gradients=4 * method.trainable,
        optimizer=8 * method.trainable,  # AdamW: two fp32 moments
        activations=kept + max(again - logits, 0),
        logits=logits,
        scoring=stored + 4 * method.trainable + scored,
    )


def chosen(shape: Shape, in_fp32: bool, room: Room, longest: int) -> int:
    """Bytes of a batch of questions whose choices are scored: keys and values, one layer at work,
    logits. `longest`: tokens of the longest question, which is a batch of its own where the batch
    has no room for it."""
    wide = 2 if in_fp32 else 1
    caches = cached(sizes_of(shape, in_fp32), room.read + max(room.keep, longest))
    logits = (2 * wide + SCORED) * room.predict * shape.vocab
    return round(caches + wide * max(room.read, longest) * per_token(shape, 0)) + logits


def per_token(shape: Shape, r: int) -> float:
    """Bytes that one layer keeps of a token for its backward pass, with peft's LoRA on all linear
    maps, in 16 bits."""
    query, key = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    normed = 4 * (shape.norms - 2) * shape.hidden + 3 * shape.qk_norms * query
    return 17 * shape.hidden + 8 * shape.intermediate + 9 * query + 10 * key + normed + 14 * r


def weights(shape: Shape, bits: int, in_fp32: bool = False) -> int:
    """Bytes of the stored base model. At 4 bits the linear maps are NF4 with double quantization;
    embeddings, head, norms and biases keep 16, or 32."""
    if bits > 4:
        return bits // 8 * shape.parameters
    rest = (4 if in_fp32 else 2) * (shape.embeddings + shape.rest)
    return rest + shape.layers * sum(nf4(a * b) for a, b in shape.linears.values())


def nf4(number: int) -> int:
    """Bytes of one linear map's weights: two to a byte, a byte for the scale of each block, four
    for that of each block of scales, and the tables."""
    blocks = math.ceil(number / NF4_BLOCK)
    return number // 2 + blocks + 4 * math.ceil(blocks / NESTED_BLOCK) + NF4_TABLES


def padded(length: int, pad_to: int) -> int:
    """The tokens of an example in a padded batch, whose length is a multiple of `pad_to`."""
    return math.ceil(length / pad_to) * pad_to


def sizes_of(shape: Shape, in_fp32: bool = False) -> Sizes:
    """What the memory of answers that are written follows from."""
    wide = (shape.heads, shape.kv_heads, shape.head_dim, shape.vocab)
    return Sizes(shape.layers, shape.hidden, shape.intermediate, *wide, 4 if in_fp32 else 2)
