"""Neutralizes control text: text in the data that a tokenizer would read as special tokens.
Training and scoring use the same functions.

Changes:
- A special token gets a space after its first character: `<|eot_id|>` becomes `< |eot_id|>`. No
  tokenizer reads this as the token, and people still recognize it.
- End-of-turn tokens at the end of a text are removed. The chat template adds its own.
- White space at the end of a text is removed.
The tags <think> and </think> are kept, because chat templates handle them."""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

from kodata.card import Record, SourceItem
from kodata.text import after_thought, visible_or_empty

# Special tokens: Llama 3 and Qwen (<|...|>), DeepSeek (<｜...｜>), Gemma, Mistral, older Llamas.
_SPECIAL = re.compile(
    r"<\|[^<>|\s]{1,60}\|>|<｜[^<>｜\s]{1,60}｜>|</?s>|"
    r"<(?:bos|eos|pad|unk|mask|start_of_turn|end_of_turn)>|\[/?INST\]|<</?SYS>>"
)
# The tokens that end a turn in these models' templates.
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
# The names of the three changes above.
REWRITTEN, ENDED, SPACED = "special token", "end of turn", "space at the end"


def neutralize(text: str) -> tuple[str, tuple[str, ...]]:
    """Returns the neutralized text and the changes that were made to it: some of REWRITTEN, ENDED
    and SPACED, or none."""
    done: list[str] = []
    if text[-1:].isspace():
        text = text.rstrip()
        done.append(SPACED)
    if "<" not in text and "INST]" not in text:
        return text, tuple(done)
    if (shortened := _without_ends(text)) != text:
        done.append(ENDED)
        shortened = visible_or_empty(shortened)
    spaced = _SPECIAL.sub(lambda match: f"{match[0][0]} {match[0][1:]}", shortened)
    if spaced != shortened:
        done.append(REWRITTEN)
    return spaced, tuple(done)


def _without_ends(text: str) -> str:
    """The text without end-of-turn tokens at its end. Takes linear time for any number of them."""
    end = len(text)
    while token := next((name for name in _ENDS if text.endswith(name, 0, end)), None):
        end -= len(token)
        while end and text[end - 1].isspace():
            end -= 1
    return text[:end]


def neutralize_record(record: Record) -> tuple[Record, tuple[str, ...]]:
    """Returns the record with all its texts neutralized, and the changes that were made, as in
    neutralize()."""
    done: set[str] = set()
    neutral = {key: _neutralize_value(value, done) for key, value in record.items()}
    return (neutral, tuple(sorted(done))) if done else (record, ())


def is_complete(record: Record) -> bool:
    """Whether no text of a neutralized record is empty. In a chat, no turn may be empty, and the
    last answer must have text after its thought."""
    if "" in record.values():
        return False
    turns = record.get("messages")
    return not turns or (
        all(turn["content"] for turn in turns) and bool(after_thought(turns[-1]["content"]))
    )


def are_ready(items: Sequence[SourceItem]) -> bool:
    """True if all items are complete records that need no neutralizing. Their texts must be results
    of clean(). False may also be returned for such records, so each item must then be checked by
    itself.

    One check of the joined texts is much faster than a check of each record, and most batches
    pass."""
    # Texts contain no \0. An empty text leaves two of them side by side.
    try:
        text = "\0".join(chain.from_iterable(map(dict.values, items)))  # type: ignore[arg-type]
    except TypeError:  # not a record, or a record with values other than text
        return False
    return "<" not in text and "INST]" not in text and "\0\0" not in f"\0{text}\0"


def records_of(items: Iterable[SourceItem]) -> Iterator[Record]:
    """The records among the items of a source, neutralized as convert() does for training."""
    return (neutralize_record(item)[0] for item in items if isinstance(item, dict))


def _neutralize_value(value: Any, done: set[str]) -> Any:
    """The value with every text in it neutralized. The changes are added to `done`."""
    if isinstance(value, str):
        text, changes = neutralize(value)
        done.update(changes)
        return text
    if isinstance(value, list):
        return [_neutralize_value(item, done) for item in value]
    if isinstance(value, dict):
        return {key: _neutralize_value(inner, done) for key, inner in value.items()}
    return value
