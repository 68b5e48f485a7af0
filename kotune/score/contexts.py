"""Groups log-likelihood requests with a common beginning into questions, so that a model reads the
beginning once.

lm_eval sends one request for each choice of a question. A request has the token ids ("ids") of a
context and of a continuation. A Question has the ids with which all its requests begin (the trunk),
and the continuation of each choice. Long contexts are truncated on the left, as in lm_eval."""

from collections.abc import Iterator, Sequence
from itertools import takewhile
from typing import Any, NamedTuple

from kotune.errors import StageError

Ids = tuple[int, ...]
Row = tuple[int, Ids]  # the index of a question in its batch, and the ids read after its trunk
# lm_eval's request: texts, ids of the context, ids of the continuation.
Request = tuple[Any, list[int], list[int]]


class Room(NamedTuple):
    """The limits of a batch, padding included. `read`: ids that the model reads at once; `keep`:
    ids whose keys and values are kept; `predict`: positions for which logits are computed. A
    question that exceeds a limit forms a batch of its own."""

    read: int
    keep: int
    predict: int


class Choice(NamedTuple):
    """A continuation whose log-likelihood is computed. `request`: the index of lm_eval's request.
    `ids`: the ids of the continuation."""

    request: int
    ids: Ids


class Question(NamedTuple):
    """A question with its choices. `trunk`: the ids with which all its requests begin. `shared`:
    the number of ids at the trunk's end that belong to the continuations. The trunk thus predicts
    the first `shared` + 1 ids of every choice."""

    trunk: Ids
    shared: int
    choices: tuple[Choice, ...]

    def rest(self, choice: Choice) -> Ids:
        """The ids of a choice that the model reads after the trunk. The last id is only
        predicted."""
        return choice.ids[self.shared : -1]

    def after(self, choice: Choice) -> Choice:
        """The choice without the ids that the trunk predicts."""
        return Choice(choice.request, choice.ids[self.shared + 1 :])


def questions(requests: Sequence[Request], max_length: int) -> list[Question]:
    """Group requests with equal contexts into questions. The longest trunk comes first.
    `max_length`: the maximum number of ids that the model reads.

    Raises StageError for an empty context, and for a continuation that is empty or too long."""
    by_context: dict[Ids, list[Choice]] = {}
    for number, (_, context, continuation) in enumerate(requests):
        length = len(continuation)
        if not context or not 0 < length <= max_length:
            raise StageError(
                f"score: a choice has {length:,} tokens after a context of {len(context):,}; the"
                f" model takes 1 to {max_length:,} tokens of a choice, and at least 1 of a context:"
                " shorten the choice, or remove the item"
            )
        ids = (*context, *continuation)[-(max_length + 1) :]
        by_context.setdefault(ids[:-length], []).append(Choice(number, ids[-length:]))
    grouped = [_question(context, choices) for context, choices in by_context.items()]
    return sorted(grouped, key=lambda question: (-len(question.trunk), question.trunk))


def _question(context: Ids, choices: list[Choice]) -> Question:
    """The question of a context. Its trunk is the context and the ids with which all choices begin,
    but never the last id of a choice, because that id is only predicted."""
    columns = takewhile(
        lambda ids: len({*ids}) == 1, zip(*(choice.ids[:-1] for choice in choices), strict=False)
    )
    shared = tuple(ids[0] for ids in columns)
    return Question(context + shared, len(shared), tuple(choices))


def common_prefix(grouped: Sequence[Question]) -> Ids:
    """The ids with which the contexts of all questions begin. At least one id of every context is
    left out, so that the model has an id to read after the prefix."""
    contexts = [question.trunk[: len(question.trunk) - question.shared] for question in grouped]
    columns = takewhile(lambda ids: len({*ids}) == 1, zip(*contexts, strict=False))
    prefix = tuple(ids[0] for ids in columns)
    return prefix[: min(map(len, contexts), default=0) - 1] if contexts else ()


def fitting(waiting: Sequence[Question], room: Room, max_length: int) -> int:
    """How many of the waiting questions, taken from the first, form the next batch; at least 1.
    `waiting` has the longest trunk first. In a batch of several questions, no row is longer than
    `max_length`, padding included. Models with learned position embeddings accept no more."""
    width, keep, rest = len(waiting[0].trunk), 0, 0
    for number, question in enumerate(waiting, 1):
        keep = max(keep, question.shared + 1)
        rest = max(rest, *(len(choice.ids) - question.shared - 1 for choice in question.choices), 0)
        is_full = (
            number * width > room.read or number * keep > room.predict or width + rest > max_length
        )
        if number > 1 and is_full:
            return number - 1
    return len(waiting)


def slices(rows: Sequence[Row], trunk: int, room: Room) -> Iterator[Sequence[Row]]:
    """Split rows into batches within the limits of `room`, but of at least one row. Each row
    continues a trunk of at most `trunk` ids."""
    width = max((len(rest) for _, rest in rows), default=1)
    size = max(1, min(room.keep // (trunk + width), room.predict // width))
    return (rows[start : start + size] for start in range(0, len(rows), size))
