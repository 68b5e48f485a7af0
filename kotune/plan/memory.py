"""Predicts the peak GPU memory of training and scoring, part by part, in bytes.

The sizes of stored tensors (weights, adapter, gradients, optimizer) are exact. Activations and
logits are computed with formulas. The formulas come from the operations of transformers' decoder,
peft's LoRA layers and torch's loss under bf16 autocast. tests/plan/test_plan.py and
benchmarks/plan.py compare them with every tensor that torch allocates.

A GPU also needs memory outside tensors, mainly for the CUDA context and for gaps between tensors.
It is not computed. It is assumed to fit into the share of the GPU that batches.USABLE leaves free.

In the formulas, a factor such as 17 in `17 * shape.hidden` is the number of bytes per token for
each unit of that width. The factor is a sum over several tensors, with 2 bytes for a 16-bit tensor
and 4 bytes for a 32-bit tensor."""

import math
from dataclasses import dataclass

from kotune.plan.shapes import Shape
from kotune.score.batches import Sizes, cached
from kotune.score.likelihood.contexts import Room

# Axolotl's default: the length of a batch is padded to a multiple of this number of tokens
# (core/builders/causal.py of 0.19).
PAD_TO = 64
# If training without gradient checkpointing needs at most this share of a GPU's memory, a run
# switches checkpointing off, unless the recipe sets it.
LEAN = 0.85
# Bytes per logit in the backward pass of the loss: fp32 log-probabilities, their gradient and the
# gradient of the logits.
LOSS = 12
# Bytes of an fp32 log-probability in scoring. It is in memory in addition to the logit.
SCORED = 4
# bitsandbytes, double quantization: each block of 64 weights has a scale in 8 bits, and each block
# of 256 scales has a second scale in 32 bits.
NF4_BLOCK, NESTED_BLOCK = 64, 256
# Bytes per linear layer: a code book of 16 values for the weights, one of 256 values for the
# scales, and the mean of the scales, all in fp32.
NF4_TABLES = 16 * 4 + 256 * 4 + 4


@dataclass(frozen=True)
class Method:
    """The settings of a recipe that determine memory.

    - `bits`: bits of a stored weight of a linear layer: 32, 16 or 4
    - `trainable`, `r`: the adapter's number of parameters and its rank
    - `checkpointing`: whether gradient checkpointing is on
    - `in_fp32`: whether activations, and weights that are not in 4 bits, are in fp32. Otherwise
      they are in 16 bits."""

    bits: int
    trainable: int
    r: int
    checkpointing: bool
    in_fp32: bool = False


@dataclass(frozen=True)
class Memory:
    """Bytes of each part at the peak of training. `logits` includes what the loss computes from
    them. `scoring`: the bytes of all parts together at the peak of scoring."""

    weights: int
    adapter: int
    gradients: int
    optimizer: int
    activations: int
    logits: int
    scoring: int

    @property
    def training(self) -> int:
        """All bytes at the peak of training."""
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
        """All bytes at the peak of the run."""
        return max(self.training, self.scoring)


def peak(shape: Shape, method: Method, tokens: int, headed: int, scored: int) -> Memory:
    """Peak memory of training and scoring.

    - `tokens`: the number of tokens of the largest micro-batch, padding included
    - `headed`: the number of tokens whose logits are in memory at the same time
    - `scored`: the bytes of the largest batch in scoring, without weights and adapter

    Training has its peak either at the loss or in the backward pass through the last layer."""
    stored, scale = weights(shape, method.bits, method.in_fp32), 2 if method.in_fp32 else 1
    logits, layer = LOSS * headed * shape.vocab, round(scale * tokens * per_token(shape, method.r))
    # `kept`: bytes in memory at both moments. `backward`: further bytes in the backward pass.
    # `mlp_gradients`: bytes per token of the gradients of the MLP's activations in 16 bits.
    extra_norms, mlp_gradients = shape.norms - 2, 6 * shape.intermediate
    if method.checkpointing:
        # The input of every layer is kept. After the loss, the layers are recomputed one at a time.
        kept = scale * tokens * shape.hidden * (2 * shape.layers + 4)
        gradients = round(mlp_gradients + (6 + 1.5 * extra_norms) * shape.hidden)
        backward = layer + scale * tokens * gradients
    else:
        kept = shape.layers * layer
        backward = scale * tokens * (mlp_gradients + 11 * shape.hidden)
    return Memory(
        weights=stored,
        adapter=4 * method.trainable,  # peft stores it in fp32, even if the weights have fewer bits
        gradients=4 * method.trainable,
        optimizer=8 * method.trainable,  # AdamW: two fp32 moments
        # The logits are freed before the backward pass. The sum of activations and logits is thus
        # `kept` plus the larger of `backward` and `logits`.
        activations=kept + max(backward - logits, 0),
        logits=logits,
        scoring=stored + 4 * method.trainable + scored,
    )


def of_choices(shape: Shape, in_fp32: bool, room: Room, longest: int) -> int:
    """Bytes of a batch of questions whose choices are scored: the keys and values of prefixes,
    questions and choices, the activations of one layer, and the logits, without the weights.

    `room`: the limits of a batch. `longest`: the number of tokens of the longest question, which
    may exceed these limits, because it then forms a batch of its own."""
    scale = 2 if in_fp32 else 1
    kept = max(room.read, longest) + 2 * max(room.keep, longest)  # prefixes, questions, choices
    caches = cached(sizes_of(shape, in_fp32), kept)
    logits = (2 * scale + SCORED) * room.predict * shape.vocab
    return round(caches + scale * max(room.read, longest) * per_token(shape, 0)) + logits


def per_token(shape: Shape, r: int) -> float:
    """Bytes of activations per token that one layer keeps for its backward pass. They are computed
    for 16 bits and peft's LoRA of rank `r` on all linear layers. 0 means no LoRA."""
    query, key = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    normed = 4 * (shape.norms - 2) * shape.hidden + 3 * shape.qk_norms * query
    return 17 * shape.hidden + 8 * shape.intermediate + 9 * query + 10 * key + normed + 14 * r


def weights(shape: Shape, bits: int, in_fp32: bool = False) -> int:
    """Bytes of the stored base model. With `bits` 4, the linear layers are stored in NF4 with
    double quantization. Embeddings, head, norms and biases then have 16 bits, or 32 bits with
    `in_fp32`. With `bits` 16 or 32, all weights have this size."""
    if bits > 4:
        return bits // 8 * shape.parameters
    rest = (4 if in_fp32 else 2) * (shape.embeddings + shape.rest)
    return rest + shape.layers * sum(nf4(a * b) for a, b in shape.linears.values())


def nf4(number: int) -> int:
    """Bytes of a linear layer with `number` weights in NF4: half a byte per weight, one byte for
    the scale of each block, four bytes for each block of scales, and NF4_TABLES."""
    blocks = math.ceil(number / NF4_BLOCK)
    return number // 2 + blocks + 4 * math.ceil(blocks / NESTED_BLOCK) + NF4_TABLES


def padded(length: int, pad_to: int) -> int:
    """`length`, rounded up to a multiple of `pad_to`. Both are numbers of tokens."""
    return math.ceil(length / pad_to) * pad_to


def sizes_of(shape: Shape, in_fp32: bool = False) -> Sizes:
    """The sizes of a decoder that determine the memory of generation (score.batches). Keys, values
    and weights have 32 bits with `in_fp32`, otherwise 16."""
    widths = (shape.heads, shape.kv_heads, shape.head_dim, shape.vocab)
    return Sizes(shape.layers, shape.hidden, shape.intermediate, *widths, 4 if in_fp32 else 2)
