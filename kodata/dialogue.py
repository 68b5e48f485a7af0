"""Functions that the dialogue data sets share. They convert the utterances of two speakers into
chat messages, and chat messages into one text."""

from collections.abc import Iterable
from hashlib import blake2b
from itertools import groupby
from typing import NamedTuple

from kodata.card import Message, Parts, Refused
from kodata.text import after_thought, clean

# What messages_of() drops from a dialogue.
EMPTY, UNASKED, UNANSWERED = (
    "empty utterance",
    "turn before the first question",
    "turn without an answer",
)
_SPEAKERS = {"system": "시스템", "user": "A", "assistant": "B"}


class Utterance(NamedTuple):
    """One utterance of a dialogue. `speaker` is a name, or a role (user or assistant)."""

    speaker: str
    text: str


class Conversation(NamedTuple):
    """A dialogue as chat messages, and what was dropped from it (EMPTY, UNASKED, UNANSWERED)."""

    messages: list[Message]
    dropped: tuple[str, ...]


def messages_of(utterances: list[Utterance], named: bool) -> Conversation | Refused:
    """The utterances as chat messages. User and assistant alternate, the user begins, the assistant
    ends, and no turn is empty.

    `named`: speakers are names, and the first speaker is the user. If False, speakers are roles.

    Consecutive utterances of one speaker are joined with line ends into one turn. An assistant turn
    at the beginning and a user turn at the end are dropped. Returns Refused if there are more than
    two speakers, or if fewer than two turns remain."""
    spoken = [Utterance(speaker, text) for speaker, raw in utterances if (text := clean(raw))]
    speakers = list(dict.fromkeys(speaker for speaker, _ in spoken))
    if len(speakers) > 2:
        return Refused("more than two speakers")
    turns = _turns(spoken, speakers, named)
    begin = int(bool(turns) and turns[0]["role"] == "assistant")
    end = len(turns) - int(bool(turns) and turns[-1]["role"] == "user")
    was_dropped = {
        EMPTY: len(spoken) < len(utterances),
        UNASKED: begin > 0,
        UNANSWERED: end < len(turns),
    }
    dropped = tuple(what for what, happened in was_dropped.items() if happened)
    messages = turns[begin:end]
    return Conversation(messages, dropped) if messages else Refused("fewer than two turns")


def _turns(spoken: list[Utterance], speakers: list[str], named: bool) -> list[Message]:
    """The turns of the utterances, each with its role. `speakers` are the distinct speakers in the
    order of their first utterance. `named` is as in messages_of()."""
    roles = dict(zip(speakers, ("user", "assistant") if named else speakers, strict=False))
    return [
        {"role": roles[speaker], "content": "\n".join(text for _, text in run)}
        for speaker, run in groupby(spoken, key=lambda utterance: utterance.speaker)
    ]


def transcript(messages: Iterable[Message]) -> str:
    """The messages as one text. Each turn begins with its speaker: "A: " for the user, "B: " for
    the assistant, "시스템: " for a system turn."""
    return "\n".join(f"{_SPEAKERS[turn['role']]}: {turn['content']}" for turn in messages)


def next_turn(messages: list[Message]) -> str:
    """A prompt that has all turns of a dialogue but the last, and asks for the last one."""
    return f"대화:\n{transcript(messages[:-1])}\n\n이 대화에 이어질 B의 말을 쓰세요."


def parts_of(messages: list[Message], *more: str) -> Parts:
    """The parts of a chat. `more`: further texts that a training example of it may contain.

    Parts.common has the turns before the last answer, without the system turn and without thoughts,
    because other chats may share one of them. It is empty if there is only one such turn."""
    spoken = tuple(
        after_thought(turn["content"]) if turn["role"] == "assistant" else turn["content"]
        for turn in messages[:-1]
        if turn["role"] != "system"
    )
    texts = (*(turn["content"] for turn in messages), *more)
    return Parts(texts, spoken if len(spoken) > 1 else ())


def digest(messages: Iterable[Message]) -> int:
    """An 8-byte hash of the texts of a dialogue. It is short, so that the hashes of millions of
    dialogues fit in memory."""
    joined = "\0".join(turn["content"] for turn in messages)
    return int.from_bytes(blake2b(joined.encode(), digest_size=8).digest())
