"""Records become examples, and what should not be learned from is left out and counted: one reason
a row, never silently.

Reasons: what a source itself refuses; `empty field`; `oversized`; `duplicate` (the same question
and answer again); `label conflict` (a question again, with another label: the first one stays, in
file order)."""

from collections import Counter
from collections.abc import Iterable, Iterator

from kodata.card import Message, Record, Refused, Source

# Characters of one example: some 40,000 tokens, more than any of the models reads.
OVERSIZED = 100_000


Example = tuple[str, Record, list[Message]]  # a side, a record on it, and the chat that is trained


def examples(
    records: Iterable[tuple[str, Record]],
    source: Source,
    form: str,
    dropped: Counter[str],
    merge: bool = False,
) -> Iterator[Example]:
    """The examples of records with their side; `dropped` counts what is left out. Memory: two
    numbers an example. `merge`: a system turn is put into the first user's turn."""
    seen: dict[int, int] = {}
    one_answer = form == "label"  # of a written answer there may be several that are right
    messages_of = source.messages
    for side, record in records:
        messages = messages_of(record, form)
        if isinstance(messages, Refused):
            dropped[messages.reason] += 1
            continue
        if merge and messages[0]["role"] == "system":
            messages = merged(*messages)
        answer = messages[-1]["content"]
        question = messages[0]["content"] if len(messages) == 2 else _said(messages[:-1])
        if (
            not answer
            or not question
            or (len(messages) > 2 and not all(turn["content"] for turn in messages))
        ):
            dropped["empty field"] += 1  # it was nothing but an end of turn
            continue
        if len(question) + len(answer) > OVERSIZED:
            dropped["oversized"] += 1
            continue
        key, value = hash(question if one_answer else (question, answer)), hash(answer)
        if key in seen:
            dropped["duplicate" if seen[key] == value else "label conflict"] += 1
            continue
        seen[key] = value
        yield side, record, messages


def merged(system: Message, user: Message, *rest: Message) -> list[Message]:
    """A chat whose system turn is the beginning of the first user's turn."""
    return [{**user, "content": f"{system['content']}\n\n{user['content']}"}, *rest]


def _said(messages: list[Message]) -> str:
    """Turns as one text that no other turns have, nor the same turns where other answers are
    trained: clean text holds no controls."""
    return "\0".join([turn["content"] + "\1" * (turn.get("train") is False) for turn in messages])
