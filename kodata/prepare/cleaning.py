"""Turns records into training examples. Rows that should not be trained on are dropped and counted,
each under one reason.

Reasons: the source's own reason for a refused row; `empty field`; `oversized`; `duplicate` (the
same question and answer again); `label conflict` (the same question with another label; the first
in file order is kept)."""

from collections import Counter
from collections.abc import Iterable, Iterator

from kodata.card import Message, Record, Refused, Source

# The maximum number of characters of an example: about 40,000 tokens, far above the default
# sequence_len.
OVERSIZED = 100_000


Example = tuple[str, Record, list[Message]]  # split (train or validation), record, chat


def examples(
    records: Iterable[tuple[str, Record]],
    source: Source,
    form: str,
    dropped: Counter[str],
    merge: bool = False,
) -> Iterator[Example]:
    """The examples made from records, each with its split. `dropped` counts the dropped rows by
    reason.

    `merge`: a system turn is put at the beginning of the first user turn. Memory holds two numbers
    for each example, which are needed to detect duplicates."""
    seen: dict[int, int] = {}
    one_answer = form == "label"  # a question with a written answer may have several
    messages_of = source.messages
    for split, record in records:
        messages = messages_of(record, form)
        if isinstance(messages, Refused):
            dropped[messages.reason] += 1
            continue
        if merge and messages[0]["role"] == "system":
            messages = merged(*messages)
        answer = messages[-1]["content"]
        question = messages[0]["content"] if len(messages) == 2 else _joined(messages[:-1])
        if (
            not answer
            or not question
            or (len(messages) > 2 and not all(turn["content"] for turn in messages))
        ):
            dropped["empty field"] += 1  # such as a text that was only an end-of-turn token
            continue
        if len(question) + len(answer) > OVERSIZED:
            dropped["oversized"] += 1
            continue
        key, value = hash(question if one_answer else (question, answer)), hash(answer)
        if key in seen:
            dropped["duplicate" if seen[key] == value else "label conflict"] += 1
            continue
        seen[key] = value
        yield split, record, messages


def merged(system: Message, user: Message, *rest: Message) -> list[Message]:
    """The chat with its system turn put at the beginning of the first user turn."""
    return [{**user, "content": f"{system['content']}\n\n{user['content']}"}, *rest]


def _joined(messages: list[Message]) -> str:
    """Turns as one text, for comparing conversations.

    Conversations that differ in a turn, or in the answers to train on, always give different texts,
    since the separators are control characters, which cleaned text does not have."""
    return "\0".join([turn["content"] + "\1" * (turn.get("train") is False) for turn in messages])
