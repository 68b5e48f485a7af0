"""Text of the data that a tokenizer would take for its own signs: made plain in the same way for
training and for scoring.

Rewritten: the name of a special token gets a space after its first character (`<|eot_id|>` becomes
`< |eot_id|>`), which no tokenizer takes for its token, and which a reader still knows. Taken away:
ends of turns at the end of a text, which a template adds itself, and white space there, which says
nothing where the turn ends. The signs of a thought, <think> and </think>, stay: templates are
chosen for them."""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

from kodata.card import Record, SourceItem
from kodata.text import after_thought, visible_or_empty

# As in Llama 3 and Qwen (<|...|>), DeepSeek (<｜...｜>), Gemma, Mistral and older Llamas.
_SIGN = re.compile(
    r"<\|[^<>|\s]{1,60}\|>|<｜[^<>｜\s]{1,60}｜>|</?s>|"
    r"<(?:bos|eos|pad|unk|mask|start_of_turn|end_of_turn)>|\[/?INST\]|<</?SYS>>"
)
_ENDS = (
    "<|eot_id|>",
    "<|eom_id|>",
    "<|end_of_text|>",
    "<|endoftext|>",
    "<|im_end|>",
    "<|end|>",
    "<｜end▁of▁sentence｜>",
    "</s>",
    "<eos>",
    "<end_of_turn>",
)
REWRITTEN, ENDED, SPACED = "special token", "end of turn", "space at the end"


def neutralize(text: str) -> tuple[str, tuple[str, ...]]:
    """The text as it is trained and asked, and what was done to it: of REWRITTEN, ENDED and
    SPACED."""
    done: list[str] = []
    if text[-1:].isspace():
        text = text.rstrip()
        done.append(SPACED)
    if "<" not in text and "INST]" not in text:
        return text, tuple(done)
    if (kept := _without_ends(text)) != text:
        done.append(ENDED)
        kept = visible_or_empty(kept)
    if (made := _SIGN.sub(lambda found: f"{found[0][0]} {found[0][1:]}", kept)) != kept:
        done.append(REWRITTEN)
    return made, tuple(done)


def _without_ends(text: str) -> str:
    """In linear time, however many there are."""
    at = end = len(text)
    while found := next((name for name in _ENDS if text.endswith(name, 0, at)), None):
        end = at = at - len(found)
        while at and text[at - 1].isspace():
            end = at = at - 1
    return text[:end]


def neutralize_record(record: Record) -> tuple[Record, tuple[str, ...]]:
    """A record with all its texts plain, and what was done to any of them."""
    done: set[str] = set()
    made = {key: _value(value, done) for key, value in record.items()}
    return (made, tuple(sorted(done))) if done else (record, ())


def is_complete(record: Record) -> bool:
    """Whether no text of a record is empty: of a chat no turn, and not what is said after its last
    thought. Some are empty only when they are made plain."""
    if "" in record.values():
        return False
    turns = record.get("messages")
    return not turns or (
        all(turn["content"] for turn in turns) and bool(after_thought(turns[-1]["content"]))
    )


def are_ready(found: Sequence[SourceItem]) -> bool:
    """Whether all of these are whole records of clean() texts in which nothing is to be made plain:
    of most, one look at many together tells so. Where it says no, each has its own look."""
    try:
        text = "\0".join(chain.from_iterable(map(dict.values, found)))  # type: ignore[arg-type]
    except TypeError:  # no record, or one with more than texts
        return False
    return "<" not in text and "INST]" not in text and "\0\0" not in f"\0{text}\0"


def records_of(found: Iterable[SourceItem]) -> Iterator[Record]:
    """The records among what a source reads, made plain: as they are scored, and as convert()
    trains on them."""
    return (neutralize_record(each)[0] for each in found if isinstance(each, dict))


def _value(value: Any, done: set[str]) -> Any:
    if isinstance(value, str):
        text, changes = neutralize(value)
        done.update(changes)
        return text
    if isinstance(value, list):
        return [_value(item, done) for item in value]
    if isinstance(value, dict):
        return {key: _value(inner, done) for key, inner in value.items()}
    return value
