"""Checks the rendered text of every row before training.

It is an error if the chat template refuses a row, drops or changes its text, or adds an empty
thought to a row that has a thought. A thought is a text in <think> tags before an answer. Every
message names the row's file and line."""

import re
from bisect import bisect_right
from collections.abc import Collection
from functools import cache
from typing import Any, NamedTuple

from kodata.card import Message, TrainingRow
from kodata.errors import brief, shown
from kodata.prepare.output import doc_of
from kotune.errors import StageError

PLAIN = "가"  # a text without special tokens
AROUND = 60  # the number of characters of a text that a message shows


class Rendered(NamedTuple):
    """A row's rendered text. `trimmed`: whether the template removed white space around a turn."""

    text: str
    trimmed: bool


class Numbered(NamedTuple):
    """A row of train.jsonl or validation.jsonl; `location`: file and line, for messages."""

    location: str
    row: TrainingRow


def text_of(numbered: Numbered, tokenizer: Any, ends: Collection[str] = ()) -> Rendered:
    """Render a row with the tokenizer's template and check the text.

    `ends`: end-of-turn tokens. One of them must follow every answer, unless `ends` is empty. Many
    models' own templates remove the white space around every turn, in training and in scoring. This
    is not an error and is returned as `trimmed`.

    Raises StageError if the template refuses the row, if the rendered text lacks a turn or the end
    of a turn, or if a thought is not rendered as in the data."""
    messages = numbered.row["messages"]
    try:
        text = str(tokenizer.apply_chat_template(messages, tokenize=False))
    except Exception as error:  # a template may raise any exception
        raise StageError(_refused(numbered, error)) from None
    _check_thoughts(numbered, text, tokenizer)
    position, trimmed = 0, False
    for turn in messages:
        content = turn["content"]
        if (start := text.find(content, position)) < 0:
            content, trimmed = content.strip(), True
            start = text.find(content, position)
        if start < 0:
            raise StageError(_changed(numbered, turn, text[position:]))
        if ends and turn["role"] == "assistant":
            start = _find_closed(text, content, start, tuple(ends))
            if start < 0:
                raise StageError(_unclosed(numbered, turn, text[position:], ends))
        position = start + len(content)
    return Rendered(text, trimmed)


def _find_closed(text: str, answer: str, start: int, ends: tuple[str, ...]) -> int:
    """The first index from `start` on at which `text` has the answer followed by an end of turn; -1
    if there is none. `start`: the index of an occurrence of the answer.

    An occurrence without an end of turn may be part of the template's own text. For example, the
    answer `is` occurs in `assistant`."""
    end = _end_of_turn(ends)
    while start >= 0 and not end.match(text, start + len(answer)):
        start = text.find(answer, start + 1)
    return start


@cache
def _end_of_turn(ends: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(rf"\s*(?:{'|'.join(map(re.escape, ends))})")


def special_tokens(tokenizer: Any) -> dict[int, str]:
    """The names of a tokenizer's special tokens by id.

    The unknown token is excluded, because ordinary text with rare letters contains it. It is
    included only if it is also the BOS, EOS or padding token."""
    added = getattr(tokenizer, "added_tokens_decoder", {})
    named = dict(zip(tokenizer.all_special_ids, tokenizer.all_special_tokens, strict=True))
    named |= {number: str(token) for number, token in added.items() if token.special}
    if tokenizer.unk_token_id not in (
        tokenizer.bos_token_id,
        tokenizer.eos_token_id,
        tokenizer.pad_token_id,
    ):
        named.pop(tokenizer.unk_token_id, None)
    return named


class SpecialTokenCheck:
    """Checks that the text of a row contains no special tokens. They would open or close turns that
    are not in the data.

    The number of special tokens in the rendered row must be the number that the template writes for
    turns with the same roles."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._special = special_tokens(tokenizer).keys()
        self._known: dict[tuple[str, ...], int] = {}  # by roles: the number the template writes

    def check(self, numbered: Numbered, ids: list[int]) -> None:
        """Raise StageError if a row's text contains a special token. `ids`: the token ids of the
        rendered row."""
        roles = tuple(turn["role"] for turn in numbered.row["messages"])
        if roles not in self._known:
            plain = [{"role": role, "content": PLAIN} for role in roles]
            text = str(self._tokenizer.apply_chat_template(plain, tokenize=False))
            self._known[roles] = self._count(
                self._tokenizer(text, add_special_tokens=False)["input_ids"]
            )
        if (number := self._count(ids)) != self._known[roles]:
            raise StageError(
                f"{_where(numbered)}: {number} special tokens, but the template writes"
                f" {self._known[roles]}: the row's text contains the name of a special token of"
                " this model; remove it from the row"
            )

    def _count(self, ids: list[int]) -> int:
        return sum(map(self._special.__contains__, ids))


def _refused(numbered: Numbered, error: Exception) -> str:
    """The message about a row for which the template raises `error`."""
    has_system = numbered.row["messages"][0]["role"] == "system"
    reason = brief(error) or type(error).__name__
    merge = (
        "set `system: merge` in its data entry, which puts the system turn into the first user"
        " turn, or " * has_system
    )
    return (
        f"{_where(numbered)}: the template refuses it ({reason}); {merge}choose another `template`"
    )


def _changed(numbered: Numbered, turn: Message, rest: str) -> str:
    """The message about a turn that the template drops or changes. `rest`: the rendered text after
    the previous turn."""
    content = turn["content"]
    # The length of the longest beginning of the turn that the rendered text contains.
    length = bisect_right(
        range(len(content)), False, key=lambda end: content[: end + 1] not in rest
    )
    start = rest.find(content[:length])
    rendered = rest[start : start + length + AROUND]
    which = {"assistant": "an answer", "user": "a user turn", "system": "the system turn"}
    shown_difference = difference(content, rendered, "the template renders")
    return (
        f"{_where(numbered)}: the template changes {which[turn['role']]}: {shown_difference};"
        " choose another `template` that renders every turn whole"
    )


def _unclosed(numbered: Numbered, turn: Message, rest: str, ends: Collection[str]) -> str:
    """The message about an answer that no end of turn follows. `rest`: as in _changed()."""
    after = rest[rest.find(turn["content"]) + len(turn["content"]) :]
    return (
        f"{_where(numbered)}: the template does not close an answer with an end-of-turn token"
        f" ({' or '.join(sorted({*ends}))}): {shown(turn['content'][-AROUND:])} is followed by"
        f" {shown(after[:AROUND]) if after else 'nothing'}; choose another `template` that closes"
        " every answer"
    )


def difference(text: str, other: str, label: str) -> str:
    """A part of a message: a row's `text` and the `other` text, both around the first character
    that differs. `label`: the words before the other text."""
    first = next(
        (i for i, (a, b) in enumerate(zip(text, other, strict=False)) if a != b),
        min(len(text), len(other)),
    )
    begin = max(0, first - AROUND // 3)
    excerpt, other_excerpt = (
        "..." * (begin > 0) + shown(part[begin : begin + AROUND]) for part in (text, other)
    )
    return f"the row has {excerpt}, {label} {other_excerpt}"


def _check_thoughts(numbered: Numbered, text: str, tokenizer: Any) -> None:
    """Raise StageError if an answer has a thought and the template adds an empty thought before it.

    Also raise StageError if the thought comes from a field of the data and the model has no token
    <think>."""
    turns = numbered.row["messages"]
    if not any("</think>" in turn["content"] for turn in turns if turn["role"] == "assistant"):
        return
    # The tags of all turns are counted, because a user turn may contain the tag too.
    if text.count("</think>") > sum(turn["content"].count("</think>") for turn in turns):
        raise StageError(
            f"{_where(numbered)}: its answer has a thought, but the template adds an empty one"
            " before it; set `template: deepseek_r1_think`, which adds none"
        )
    key = doc_of(numbered.row).get("thought") if "doc" in numbered.row else None
    if key and len(tokenizer.encode("<think>", add_special_tokens=False)) > 1:
        raise StageError(
            f"{_where(numbered)}: {key} is a thought, but this model has no token <think>; remove"
            f" {key} from the rows, or choose a model that thinks and `template: deepseek_r1_think`"
        )


def _where(numbered: Numbered) -> str:
    return f"{numbered.location} (guid {numbered.row['guid']})"
