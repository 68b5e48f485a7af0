"""Log-likelihoods with lm-evaluation-harness's HF model class, the context of a question's choices
read once.

Guarantees lm_eval's token ids, cut of long contexts, order of answers and calls of its cache. In
float32 a log-likelihood is within 1e-4 of lm_eval's (tests/score/test_shared.py). It saves the
reading of a context for every choice but the first, and the head, the product with the whole
vocabulary, at every position that predicts nothing of a choice.

Batches are cut by ids, not by items. A model that cannot go on from what it has read is scored by
lm_eval's own code, and so are texts so long that its RoPE scaling turns all of their keys anew."""

import math
from collections.abc import Iterator, Sequence
from copy import copy
from functools import cache, lru_cache
from typing import Any, NamedTuple

from kodata.errors import on_one_line
from kotune.score import memory
from kotune.score.contexts import Choice, Question, Request, Room, Row, fitting, questions, slices

# For each item of the batch size. Fewer ids leave a GPU idle between its kernels (not measured);
# more leave a CPU's caches. An id that is kept costs its keys and values, one that is read all
# activations of a layer.
ON_CPU, ON_GPU = Room(read=32, keep=128, predict=16), Room(read=256, keep=1024, predict=16)
# How far x may be from lm_eval's own, as a part of 1 + |x|: in float32, in anything coarser.
NEAR, COARSE = (1e-3, 0.03)
PROBE: list[
    Request
    # two questions of unlike length, whose choices part at once or later, and one of a single
    # choice
] = [
    (None, [1, 2, 3, 4, 5, 6, 7], [8, 9]),
    (None, [1, 2, 3, 4, 5, 6, 7], [2, 8, 7]),
    (None, [3, 2], [5, 6, 4]),
    (None, [3, 2], [5, 4]),
    (None, [4], [6]),
]

Answer = tuple[float, bool]  # a log-likelihood, and whether each id is the likeliest


class Wanted(NamedTuple):
    """An id whose log-probability is asked of one position of one row of logits."""

    row: int
    position: int
    id: int


class Trunks(NamedTuple):
    """What the model has read of a batch of questions: [question, id] left-padded, and its keys and
    values."""

    mask: Any
    cache: Any


@cache
def model_class(base: Any) -> Any:
    """`base`, lm_eval's HF model class or one made of it, with contexts that are shared and batches
    that fit into memory."""

    class SharedModel(base):  # type: ignore[misc]
        shares: bool | None = None  # whether contexts are shared; None: it is not known yet
        written: list[int] = []  # noqa: RUF012  (batch sizes of answers; set anew by whoever asks for them)
        reads_alike: float  # ids; requests that may be longer are plain lm_eval's
        tok_encode: Any

        def _loglikelihood_tokens(
            self,
            requests: Sequence[Request],
            disable_tqdm: bool = False,
            override_bs: int | None = None,
        ) -> list[Answer]:
            if self.shares is None:
                self.shares = _can_share(self, super()._loglikelihood_tokens)
                self.reads_alike = _read_alike(self.model) if self.shares else 0
            if self.shares and _longest(requests) < self.reads_alike:
                return loglikelihoods(self, requests, disable_tqdm)

            def ask(left: list[Request]) -> list[Answer]:
                return list(
                    super(SharedModel, self)._loglikelihood_tokens(left, disable_tqdm, override_bs)
                )

            return memory.keeping(
                self, "loglikelihood", [(request[0], request) for request in requests], ask, []
            )

        def loglikelihood(self, requests: Any, disable_tqdm: bool = False) -> list[Answer]:
            # lm_eval encodes a context for each of its choices.
            self.tok_encode = lru_cache(4)(self.tok_encode)
            try:
                return list(super().loglikelihood(requests, disable_tqdm))
            finally:
                del self.tok_encode

        def generate_until(self, requests: Any, disable_tqdm: bool = False) -> list[str]:
            def ask(left: list[Any]) -> list[str]:
                return list(super(SharedModel, self).generate_until(left, disable_tqdm))

            return memory.keeping(
                self,
                "generate_until",
                [(request.args, request) for request in requests],
                ask,
                self.written,
            )

    return SharedModel


def _can_share(lm: Any, plain: Any) -> bool:
    """Whether a model can go on from what it has read, which is tried: it must then answer as it
    does to lm_eval. If not, a line says why."""
    try:
        _require_copies(lm)
        of = lm.model.dtype
        apart = _apart(
            loglikelihoods(lm, PROBE, True), plain(PROBE, disable_tqdm=True), "float32" in str(of)
        )
        why = "its answers differ then" if apart else ""
    except Exception as error:  # a model's class may raise whatever it likes
        if memory.is_exhausted(error):
            raise
        why = str(error).partition("\n")[0] or type(error).__name__
    if why:
        print(
            f"contexts are read anew for each choice, by plain lm_eval: {on_one_line(why)}",
            flush=True,
        )
    return not why


def _require_copies(lm: Any) -> None:
    """TypeError for a model whose keys and values are not known to be right when they are copied to
    other rows."""
    import torch
    from transformers.cache_utils import DynamicCache, DynamicLayer, DynamicSlidingWindowLayer

    if lm.backend != "causal":
        raise TypeError("the model has an encoder")
    ids = torch.tensor([[1]], device=lm.device)
    made = _forward(
        lm, ids, torch.ones_like(ids), torch.zeros_like(ids), 1, use_cache=True
    ).past_key_values
    kinds = {type(layer) for layer in getattr(made, "layers", ())}
    if type(made) is not DynamicCache or not kinds <= {DynamicLayer, DynamicSlidingWindowLayer}:
        raise TypeError(
            f"{type(made).__name__} of {', '.join(sorted(kind.__name__ for kind in kinds))} is not"
            " known here"
        )


def _read_alike(model: Any) -> float:
    """From how many ids on the keys of a model depend on how many it reads, infinite for most. RoPE
    scaling `dynamic` and `longrope` (transformers' dynamic_rope_update) turn all keys of a longer
    text otherwise, but not those that are kept."""
    bounds = [math.inf]
    for module in model.modules():
        kinds = getattr(module, "rope_type", None)
        told = kinds.items() if isinstance(kinds, dict) else [(None, kinds)]
        for layers in (
            layers for layers, kind in told if kind == "longrope" or "dynamic" in str(kind)
        ):
            scaled = (
                module.config.rope_parameters
                if layers is None
                else module.config.rope_parameters[layers]
            )
            most = module.config.max_position_embeddings
            bounds.append(min(most, scaled.get("original_max_position_embeddings", most)))
    return min(bounds)


def _longest(requests: Sequence[Request]) -> int:
    """Ids that a row may have at most, however questions are put together in batches."""
    return max((len(ids[1]) for ids in requests), default=0) + max(
        (len(ids[2]) for ids in requests), default=0
    )


def _apart(ours: list[Answer], theirs: list[Answer], is_float32: bool) -> bool:
    tolerance = NEAR if is_float32 else COARSE
    return any(
        not abs(a - b) <= tolerance * (1 + abs(b))
        for (a, _), (b, _) in zip(ours, theirs, strict=True)
    )


def loglikelihoods(lm: Any, requests: Sequence[Request], disable_tqdm: bool) -> list[Answer]:
    """The answer to each request, in order; lm_eval's cache has been told of it."""
    from tqdm import tqdm

    waiting, found = questions(requests, lm.max_length), dict[int, Answer]()
    with tqdm(
        total=len(requests),
        disable=disable_tqdm or lm.rank != 0,
        desc="Running loglikelihood requests",
    ) as progress:
        while waiting:
            batch, answers = memory.within_memory(lm, lambda: _next_batch(lm, waiting))  # noqa: B023  (called at once)
            for number, answer in answers.items():
                if (
                    asked := requests[number][0]
                ) is not None:  # None: a part of a text, which lm_eval caches whole
                    lm.cache_hook.add_partial("loglikelihood", asked, answer)
            found |= answers
            waiting = waiting[len(batch) :]
            progress.update(len(answers))
    return [found[number] for number in range(len(requests))]


def on_device(device: str, batch_size: int) -> Room:
    """What a batch may have at most, on a device of torch's type `device`."""
    return Room(*(batch_size * most for most in (ON_CPU if device == "cpu" else ON_GPU)))


def _next_batch(
    lm: Any, waiting: Sequence[Question]
) -> tuple[Sequence[Question], dict[int, Answer]]:
    """The first of the questions that are one batch, and the answer to each request that is in
    it."""
    room = on_device(lm.device.type, memory.batch_size(lm))
    batch = waiting[: fitting(waiting, room, lm.max_length)]
    parts: dict[int, list[Answer]] = {
        choice.request: [] for question in batch for choice in question.choices
    }
    for number, part in _answers(lm, batch, room):
        parts[number].append(part)
    return batch, {
        number: (sum(value for value, _ in ids), all(is_likeliest for _, is_likeliest in ids))
        for number, ids in parts.items()
    }


def _answers(lm: Any, batch: Sequence[Question], room: Room) -> Iterator[tuple[int, Answer]]:
    """(number of the request, the answer for one id of its continuation), for all of them."""
    goes_on: dict[Row, list[Choice]] = {}  # what is asked of each row
    for row, question in enumerate(batch):
        for choice in question.choices:
            if rest := question.rest(choice):
                goes_on.setdefault((row, rest), []).append(question.after(choice))
    trunks, answers = _read_trunks(lm, batch, bool(goes_on))
    yield from answers
    rows = sorted(goes_on, key=lambda one: -len(one[1]))
    for part in slices(rows, trunks.mask.shape[1], room):
        yield from _read_on(lm, trunks, part, [goes_on[row] for row in part])


def _read_trunks(
    lm: Any, batch: Sequence[Question], use_cache: bool
) -> tuple[Trunks, list[tuple[int, Answer]]]:
    """Reads the trunks of a batch, which answers for the ids of each choice up to the first that is
    not shared."""
    keep = max(question.shared for question in batch) + 1
    ids, mask = _padded([question.trunk for question in batch], lm.device, left=True)
    out = _forward(lm, ids, mask, (mask.cumsum(1) - 1).clamp(min=0), keep, use_cache=use_cache)
    wanted = [
        (choice.request, Wanted(row, keep - 1 - question.shared + at, choice.ids[at]))
        for row, question in enumerate(batch)
        for choice in question.choices
        for at in range(question.shared + 1)
    ]
    return Trunks(mask, out.past_key_values if use_cache else None), _predicted(
        lm, out.logits, wanted
    )


def _read_on(
    lm: Any, trunks: Trunks, rows: Sequence[Row], choices: Sequence[Sequence[Choice]]
) -> list[tuple[int, Answer]]:
    """Reads on after copies of trunks. `choices`: for each row, the ids that are asked, one for
    each that is read."""
    import torch

    chosen = torch.tensor([row for row, _ in rows], device=lm.device)
    before = trunks.mask[chosen]
    ids, mask = _padded([rest for _, rest in rows], lm.device, left=False)
    positions = before.sum(1, keepdim=True) + torch.arange(ids.shape[1], device=lm.device)
    whole = torch.cat([before, mask], 1)
    out = _forward(
        lm, ids, whole, positions, 0, past_key_values=_copied(trunks.cache, chosen), use_cache=True
    )
    wanted = [
        (choice.request, Wanted(row, at, asked))
        for row, same in enumerate(choices)
        for choice in same
        for at, asked in enumerate(choice.ids)
    ]
    return _predicted(lm, out.logits, wanted)


def _copied(read: Any, rows: Any) -> Any:
    """A cache of keys and values with these rows, each as often as it is named. The one that is
    copied stays as it is: no layer of the kinds that _require_copies() lets through changes a
    tensor in place."""
    made = copy(read)
    made.layers = [copy(layer) for layer in read.layers]
    made.reorder_cache(rows)
    return made


def _padded(rows: Sequence[tuple[int, ...]], device: Any, left: bool) -> tuple[Any, Any]:
    """Ids and attention mask, [row, id], with zeros where a row is shorter than the longest."""
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
    """The model's output with logits of the last `keep` positions, 0 for all, in the precision that
    lm_eval would use."""
    import torch

    mixed = lm.mixed_precision_dtype
    with torch.no_grad(), torch.autocast(lm.device.type, dtype=mixed, enabled=mixed is not None):
        return lm.model(
            input_ids=ids, attention_mask=mask, position_ids=positions, logits_to_keep=keep, **more
        )


def _predicted(
    lm: Any, logits: Any, wanted: Sequence[tuple[int, Wanted]]
) -> list[tuple[int, Answer]]:
    """For each wanted id of `logits` [row, position, word] its log-probability and whether it is
    the likeliest one."""
    import torch
    from torch.nn.functional import log_softmax

    every = log_softmax(logits, dim=-1, dtype=lm.softmax_dtype)
    rows, positions, ids = torch.tensor([asked for _, asked in wanted], device=logits.device).T
    values, likeliest = (
        every[rows, positions, ids].tolist(),
        every.argmax(-1)[rows, positions] == ids,
    )
    return [
        (number, (value, is_likeliest))
        for (number, _), value, is_likeliest in zip(wanted, values, likeliest.tolist(), strict=True)
    ]
