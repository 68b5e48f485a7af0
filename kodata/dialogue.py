"""What the dialogue data sets share: clean text, turns of two speakers as chat messages, and a
dialogue as one text.

Guaranteed of messages_of(): user and assistant take turns, the user begins, the assistant ends, and
no turn is empty."""

from collections.abc import Iterable
from hashlib import blake2b
from itertools import groupby
from typing import NamedTuple

from kodata.card import Message, Refused
from kodata.text import clean

# What messages_of() leaves out of a dialogue.
EMPTY, UNASKED, UNANSWERED = (
    "empty utterance",
    "turn before the first question",
    "turn without an answer",
)
_SPEAKERS = {"system": "안내", "user": "A", "assistant": "B"}


class Utterance(NamedTuple):
    """One utterance, with whoever says it: any name, or already a role."""

    speaker: str
    text: str


class Said(NamedTuple):
    """A dialogue as chat messages, and what was left out of it: of EMPTY, UNASKED and
    UNANSWERED."""

    messages: list[Message]
    left_out: tuple[str, ...]


def messages_of(utterances: list[Utterance], named: bool) -> Said | Refused:
    """The utterances as chat messages. `named`: speakers are names, and the first to speak is the
    user; else roles.

    One speaker's utterances in a row become one turn, a line each. Turns of the assistant at the
    beginning and of the user at the end are left out: there is nothing that they answer, or that
    answers them."""
    said = [Utterance(speaker, text) for speaker, raw in utterances if (text := clean(raw))]
    speakers = list(dict.fromkeys(speaker for speaker, _ in said))
    if len(speakers) > 2:
        return Refused("more than two speakers")
    roles = (
        dict(zip(speakers, ("user", "assistant"), strict=False))
        if named
        else {name: name for name in speakers}
    )
    turns: list[Message] = [
        {"role": roles[speaker], "content": "\n".join(text for _, text in run)}
        for speaker, run in groupby(said, key=lambda utterance: utterance.speaker)
    ]
    begin = int(bool(turns) and turns[0]["role"] == "assistant")
    end = len(turns) - int(bool(turns) and turns[-1]["role"] == "user")
    left_out = {
        EMPTY: len(said) < len(utterances),
        UNASKED: begin > 0,
        UNANSWERED: end < len(turns),
    }
    made = Said(turns[begin:end], tuple(what for what, is_so in left_out.items() if is_so))
    return made if made.messages else Refused("fewer than two turns")


def told(messages: Iterable[Message]) -> str:
    """The messages as one text: a line begins with A for the user and B for the assistant."""
    return "\n".join(f"{_SPEAKERS[turn['role']]}: {turn['content']}" for turn in messages)


def next_turn(messages: list[Message]) -> str:
    """The question for the last turn of a dialogue, which is not shown: one user's turn that holds
    all before it."""
    return f"대화:\n{told(messages[:-1])}\n\n이 대화에 이어질 B의 말을 쓰세요."


def digest(messages: Iterable[Message]) -> int:
    """The same number for the same turns: 8 bytes, so that millions fit in memory."""
    whole = "\0".join(turn["content"] for turn in messages)
    return int.from_bytes(blake2b(whole.encode(), digest_size=8).digest())
