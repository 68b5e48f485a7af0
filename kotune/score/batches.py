"""Computes how many answers a model can generate at once in a GPU's memory.

Python code limits the speed of generation. One step generates a token for each answer of a batch.
Python takes the same time for a step at every batch size. So a larger batch generates more answers
in the same time.

The memory of an answer is derived from the operations of transformers' decoder and peft's layers. A
test compares it with every tensor that torch allocates (tests/score/test_batches.py)."""

from collections.abc import Sequence
from typing import Any, NamedTuple

# Maximum number of answers. With more, the matrix products for a token take longer than the Python
# code, even on a fast GPU.
MOST = 256
USABLE = 0.9  # share of a GPU's memory that is used: an ASSUMPTION, not measured


class Sizes(NamedTuple):
    """The sizes of a decoder that determine the memory of an answer. `number`: the bytes of one
    number in the weights, and in the cache of keys and values."""

    layers: int
    hidden: int
    intermediate: int
    heads: int
    kv_heads: int
    head_dim: int
    vocab: int
    number: int = 2


def parts(lm: Any, requests: Sequence[Any], most: int) -> dict[int, list[int]]:
    """Choose a batch size for each request to lm-eval's HF model `lm`. Returns a dict from batch
    size to the indices of its requests. The smallest batch size comes first. Its requests have the
    longest prompts, so a lack of memory shows at the beginning.

    A batch has at most `most` answers. On a CPU, or if the model's memory cannot be computed, all
    requests get lm's own batch size. The result depends only on the GPU, the model and the
    requests, so it is the same for base and tuned."""
    sizes = _of_model(lm.model) if lm.device.type == "cuda" else None
    if sizes is None:
        return {min(lm.batch_size_per_gpu, most): [*range(len(requests))]}
    free, by_size = _free(lm), dict[int, list[int]]()
    for number, request in enumerate(requests):
        prompt, options = request.args
        written = int(options.get("max_gen_toks", lm.max_gen_toks))
        size = min(at_once(sizes, free, len(lm.tok_encode(prompt)), written), most)
        by_size.setdefault(size, []).append(number)
    return dict(sorted(by_size.items()))


def _free(lm: Any) -> float:
    """The bytes that are left for answers: USABLE of the GPU's memory, less the model's tensors."""
    import torch

    tensors = (*lm.model.parameters(), *lm.model.buffers())
    return float(
        torch.cuda.get_device_properties(lm.device).total_memory * USABLE
        - sum(tensor.nbytes for tensor in tensors)
    )


def _of_model(model: Any) -> Sizes | None:
    """The sizes in a loaded model's configuration; None if a size is missing."""
    config = model.config.get_text_config()
    names = (
        "num_hidden_layers",
        "hidden_size",
        "intermediate_size",
        "num_attention_heads",
        "vocab_size",
    )
    values: list[Any] = [getattr(config, name, None) for name in names]
    if not all(type(size) is int and size > 0 for size in values):
        return None
    layers, hidden, intermediate, heads, vocab = values
    kv_heads = getattr(config, "num_key_value_heads", None) or heads
    head_dim = getattr(config, "head_dim", None) or hidden // heads
    number = model.get_input_embeddings().weight.element_size()
    return Sizes(layers, hidden, intermediate, heads, kv_heads, head_dim, vocab, number)


def at_once(sizes: Sizes, free: float, prompt: float, written: int) -> int:
    """The number of answers that fit into `free` bytes, rounded down to a power of two; from 1 to
    MOST. It is 1 even if no answer fits. `prompt`: tokens of a prompt; `written`: maximum tokens of
    an answer."""
    fitting = int(max(free, 0) // of_answer(sizes, prompt, written))
    return min(1 << max(fitting.bit_length() - 1, 0), MOST)


def of_answer(sizes: Sizes, prompt: float, written: int) -> float:
    """Peak bytes of one answer in a batch. `prompt` and `written`: as in at_once(). The peak is at
    one of three moments: the last layer computes the prompt, the last layer computes the last
    token, or the last token is chosen."""
    last = prompt + written
    reading = cached(sizes, prompt) + prompt * _of_prompt_token(sizes, prompt)
    return max(
        reading, cached(sizes, last) + last * _repeated(sizes), cached(sizes, last) + _logits(sizes)
    )


def cached(sizes: Sizes, tokens: float) -> float:
    """Bytes of the keys and values of `tokens` tokens."""
    return tokens * 2 * sizes.number * sizes.layers * sizes.kv_heads * sizes.head_dim


def _of_prompt_token(sizes: Sizes, prompt: float) -> float:
    """Bytes of one prompt token in one layer's MLP: the base's products in its precision, the
    adapter's products in fp32, their sum and the residual. The attention mask adds one byte for
    each of the `prompt` tokens of the prompt."""
    return sizes.intermediate * (3 * sizes.number + 8) + 2 * sizes.number * sizes.hidden + prompt


def _repeated(sizes: Sizes) -> int:
    """Bytes of a token's keys and values in one layer after they are repeated for every head.
    transformers repeats them if a batch has padding."""
    return 2 * sizes.number * sizes.heads * sizes.head_dim


def _logits(sizes: Sizes) -> int:
    """Bytes of the last position's logits: once in the model's precision, once in fp32, and once
    more while the next token is chosen."""
    return sizes.vocab * (sizes.number + 8)
