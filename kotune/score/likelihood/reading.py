"""Lets a model read questions in batches, and returns their log-likelihoods.

A row of a batch has the ids of a prefix, of a question and of a choice. Keys and values are kept of
the prefixes of some families, and then of the questions of a batch. Each row continues a copy."""

from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from kotune.score import memory
from kotune.score.likelihood.contexts import (
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
    room = _room(lm)
    if left.room != room and left.ready:  # memory ran out: fewer prefixes are kept
        again = families(
            [question._replace(prefix=0) for question in left.ready], lm.most_with_prefix
        )
        left.waiting, left.ready = [*again, *left.waiting], []
    read = 0 if left.ready else _read_more(lm, left, room)
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


def _read_more(lm: Any, left: _Left, room: Room) -> int:
    """Read the prefixes of the next families, so that their questions are ready. Returns the number
    of ids that the model reads."""
    left.prefixes = None  # frees the kept prefixes before others are read
    number = fitting_families(left.waiting, room, _most(lm, left.waiting[0].prefix))
    chosen = left.waiting[:number]
    left.prefixes, left.room = _read_prefixes(lm, chosen), room
    left.ready = sorted(
        (question for family in chosen for question in family.questions),
        key=lambda question: -len(question.own),
    )
    left.waiting = left.waiting[number:]
    return sum(len(family.prefix) for family in chosen)


def _most(lm: Any, prefix: Ids | int) -> float:
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
    out = forward(lm, ids, mask, _positions(mask), 1, use_cache=True)
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
    out = forward(lm, ids, mask, positions, keep, **after)
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
    out = forward(
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
    unchanged: the layers that shared._cache_layers() allows replace their tensors by new ones when
    they are reordered, and never change them in place."""
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


def forward(lm: Any, ids: Any, mask: Any, positions: Any, keep: int, **more: Any) -> Any:
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
