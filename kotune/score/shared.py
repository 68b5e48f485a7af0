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
from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Any, NamedTuple

from kodata.errors import on_one_line
from kotune.score import memory
from kotune.score.contexts import (
    LEAST_SHARED,
    Choice,
    Ids,
    Question,
    QuestionFamily,
    Request,
    Room,
    Row,
    families,
    fitting,
    fitting_families,
    questions,
    slices,
)

# Limits of a batch, to be multiplied with the batch size. With fewer ids, a GPU would be idle
# between kernels (not measured). More ids would exceed a CPU's caches. `read` is lower than `keep`,
# because an id that is read takes more memory (all activations of a layer) than a kept id (keys and
# values).
ON_CPU, ON_GPU = Room(read=32, keep=128, predict=16), Room(read=256, keep=512, predict=16)
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

Answer = tuple[float, bool]  # a log-likelihood, and whether each id is the most likely one


class TargetId(NamedTuple):
    """A token id, and the row and position of the logits that predict it."""

    row: int
    position: int
    id: int


class Trunks(NamedTuple):
    """The trunks of a batch after the model has read them. A trunk is the context of a question and
    the ids that all of its choices share. `mask`: the attention mask [question, id], left-padded;
    `cache`: the keys and values."""

    mask: Any
    cache: Any


class ReadPrefixes(NamedTuple):
    """The prefixes of some families after the model has read them. `row`: the row of each prefix.
    `mask`: the attention mask [row, id], left-padded; `cache`: the keys and values. Families
    without a prefix have no cache."""

    row: dict[Ids, int]
    mask: Any
    cache: Any = None


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
    out = _forward(lm, ids, torch.ones_like(ids), torch.zeros_like(ids), 1, use_cache=True)
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


def loglikelihoods(lm: Any, requests: Sequence[Request], disable_tqdm: bool) -> list[Answer]:
    """The answer to each request, in order. Each answer is also added to lm_eval's cache, unless
    its request is a part of a longer text. `lm`: the model, an object of model_class()."""
    from tqdm import tqdm

    done = dict[int, Answer]()
    with tqdm(
        total=len(requests),
        disable=disable_tqdm or lm.rank != 0,
        desc="Running loglikelihood requests",
    ) as progress:
        left = _Left(families(questions(requests, lm.max_length), lm.most_with_prefix))
        while left:
            tokens, answers = memory.within_memory(lm, lambda: _next_batch(lm, left))
            for number, answer in answers.items():
                texts = requests[number][0]
                if texts is not None:  # None: part of a text; lm_eval caches whole texts
                    lm.cache_hook.add_partial("loglikelihood", texts, answer)
            done |= answers
            progress.update(len(answers))
            if not disable_tqdm and lm.meter:
                lm.meter.add(len(answers), tokens)
    return [done[number] for number in range(len(requests))]


def _tokens(question: Question) -> int:
    """The number of ids that the model reads for a question after its prefix. Choices with the same
    Question.rest() share it, so it counts once."""
    rests = {question.rest(choice) for choice in question.choices}
    return len(question.own) + sum(map(len, rests))


def limits(device: str, batch_size: int) -> Room:
    """The limits of a batch on a device of torch's type `device`."""
    return Room(*(batch_size * most for most in (ON_CPU if device == "cpu" else ON_GPU)))


def _room(lm: Any) -> Room:
    """The limits of a batch for a model's current batch size."""
    return limits(lm.device.type, memory.batch_size(lm))


@dataclass
class _Left:
    """The questions that are not answered yet. `waiting`: families whose prefixes are not read.
    `ready`: questions whose prefixes are kept in `prefixes`, the one with most ids of its own
    first. `room`: the limits of a batch when the prefixes were read."""

    waiting: list[QuestionFamily]
    ready: list[Question] = field(default_factory=list)
    prefixes: ReadPrefixes | None = None
    room: Room | None = None

    def __bool__(self) -> bool:
        return bool(self.waiting or self.ready)


def _next_batch(lm: Any, left: _Left) -> tuple[int, dict[int, Answer]]:
    """Answer a batch of the questions that are left. Returns the number of ids that the model reads
    for it, and the answers to its requests by number of the request."""
    read, room = 0, _room(lm)
    if left.room != room and left.ready:  # memory ran out: fewer prefixes are kept
        again = families(
            [question._replace(prefix=0) for question in left.ready], lm.most_with_prefix
        )
        left.waiting, left.ready = [*again, *left.waiting], []
    if not left.ready:
        left.prefixes = None  # frees the kept prefixes before others are read
        number = fitting_families(left.waiting, room, _most(lm, left.waiting[0].prefix))
        chosen = left.waiting[:number]
        left.prefixes, left.room = _read_prefixes(lm, chosen), room
        left.ready = sorted(
            (question for family in chosen for question in family.questions),
            key=lambda question: -len(question.own),
        )
        left.waiting = left.waiting[number:]
        read = sum(len(family.prefix) for family in chosen)
    assert left.prefixes
    most = _most(lm, left.ready[0].prefix)
    batch = left.ready[: fitting(left.ready, left.prefixes.mask.shape[1], room, most)]
    parts: dict[int, list[Answer]] = {
        choice.request: [] for question in batch for choice in question.choices
    }
    for number, part in _answers(lm, batch, room, left.prefixes):
        parts[number].append(part)
    left.ready = left.ready[len(batch) :]
    return read + sum(map(_tokens, batch)), {
        number: (sum(value for value, _ in ids), all(is_likeliest for _, is_likeliest in ids))
        for number, ids in parts.items()
    }


def _most(lm: Any, prefix: Any) -> float:
    """The largest number of ids in a row of several questions, padding included. `prefix`: what
    they have in common, empty or 0 if nothing."""
    return float(min(lm.max_length, lm.most_with_prefix) if prefix else lm.max_length)


def _read_prefixes(lm: Any, chosen: Sequence[QuestionFamily]) -> ReadPrefixes:
    """Let the model read the prefixes of some families."""
    import torch

    found = dict.fromkeys(family.prefix for family in chosen if family.prefix)
    row = {prefix: number for number, prefix in enumerate(found)}
    if not row:
        return ReadPrefixes({(): 0}, torch.ones(1, 0, dtype=torch.long, device=lm.device))
    ids, mask = _padded(list(row), lm.device, left=True)
    out = _forward(lm, ids, mask, _positions(mask), 1, use_cache=True)
    return ReadPrefixes(row, mask, out.past_key_values)


def _positions(mask: Any) -> Any:
    """The position of each id in its row, without padding. `mask`: an attention mask [row, id]."""
    return (mask.cumsum(1) - 1).clamp(min=0)


def _answers(
    lm: Any, batch: Sequence[Question], room: Room, prefixes: ReadPrefixes
) -> Iterator[tuple[int, Answer]]:
    """For every id of every continuation in a batch, a pair: the request's number, and the answer
    for this id alone."""
    continued: dict[Row, list[Choice]] = {}  # the choices that each row predicts
    for row, question in enumerate(batch):
        for choice in question.choices:
            if rest := question.rest(choice):
                continued.setdefault((row, rest), []).append(question.after(choice))
    trunks, answers = _read_trunks(lm, batch, bool(continued), prefixes)
    yield from answers
    rows = sorted(continued, key=lambda row: -len(row[1]))
    for part in slices(rows, trunks.mask.shape[1], room):
        yield from _read_on(lm, trunks, part, [continued[row] for row in part])


def _read_trunks(
    lm: Any, batch: Sequence[Question], use_cache: bool, prefixes: ReadPrefixes
) -> tuple[Trunks, list[tuple[int, Answer]]]:
    """Read the trunks of a batch, each after a copy of its prefix. Returns the trunks, and answers
    for the ids that the trunks predict: for each choice, the shared ids and the first id after
    them."""
    import torch

    keep = max(question.shared for question in batch) + 1
    ids, own = _padded([question.own for question in batch], lm.device, left=True)
    rows = [prefixes.row[question.trunk[: question.prefix]] for question in batch]
    chosen = torch.tensor(rows, device=lm.device)
    mask = torch.cat([prefixes.mask[chosen], own], 1)
    positions = _positions(mask)[:, -ids.shape[1] :]
    after: dict[str, Any] = {"use_cache": use_cache}
    if prefixes.cache is not None:
        after = {"use_cache": True, "past_key_values": _copied(prefixes.cache, chosen)}
    out = _forward(lm, ids, mask, positions, keep, **after)
    targets = [
        (choice.request, TargetId(row, keep - 1 - question.shared + i, choice.ids[i]))
        for row, question in enumerate(batch)
        for choice in question.choices
        for i in range(question.shared + 1)
    ]
    trunks = Trunks(mask, out.past_key_values if use_cache else None)
    return trunks, _predicted(lm, out.logits, targets)


def _read_on(
    lm: Any, trunks: Trunks, rows: Sequence[Row], choices: Sequence[Sequence[Choice]]
) -> list[tuple[int, Answer]]:
    """Let the model read each row after a copy of its trunk, and return the answers that the rows
    predict. `choices`: for each row, the choices whose ids the row predicts."""
    import torch

    chosen = torch.tensor([row for row, _ in rows], device=lm.device)
    before = trunks.mask[chosen]
    ids, mask = _padded([rest for _, rest in rows], lm.device, left=False)
    positions = before.sum(1, keepdim=True) + torch.arange(ids.shape[1], device=lm.device)
    whole = torch.cat([before, mask], 1)
    out = _forward(
        lm, ids, whole, positions, 0, past_key_values=_copied(trunks.cache, chosen), use_cache=True
    )
    targets = [
        (choice.request, TargetId(row, position, target))
        for row, same in enumerate(choices)
        for choice in same
        for position, target in enumerate(choice.ids)
    ]
    return _predicted(lm, out.logits, targets)


def _copied(cache: Any, rows: Any) -> Any:
    """A copy of the given rows of a cache. `rows` can name a row several times. The original stays
    unchanged: the layers that _cache_layers() allows replace their tensors by new ones when they
    are reordered, and never change them in place."""
    copied = copy(cache)
    copied.layers = [copy(layer) for layer in cache.layers]
    copied.reorder_cache(rows)
    return copied


def _padded(rows: Sequence[tuple[int, ...]], device: Any, left: bool) -> tuple[Any, Any]:
    """Ids and attention mask [row, id], padded with zeros to the longest row."""
    import torch

    width = max(map(len, rows))
    gaps = [[0] * (width - len(row)) for row in rows]
    ids = [[*gap, *row] if left else [*row, *gap] for gap, row in zip(gaps, rows, strict=True)]
    ones = [
        [*gap, *[1] * len(row)] if left else [*[1] * len(row), *gap]
        for gap, row in zip(gaps, rows, strict=True)
    ]
    return torch.tensor(ids, device=device), torch.tensor(ones, device=device)


def _forward(lm: Any, ids: Any, mask: Any, positions: Any, keep: int, **more: Any) -> Any:
    """The model's output with the logits of the last `keep` positions (0: all positions). The
    precision is the same as in lm_eval."""
    import torch

    mixed = lm.mixed_precision_dtype
    with torch.no_grad(), torch.autocast(lm.device.type, dtype=mixed, enabled=mixed is not None):
        return lm.model(
            input_ids=ids, attention_mask=mask, position_ids=positions, logits_to_keep=keep, **more
        )


def _predicted(
    lm: Any, logits: Any, targets: Sequence[tuple[int, TargetId]]
) -> list[tuple[int, Answer]]:
    """For each target its log-probability and whether it is the most likely id. `logits`: [row,
    position, vocabulary]."""
    import torch
    from torch.nn.functional import log_softmax

    every = log_softmax(logits, dim=-1, dtype=lm.softmax_dtype)
    rows, positions, ids = torch.tensor([target for _, target in targets], device=logits.device).T
    values = every[rows, positions, ids].tolist()
    likeliest = (every.argmax(-1)[rows, positions] == ids).tolist()
    return [
        (number, (value, is_likeliest))
        for (number, _), value, is_likeliest in zip(targets, values, likeliest, strict=True)
    ]
