"""How many answers a GPU's memory holds at once while a model writes them.

Writing is bound by Python code that takes the same time for a token whatever the batch, so a larger
batch is almost free. What an answer holds is derived from the operations of transformers' decoder
and peft's layers, and is compared with every tensor that torch itself makes
(tests/score/test_batches.py)."""

from collections.abc import Sequence
from typing import Any, NamedTuple

MOST = 256  # answers; beyond, the products of one token take a fast GPU longer than Python does
USABLE = 0.9  # of a GPU's memory: an ASSUMPTION, not measured


class Sizes(NamedTuple):
    """What a decoder's answers take follows from these. `number`: bytes of one in its weights and
    cache."""

    layers: int
    hidden: int
    intermediate: int
    heads: int
    kv_heads: int
    head_dim: int
    vocab: int
    number: int = 2


def parts(lm: Any, requests: Sequence[Any], most: int) -> dict[int, list[int]]:
    """Numbers of the requests that lm-eval's HF model `lm` writes in batches of one size, by that
    size, the smallest first: those with the longest prompts are the first to run out of memory. At
    most `most` at once; on a CPU, or with a model whose memory is not known, all in batches of lm's
    own size. It follows from the GPU, the model and the requests alone, so that it is the same for
    base and tuned."""
    sizes = _of_model(lm.model) if lm.device.type == "cuda" else None
    if sizes is None:
        return {min(lm.batch_size_per_gpu, most): [*range(len(requests))]}
    free, found = _free(lm), dict[int, list[int]]()
    for number, request in enumerate(requests):
        prompt, told = request.args
        written = int(told.get("max_gen_toks", lm.max_gen_toks))
        found.setdefault(
            min(at_once(sizes, free, len(lm.tok_encode(prompt)), written), most), []
        ).append(number)
    return dict(sorted(found.items()))


def _free(lm: Any) -> float:
    """Bytes of the GPU's memory that the model leaves."""
    import torch

    tensors = (*lm.model.parameters(), *lm.model.buffers())
    return float(
        torch.cuda.get_device_properties(lm.device).total_memory * USABLE
        - sum(one.nbytes for one in tensors)
    )


def _of_model(model: Any) -> Sizes | None:
    """The sizes of a loaded model, as its configuration says them; None where it does not."""
    told = model.config.get_text_config()
    names = (
        "num_hidden_layers",
        "hidden_size",
        "intermediate_size",
        "num_attention_heads",
        "vocab_size",
    )
    found: list[Any] = [getattr(told, name, None) for name in names]
    if not all(type(size) is int and size > 0 for size in found):
        return None
    layers, hidden, intermediate, heads, vocab = found
    kv_heads = getattr(told, "num_key_value_heads", None) or heads
    head_dim = getattr(told, "head_dim", None) or hidden // heads
    number = model.get_input_embeddings().weight.element_size()
    return Sizes(layers, hidden, intermediate, heads, kv_heads, head_dim, vocab, number)


def at_once(sizes: Sizes, free: float, prompt: float, written: int) -> int:
    """Answers of `written` tokens at most to prompts of so many tokens: the largest power of two,
    up to MOST, that `free` bytes hold; 1 where they hold none."""
    fitting = int(max(free, 0) // of_answer(sizes, prompt, written))
    return min(1 << max(fitting.bit_length() - 1, 0), MOST)


def of_answer(sizes: Sizes, prompt: float, written: int) -> float:
    """Bytes of one answer in a batch at the largest of three moments: when its prompt goes through
    the last layer; when its last token does; and when that token is chosen."""
    last = prompt + written
    reading = cached(sizes, prompt) + prompt * _of_prompt_token(sizes, prompt)
    return max(
        reading, cached(sizes, last) + last * _repeated(sizes), cached(sizes, last) + _logits(sizes)
    )


def cached(sizes: Sizes, tokens: float) -> float:
    """Bytes of the keys and values of so many tokens."""
    return tokens * 2 * sizes.number * sizes.layers * sizes.kv_heads * sizes.head_dim


def _of_prompt_token(sizes: Sizes, prompt: float) -> float:
    """What one layer's MLP makes of a token: maps of the base in its own precision, the adapter's
    in fp32, their sum; beside them the residual and a byte of the attention mask for each token of
    the prompt."""
    return sizes.intermediate * (3 * sizes.number + 8) + 2 * sizes.number * sizes.hidden + prompt


def _repeated(sizes: Sizes) -> int:
    """Keys and values of one layer, repeated for every head, as transformers does for a batch with
    padding."""
    return 2 * sizes.number * sizes.heads * sizes.head_dim


def _logits(sizes: Sizes) -> int:
    """Of the last position: in the model's precision, in fp32, and once more while the next token
    is chosen."""
    return sizes.vocab * (sizes.number + 8)
