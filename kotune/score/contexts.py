"""Requests for log-likelihoods that begin alike, as questions that a model reads once.

lm_eval sends a question once for each of its choices, as ids of a context and of a continuation. A
question here holds what all of them begin with, its trunk, and what each choice adds to it. The ids
are lm_eval's own, cut on the left as lm_eval cuts them."""

from collections.abc import Iterator, Sequence
from itertools import takewhile
from typing import Any, NamedTuple

from kotune.errors import StageError

Ids = tuple[int, ...]
Row = tuple[int, Ids]  # the number of a question in its batch, and what is read after its trunk
# lm_eval's: texts, ids of the context, ids of the continuation.
Request = tuple[Any, list[int], list[int]]


class Room(NamedTuple):
    """What a batch may have at most, padding included: ids that are read at once; ids whose keys
    and values are kept; positions at which the whole vocabulary is predicted. A question that is
    larger alone is a batch of its own."""

    read: int
    keep: int
    predict: int


class Choice(NamedTuple):
    """A continuation whose log-likelihood is asked. `request`: the number of lm_eval's request."""

    request: int
    ids: Ids


class Question(NamedTuple):
    """`trunk`: the ids that the model reads for all choices alike, the last `shared` of which are
    continuation already. They predict the first `shared` + 1 ids of every choice."""

    trunk: Ids
    shared: int
    choices: tuple[Choice, ...]

    def rest(self, choice: Choice) -> Ids:
        """What the model reads of a choice after the trunk: all but the last id, which is only
        predicted."""
        return choice.ids[self.shared : -1]

    def after(self, choice: Choice) -> Choice:
        """A choice without the ids that the trunk predicts."""
        return Choice(choice.request, choice.ids[self.shared + 1 :])


def questions(requests: Sequence[Request], max_length: int) -> list[Question]:
    """The questions that requests ask, the longest first, as lm_eval orders them. StageError for a
    continuation that is empty or longer than the model takes. `max_length`: the ids that the model
    reads at most."""
    asked: dict[Ids, list[Choice]] = {}
    for number, (_, context, continuation) in enumerate(requests):
        length = len(continuation)
        if not context or not 0 < length <= max_length:
            raise StageError(
                f"score: a choice has {length:,} tokens after a context of {len(context):,}; the"
                f" model takes 1 to {max_length:,} of a choice after a context of at least 1:"
                " shorten the choice, or leave the item out"
            )
        ids = (*context, *continuation)[-(max_length + 1) :]
        asked.setdefault(ids[:-length], []).append(Choice(number, ids[-length:]))
    return sorted(
        (_question(*one) for one in asked.items()), key=lambda one: (-len(one.trunk), one.trunk)
    )


def _question(context: Ids, choices: list[Choice]) -> Question:
    columns = takewhile(
        lambda ids: len({*ids}) == 1, zip(*(choice.ids[:-1] for choice in choices), strict=False)
    )
    shared = tuple(ids[0] for ids in columns)
    return Question(context + shared, len(shared), tuple(choices))


def fitting(waiting: Sequence[Question], room: Room, max_length: int) -> int:
    """How many of the first questions, the longest first, are one batch: at least one. With padding
    no row of it is longer than `max_length`: a model that has learnt a vector for each position has
    none for more."""
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
    """Rows that go on after trunks of at most `trunk` ids, in batches of at least one row."""
    width = max((len(rest) for _, rest in rows), default=1)
    size = max(1, min(room.keep // (trunk + width), room.predict // width))
    return (rows[start : start + size] for start in range(0, len(rows), size))
