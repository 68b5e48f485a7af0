"""Predicts the peak GPU memory of training and scoring, part by part, in bytes.

The sizes of stored tensors are exact. The other memory of training is derived from the operations
of transformers' decoder, peft's LoRA layers and torch's loss under bf16 autocast. The derived
memory is compared with every tensor that torch allocates for both real architectures
(tests/plan/test_plan.py, benchmarks/plan.py). Memory outside tensors is mainly the CUDA context and
gaps between tensors. This memory is assumed to fit into the share of the GPU that USABLE leaves
free."""

import math
from dataclasses import dataclass

from kotune.plan.shapes import Shape
from kotune.score.batches import Sizes, cached
from kotune.score.contexts import Room

# Axolotl's default: the length of a batch is padded to a multiple of this number
# (core/builders/causal.py of 0.19).
PAD_TO = 64
# Maximum share of a GPU's memory for training without gradient checkpointing, if the recipe does
# not set gradient checkpointing.
LEAN = 0.85
# Bytes per logit in the backward pass of the loss: fp32 log-probabilities, their gradient and the
# gradient of the logits.
LOSS = 12
# Bytes of a log-probability in scoring. It is always fp32, and is stored in addition to the logit
# in the model's precision.
SCORED = 4
# Weights per scale, and scales per second-level scale (bitsandbytes, double quantization).
NF4_BLOCK, NESTED_BLOCK = 64, 256
NF4_TABLES = 16 * 4 + 256 * 4 + 4  # bytes of both code books and of the mean of the scales


@dataclass(frozen=True)
class Method:
    """How a recipe trains. `bits`: the size of a stored linear weight (32, 16 or 4); `trainable`,
    `r`: the adapter's number of parameters and its rank. `in_fp32`: all computed values, and all
    weights that are not stored in 4 bits, have 32 bits."""

    bits: int
    trainable: int
    r: int
    checkpointing: bool
    in_fp32: bool = False


@dataclass(frozen=True)
class Memory:
    """Bytes of each part at the peak of training; `scoring`: all bytes at the peak of scoring."""

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
    """Peak memory. `tokens`: the number of tokens of the largest micro-batch, padding included;
    `headed`: the number of tokens whose logits are in memory at the same time; `scored`: the bytes
    of the largest batch in scoring.

    The peak of training is either at the loss or at the backward pass through the last layer. The
    backward pass keeps the gradients of the MLP in memory."""
    stored, scale = weights(shape, method.bits, method.in_fp32), 2 if method.in_fp32 else 1
    logits, layer = LOSS * headed * shape.vocab, round(scale * tokens * per_token(shape, method.r))
    extra_norms, mlp = shape.norms - 2, 6 * shape.intermediate
    if method.checkpointing:
        # The input of every layer stays in memory. After the loss, the layers are recomputed one at
        # a time.
        kept = scale * tokens * shape.hidden * (2 * shape.layers + 4)
        backward = layer + scale * tokens * round(mlp + (6 + 1.5 * extra_norms) * shape.hidden)
    else:
        kept, backward = shape.layers * layer, scale * tokens * (mlp + 11 * shape.hidden)
    return Memory(
        weights=stored,
        adapter=4 * method.trainable,  # peft stores it in fp32, also with 16-bit and 4-bit weights
        gradients=4 * method.trainable,
        optimizer=8 * method.trainable,  # AdamW: two fp32 moments
        activations=kept + max(backward - logits, 0),
        logits=logits,
        scoring=stored + 4 * method.trainable + scored,
    )


def of_choices(shape: Shape, in_fp32: bool, room: Room, longest: int) -> int:
    """Bytes of a batch of questions whose choices are scored: keys and values, the activations of
    one layer, and the logits. `longest`: the number of tokens of the longest question. A question
    that exceeds the limits in `room` forms a batch of its own."""
    scale = 2 if in_fp32 else 1
    caches = cached(sizes_of(shape, in_fp32), room.read + max(room.keep, longest))
    logits = (2 * scale + SCORED) * room.predict * shape.vocab
    return round(caches + scale * max(room.read, longest) * per_token(shape, 0)) + logits


def per_token(shape: Shape, r: int) -> float:
    """Bytes per token that one layer keeps for its backward pass. This assumes 16 bits, and peft's
    LoRA on all linear layers."""
    query, key = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    normed = 4 * (shape.norms - 2) * shape.hidden + 3 * shape.qk_norms * query
    return 17 * shape.hidden + 8 * shape.intermediate + 9 * query + 10 * key + normed + 14 * r


def weights(shape: Shape, bits: int, in_fp32: bool = False) -> int:
    """Bytes of the stored base model. With 4 bits, the linear layers are NF4 with double
    quantization. Embeddings, head, norms and biases stay in 16 or 32 bits."""
    if bits > 4:
        return bits // 8 * shape.parameters
    rest = (4 if in_fp32 else 2) * (shape.embeddings + shape.rest)
    return rest + shape.layers * sum(nf4(a * b) for a, b in shape.linears.values())


def nf4(number: int) -> int:
    """Bytes of one linear layer in NF4: half a byte per weight, one byte for the scale of each
    block, four bytes for each block of scales, and the tables."""
    blocks = math.ceil(number / NF4_BLOCK)
    return number // 2 + blocks + 4 * math.ceil(blocks / NESTED_BLOCK) + NF4_TABLES


def padded(length: int, pad_to: int) -> int:
    """A length rounded up to a multiple of `pad_to`."""
    return math.ceil(length / pad_to) * pad_to


def sizes_of(shape: Shape, in_fp32: bool = False) -> Sizes:
    """The sizes that determine the memory of generation."""
    widths = (shape.heads, shape.kv_heads, shape.head_dim, shape.vocab)
    return Sizes(shape.layers, shape.hidden, shape.intermediate, *widths, 4 if in_fp32 else 2)
