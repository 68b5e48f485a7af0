"""Records become examples, and what should not be learned from is left out and counted: one reason a row, never silently.

Reasons: what a source itself refuses; `empty field`; `oversized`; `duplicate` (the same question and answer again);
`label conflict` (a question again, with another label: the first one stays, in file order).
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from kodata.card import Message, Record, Refused, Source

OVERSIZED = 100_000  # characters of one example: some 40,000 tokens, more than any of the models reads


class Example(NamedTuple):
    """A record on its side, as the chat that is trained."""

    side: str
    record: Record
    messages: list[Message]


def examples(
    records: Iterable[tuple[str, Record]], source: Source, form: str, dropped: Counter[str]
) -> Iterator[Example]:
    """The examples of records with their side; `dropped` counts what is left out. Memory: two numbers an example."""
    seen: dict[int, int] = {}
    one_answer = form == "label"  # of a written answer there may be several that are right
    messages_of = source.messages
    for side, record in records:
        messages = messages_of(record, form)
        if isinstance(messages, Refused):
            dropped[messages.reason] += 1
            continue
        said = [turn["content"] for turn in messages]
        if sum(map(len, said)) > OVERSIZED:
            dropped["oversized"] += 1
            continue
        question, answer = hash(tuple(said[:-1] if one_answer else said)), hash(said[-1])
        if question in seen:
            dropped["duplicate" if seen[question] == answer else "label conflict"] += 1
            continue
        seen[question] = answer
        yield Example(side, record, messages)
