"""Computes log-likelihoods with lm-evaluation-harness's HF model class. What questions have in
common is read only once: the context of a question's choices, and the beginning of several
questions, such as a system turn or a premise.

Token ids, truncation of long contexts, order of answers and calls of lm_eval's cache are the same
as in lm_eval. In float32 a log-likelihood is within 1e-4 of lm_eval's (tests/score/test_shared.py,
test_families.py). lm_eval reads the context for each choice again. It also computes logits at
positions that predict no choice. This module does neither. Where two requests have the same ids but
split them differently into context and continuation, lm_eval (0.4.11) confuses their logits; this
module does not.

There is padding between the beginning of several questions and the rest of a question. Therefore it
is shared only in models with rotary position embeddings, and only as far as sliding windows reach.

The number of token ids limits the size of a batch, not the number of items. lm_eval's own code is
used in two cases: the model cannot continue from its cache, or a text is so long that RoPE scaling
changes all of its keys."""

import math
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Any

from kodata.errors import on_one_line
from kotune.score import memory
from kotune.score.likelihood.contexts import LEAST_SHARED, Request
from kotune.score.likelihood.reading import Answer, forward, loglikelihoods

# A log-likelihood of PROBE may differ from lm_eval's value x by at most this number times 1 + |x|.
# NEAR is for float32, COARSE for lower precisions.
NEAR, COARSE = 1e-3, 0.03
# Test requests: two questions with two choices each and different lengths, and a question with a
# single choice. The choices of the first question differ from their first id on, those of the
# second question from their second id on. The others are two families of two questions each, with
# prefixes, questions and choices of different lengths.
_SHORT = [9 - at % 8 for at in range(LEAST_SHARED)]
_LONG = [1 + at % 9 for at in range(LEAST_SHARED + 2)]
PROBE: list[Request] = [
    (None, [1, 2, 3, 4, 5, 6, 7], [8, 9]),
    (None, [1, 2, 3, 4, 5, 6, 7], [2, 8, 7]),
    (None, [3, 2], [5, 6, 4]),
    (None, [3, 2], [5, 4]),
    (None, [4], [6]),
    (None, [*_LONG, 3], [5, 6, 7]),
    (None, [*_LONG, 3], [6, 2]),
    (None, [*_LONG, 4, 7, 6], [5, 2]),
    (None, [*_LONG, 4, 7, 6], [3, 2, 4]),
    (None, [*_SHORT, 3], [4]),
    (None, [*_SHORT, 4, 5], [6, 3]),
]


@cache
def model_class(base: Any) -> Any:
    """A subclass of `base` (lm_eval's HF model class or a subclass) with shared contexts and with
    batches that fit into memory."""

    class SharedModel(base):  # type: ignore[misc]
        shares: bool | None = None  # whether contexts are shared; None: not tried yet
        generation_batches: list[int] = []  # noqa: RUF012  (batch sizes of generated answers; each caller sets its own)
        shared_below: float  # contexts are shared if _longest() of the requests is below this
        # Rows up to this number of ids may have padding after a prefix. 0: no prefix is shared.
        most_with_prefix: float = 0
        tok_encode: Any
        meter: Any = None  # counts answers and tokens (kotune.worker.meter); None: not counted

        def _loglikelihood_tokens(
            self,
            requests: Sequence[Request],
            disable_tqdm: bool = False,
            override_bs: int | None = None,
        ) -> list[Answer]:
            plain = super()._loglikelihood_tokens
            if self.shares is None:
                self.shares = _can_share(self, plain)
                self.shared_below = _shared_below(self.model) if self.shares else 0
            if self.meter:
                self.meter.expect(len(requests))
            if self.shares and _longest(requests) < self.shared_below:
                return loglikelihoods(self, requests, disable_tqdm)

            def ask(left: list[Request]) -> list[Answer]:
                return list(plain(left, disable_tqdm, override_bs))

            keyed = [(request[0], request) for request in requests]
            return memory.answers_within_memory(self, "loglikelihood", keyed, ask, [])

        def loglikelihood(self, requests: Any, disable_tqdm: bool = False) -> list[Answer]:
            # The encodings are cached, because lm_eval encodes a context again for each choice.
            self.tok_encode = lru_cache(4)(self.tok_encode)
            try:
                return list(super().loglikelihood(requests, disable_tqdm))
            finally:
                del self.tok_encode

        def generate_until(self, requests: Any, disable_tqdm: bool = False) -> list[str]:
            plain = super().generate_until

            def ask(left: list[Any]) -> list[str]:
                return list(plain(left, disable_tqdm))

            keyed = [(request.args, request) for request in requests]
            return memory.answers_within_memory(
                self, "generate_until", keyed, ask, self.generation_batches
            )

    return SharedModel


def _can_share(lm: Any, plain: Any) -> bool:
    """Whether a model can continue from its cache. Also sets its `most_with_prefix`. The model
    answers the test requests of PROBE, and its log-likelihoods must match lm_eval's. If they do
    not, or if an error occurs, a line with the reason is printed. `plain`: lm_eval's own method.
    Raises torch's error if the GPU runs out of memory."""
    try:
        lm.most_with_prefix = _most_with_prefix(lm.model, _cache_layers(lm))
        theirs = plain(PROBE, disable_tqdm=True)
        differ = _differ(loglikelihoods(lm, PROBE, True), theirs, lm)
        if differ and lm.most_with_prefix:
            lm.most_with_prefix = 0
            differ = _differ(loglikelihoods(lm, PROBE, True), theirs, lm)
        why = "the answers with shared contexts differ" if differ else ""
    except Exception as error:  # a model's class may raise any exception
        if memory.is_exhausted(error):
            raise
        why = str(error).partition("\n")[0] or type(error).__name__
    if why:
        print(
            f"contexts are not shared between choices; plain lm_eval is used: {on_one_line(why)}",
            flush=True,
        )
    return not why


def _cache_layers(lm: Any) -> list[Any]:
    """The layers of a model's cache. Raises TypeError if they cannot be copied safely to other
    rows. Only decoders with known kinds of caches are supported."""
    import torch
    from transformers.cache_utils import DynamicCache, DynamicLayer, DynamicSlidingWindowLayer

    if lm.backend != "causal":
        raise TypeError("the model has an encoder")
    ids = torch.tensor([[1]], device=lm.device)
    out = forward(lm, ids, torch.ones_like(ids), torch.zeros_like(ids), 1, use_cache=True)
    cache = out.past_key_values
    kinds = {type(layer) for layer in getattr(cache, "layers", ())}
    if type(cache) is not DynamicCache or not kinds <= {DynamicLayer, DynamicSlidingWindowLayer}:
        raise TypeError(
            f"a {type(cache).__name__} of {', '.join(sorted(kind.__name__ for kind in kinds))} is"
            " not supported"
        )
    return list(cache.layers)


def _most_with_prefix(model: Any, cache_layers: Sequence[Any]) -> float:
    """The number of ids in a row up to which padding after a prefix changes no answer: the smallest
    sliding window. Infinite without one. 0 without rotary position embeddings, which depend on
    the given positions alone. ALiBi and local attention can count padding as distance."""
    if not any(type(module).__name__.endswith("RotaryEmbedding") for module in model.modules()):
        return 0
    windows = (getattr(layer, "sliding_window", math.inf) for layer in cache_layers)
    return min(windows, default=math.inf)


def _shared_below(model: Any) -> float:
    """The smallest length of a text, in ids, at which the model's keys can depend on this length.
    Infinite for most models.

    The RoPE scalings `dynamic` and `longrope` (transformers' dynamic_rope_update) rotate all keys
    of a longer text differently. Keys already in the cache are not updated."""
    bounds = [math.inf]
    for module in model.modules():
        kinds = getattr(module, "rope_type", None)
        for layers, kind in kinds.items() if isinstance(kinds, dict) else [(None, kinds)]:
            if kind != "longrope" and "dynamic" not in str(kind):
                continue
            parameters = module.config.rope_parameters
            scaled = parameters if layers is None else parameters[layers]
            most = module.config.max_position_embeddings
            bounds.append(min(most, scaled.get("original_max_position_embeddings", most)))
    return min(bounds)


def _longest(requests: Sequence[Request]) -> int:
    """An upper bound for the ids in one row of a batch, however the questions are grouped: the
    longest context plus the longest continuation."""
    contexts = (len(context) for _, context, _ in requests)
    continuations = (len(continuation) for _, _, continuation in requests)
    return max(contexts, default=0) + max(continuations, default=0)


def _differ(ours: list[Answer], theirs: list[Answer], lm: Any) -> bool:
    """Whether a log-likelihood differs from lm_eval's by more than the tolerance, or is NaN."""
    tolerance = NEAR if "float32" in str(lm.model.dtype) else COARSE
    return any(
        not abs(a - b) <= tolerance * (1 + abs(b))
        for (a, _), (b, _) in zip(ours, theirs, strict=True)
    )
