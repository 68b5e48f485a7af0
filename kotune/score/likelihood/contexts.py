"""Groups log-likelihood requests by what they have in common, so that a model reads it once.

lm_eval sends one request for each choice of a question. A request has the token ids ("ids") of a
context and of a continuation. A Question has the ids with which all its requests begin (the trunk),
and the continuation of each choice. Long contexts are truncated on the left, as in lm_eval.

Questions often begin with the same ids, too: a system turn, examples, or the premise of several
hypotheses. A QuestionFamily has the questions with a common beginning (the prefix)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, takewhile
from typing import Any, NamedTuple

from kotune.errors import StageError

Ids = tuple[int, ...]
LEAST_SHARED = 16  # ids of a prefix; a shorter one takes hardly any time to read again
Row = tuple[int, Ids]  # the index of a question in its batch, and the ids read after its trunk
# lm_eval's request: texts, ids of the context, ids of the continuation.
Request = tuple[Any, list[int], list[int]]


class Room(NamedTuple):
    """The limits of a batch, padding included. A question that exceeds a limit forms a batch of its
    own.

    - `read`: ids that the model reads at once. Also the limit of the prefixes of a batch
    - `keep`: ids whose keys and values are kept, of the questions and of the choices each
    - `predict`: positions for which logits are computed
    """

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
    the first `shared` + 1 ids of every choice. `prefix`: the number of ids at the trunk's start
    that the question has in common with its family."""

    trunk: Ids
    shared: int
    choices: tuple[Choice, ...]
    prefix: int = 0

    @property
    def own(self) -> Ids:
        """The ids of the trunk after the prefix."""
        return self.trunk[self.prefix :]

    @property
    def width_after(self) -> int:
        """The largest number of ids that the model reads after the trunk, for one choice."""
        return max(len(choice.ids) for choice in self.choices) - self.shared - 1

    def rest(self, choice: Choice) -> Ids:
        """The ids of a choice that the model reads after the trunk. The last id is only
        predicted."""
        return choice.ids[self.shared : -1]

    def after(self, choice: Choice) -> Choice:
        """The choice without the ids that the trunk predicts."""
        return Choice(choice.request, choice.ids[self.shared + 1 :])


def questions(requests: Sequence[Request], max_length: int) -> list[Question]:
    """Group requests with equal contexts into questions. `max_length`: the maximum number of ids
    that the model reads.

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
    return [_question(context, choices) for context, choices in by_context.items()]


def _question(context: Ids, choices: list[Choice]) -> Question:
    """The question of a context. Its trunk is the context and the ids with which all choices begin,
    but never the last id of a choice, because that id is only predicted."""
    columns = takewhile(
        lambda ids: len({*ids}) == 1, zip(*(choice.ids[:-1] for choice in choices), strict=False)
    )
    shared = tuple(ids[0] for ids in columns)
    return Question(context + shared, len(shared), tuple(choices))


class QuestionFamily(NamedTuple):
    """Questions whose contexts begin with the same ids, the prefix. At least one id of every
    context follows it, because the model must read an id to predict the next one."""

    prefix: Ids
    questions: tuple[Question, ...]

    @property
    def width(self) -> int:
        """The largest number of ids in a row of a batch, if all questions are in this batch."""
        questions = self.questions
        own, after = (
            max(len(each.own) for each in questions),
            max(each.width_after for each in questions),
        )
        return len(self.prefix) + own + after


def families(grouped: Sequence[Question], most: float) -> list[QuestionFamily]:
    """Divide questions into families, so that the model reads few ids. The family with the longest
    prefix comes first.

    `most`: the number of ids in a row up to which padding between a prefix and the rest of a
    question changes no answer. Longer questions form families of their own, without a prefix."""
    ordered, found = list[Question](), list[QuestionFamily]()
    for question in sorted(grouped, key=lambda question: question.trunk):
        if len(question.trunk) + question.width_after <= most:
            ordered.append(question)
        else:
            found.append(QuestionFamily((), (question,)))
    for draft in _divided([_common(*pair) for pair in pairwise(ordered)]) if ordered else ():
        alike = [ordered[at] for at in draft.members]
        prefix = alike[0].trunk[: draft.prefix]
        family = QuestionFamily(prefix, tuple(each._replace(prefix=len(prefix)) for each in alike))
        is_alone = not prefix or family.width > most
        found += [QuestionFamily((), (question,)) for question in alike] if is_alone else [family]
    return sorted(found, key=lambda family: (-len(family.prefix), -family.width))


def _common(a: Question, b: Question) -> int:
    """The number of ids with which two contexts begin, except the last id of each. 0 if there are
    fewer than LEAST_SHARED."""
    contexts = (each.trunk[: len(each.trunk) - each.shared - 1] for each in (a, b))
    same = sum(1 for _ in takewhile(lambda ids: ids[0] == ids[1], zip(*contexts, strict=False)))
    return same if same >= LEAST_SHARED else 0


@dataclass(eq=False)
class _Draft:
    """A family while questions are divided. `members`: the places of its questions; `prefix`: the
    length of the prefix."""

    members: list[int]
    prefix: int = 0

    @property
    def saved(self) -> int:
        """The number of ids that are not read again."""
        return (len(self.members) - 1) * self.prefix


def _divided(common: Sequence[int]) -> list[_Draft]:
    """Divide sorted questions into families. `common`: for each question but the last, the number
    of ids that it shares with the next one.

    Questions that are neighbours share most ids, so neighbours are joined first where `common` is
    largest. A family stays as it is from then on if it would save less with the shorter prefix."""
    finished = list[_Draft]()
    # Of the neighbours that were joined: where they start and stop, and the family that may grow.
    stop_of = {at: at + 1 for at in range(len(common) + 1)}
    start_of = {stop: start for start, stop in stop_of.items()}
    growing: dict[int, _Draft | None] = {start: _Draft([start]) for start in stop_of}
    for at in sorted(range(len(common)), key=lambda at: -common[at]):
        if not common[at]:
            break
        start, stop = start_of.pop(at + 1), stop_of.pop(at + 1)
        stop_of[start], start_of[stop] = stop, start
        pair = [draft for draft in (growing[start], growing.pop(at + 1)) if draft]
        grown, stay = _joined(pair, common[at])
        growing[start] = grown
        finished += stay
    return [*finished, *filter(None, growing.values())]


def _joined(pair: Sequence[_Draft], prefix: int) -> tuple[_Draft | None, list[_Draft]]:
    """Join two families, or one, at a shorter prefix. Returns the family that may grow further, and
    those that stay as they are, because they would save less."""
    stay = [draft for draft in pair if len(draft.members) * prefix < draft.saved]
    grow = sorted(
        (draft for draft in pair if draft not in stay), key=lambda draft: len(draft.members)
    )
    if len(grow) == 2:
        small, large = grow
        whole = (len(small.members) + len(large.members) - 1) * prefix
        if whole > small.saved + large.saved:
            large.members.extend(small.members)
            large.prefix = prefix
            return large, stay
        stay.append(large)  # the small one has less to lose when it is joined to others
    return (grow[0] if grow else None), stay


def fitting_families(waiting: Sequence[QuestionFamily], room: Room, most: float) -> int:
    """How many of the waiting families, taken from the first, have their prefixes read together; at
    least 1. `waiting` has the longest prefix first. Families without a prefix are not mixed with
    others. `most`: the maximum number of ids in a row, padding included."""
    prefix, rest = len(waiting[0].prefix), 0
    for number, family in enumerate(waiting, 1):
        rest = max(rest, family.width - len(family.prefix))
        is_full = prefix and (number * prefix > room.read or prefix + rest > most)
        is_mixed = bool(family.prefix) != bool(prefix)
        if number > 1 and (is_full or is_mixed):
            return number - 1
    return len(waiting)


def fitting(waiting: Sequence[Question], prefix: int, room: Room, most: float) -> int:
    """How many of the waiting questions, taken from the first, form the next batch; at least 1.
    `waiting` has the one with most ids of its own first. `prefix`: the number of ids in a row
    before them. In a batch of several questions, no row is longer than `most`. Both numbers include
    padding. Models with learned position embeddings accept no more than their maximum length."""
    own, predicted, after = len(waiting[0].own), 0, 0
    for number, question in enumerate(waiting, 1):
        predicted, after = max(predicted, question.shared + 1), max(after, question.width_after)
        is_full = (
            number * own > room.read
            or number * (prefix + own) > room.keep
            or number * predicted > room.predict
            or prefix + own + after > most
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
