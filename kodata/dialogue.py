"""Functions that the dialogue data sets share. They convert utterances of two speakers to chat
messages, and a dialogue to one text.

messages_of() guarantees that user and assistant alternate, that the user begins and the assistant
ends, and that no turn is empty."""

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
    """One utterance. The speaker is a name or a role."""

    speaker: str
    text: str


class Conversation(NamedTuple):
    """A dialogue as chat messages, and what was dropped from it (EMPTY, UNASKED, UNANSWERED)."""

    messages: list[Message]
    dropped: tuple[str, ...]


def messages_of(utterances: list[Utterance], named: bool) -> Conversation | Refused:
    """The utterances as chat messages. If `named`, speakers are names and the first speaker is the
    user. Otherwise speakers are roles.

    Consecutive utterances of one speaker become one turn, with one line for each utterance. An
    assistant turn at the beginning answers no question, and a user turn at the end has no answer,
    so both are dropped. Refused if there are more than two speakers or fewer than two turns."""
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
    """Joins consecutive utterances of one speaker and gives each turn its role."""
    roles = dict(zip(speakers, ("user", "assistant") if named else speakers, strict=False))
    return [
        {"role": roles[speaker], "content": "\n".join(text for _, text in run)}
        for speaker, run in groupby(spoken, key=lambda utterance: utterance.speaker)
    ]


def transcript(messages: Iterable[Message]) -> str:
    """The messages as one text. Each turn begins with "A: " for the user or "B: " for the
    assistant."""
    return "\n".join(f"{_SPEAKERS[turn['role']]}: {turn['content']}" for turn in messages)


def next_turn(messages: list[Message]) -> str:
    """The prompt that asks for the last turn of a dialogue. It contains all turns before it."""
    return f"대화:\n{transcript(messages[:-1])}\n\n이 대화에 이어질 B의 말을 쓰세요."


def parts_of(messages: list[Message], *more: str) -> Parts:
    """The parts of a chat, and of more texts that a training example may contain. Common to other
    chats may be one of several turns before the last answer, without the system turn and
    thoughts."""
    spoken = tuple(
        after_thought(turn["content"]) if turn["role"] == "assistant" else turn["content"]
        for turn in messages[:-1]
        if turn["role"] != "system"
    )
    texts = (*(turn["content"] for turn in messages), *more)
    return Parts(texts, spoken if len(spoken) > 1 else ())


def digest(messages: Iterable[Message]) -> int:
    """A hash of the texts of a dialogue: 8 bytes, so that millions fit in memory."""
    joined = "\0".join(turn["content"] for turn in messages)
    return int.from_bytes(blake2b(joined.encode(), digest_size=8).digest())
