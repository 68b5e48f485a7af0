"""Turns records into training examples. Records that should not be trained on are dropped. Each is
counted under one reason:

- the source's own reason, if it refuses the record
- empty field: a turn is empty
- oversized: the example has over OVERSIZED characters
- duplicate: an earlier example has the same question and answer
- label conflict: an earlier example has the same question with another label. The earlier one is
  kept."""

from collections import Counter
from collections.abc import Iterable, Iterator

from kodata.card import Message, Record, Refused, Source

# The maximum number of characters of an example. They are about 40,000 tokens, far more than the
# default sequence_len.
OVERSIZED = 100_000


Example = tuple[str, Record, list[Message]]  # split (train or validation), record, chat


def examples(
    records: Iterable[tuple[str, Record]],
    source: Source,
    form: str,
    dropped: Counter[str],
    merge: bool = False,
) -> Iterator[Example]:
    """Yields the examples made from records of a source in a form. `records` has pairs of split and
    record. Dropped records are counted in `dropped` by reason.

    `merge`: a system turn is put at the beginning of the first user turn. Two numbers for each
    example are kept in memory, to detect duplicates."""
    seen: dict[int, int] = {}
    one_answer = form == "label"  # in other forms, a question may have several right answers
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
            dropped["empty field"] += 1  # for example, a turn was only an end-of-turn token
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
    """A chat with its system turn put at the beginning of its first user turn. The arguments are
    the turns of the chat."""
    return [{**user, "content": f"{system['content']}\n\n{user['content']}"}, *rest]


def _joined(messages: list[Message]) -> str:
    """The turns as one text, to compare conversations. Two conversations give the same text only if
    they have the same turns and are trained on the same answers. The separators are control
    characters, which turns cannot contain."""
    return "\0".join([turn["content"] + "\1" * (turn.get("train") is False) for turn in messages])
