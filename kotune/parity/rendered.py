"""Every row as the template renders it, looked at before anything is trained: a template that
refuses a row, leaves out or changes what is said in it, or thinks for the model where the row has a
thought of its own, is told with the row."""

import re
from bisect import bisect_right
from collections.abc import Collection
from functools import cache
from typing import Any, NamedTuple

from kodata.card import Message, TrainingRow
from kodata.errors import brief, shown
from kodata.prepare.output import doc_of
from kotune.errors import StageError

PLAIN = "가"  # what anybody may say
AROUND = 60  # characters of either side that a message shows


class Rendered(NamedTuple):
    """A row's text; `trimmed`: without white space that a turn of it begins with, which the
    template took away."""

    text: str
    trimmed: bool


class Numbered(NamedTuple):
    """A row of train.jsonl or validation.jsonl, with its place for messages."""

    place: str
    row: TrainingRow


def text_of(numbered: Numbered, tokenizer: Any, ends: Collection[str] = ()) -> Rendered:
    """The row as the tokenizer's template renders it. `ends`: texts of which one must follow every
    answer; none is looked for where they are not given. StageError where training on it would not
    be what the row says. Many models' own templates trim every turn, in training and in scoring
    alike: that is no error, but the row is to be counted."""
    messages = numbered.row["messages"]
    try:
        text = str(tokenizer.apply_chat_template(messages, tokenize=False))
    except Exception as error:  # a template may raise whatever it likes
        raise StageError(_refused(numbered, error)) from None
    _check_thoughts(numbered, text, tokenizer)
    at, trimmed = 0, False
    for turn in messages:
        content = turn["content"]
        if (found := text.find(content, at)) < 0:
            content, trimmed = content.strip(), True
            found = text.find(content, at)
        if found < 0:
            raise StageError(_changed(numbered, turn, text[at:]))
        if ends and turn["role"] == "assistant":
            found = _closed(text, content, found, tuple(ends))
            if found < 0:
                raise StageError(_unclosed(numbered, turn, text[at:], ends))
        at = found + len(content)
    return Rendered(text, trimmed)


def _closed(text: str, said: str, at: int, ends: tuple[str, ...]) -> int:
    """Where, from `at` on, an answer stands that an end of turn follows; -1 where none does. Where
    it stands first may be in the template's own words: an answer may be `is`, which is in
    `assistant`."""
    end = _end_of_turn(ends)
    while at >= 0 and not end.match(text, at + len(said)):
        at = text.find(said, at + 1)
    return at


@cache
def _end_of_turn(ends: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(rf"\s*(?:{'|'.join(map(re.escape, ends))})")


def special_tokens(tokenizer: Any) -> dict[int, str]:
    """The names of a tokenizer's special tokens, by their ids; without one that is the unknown
    token alone, which a rare letter becomes."""
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


class TemplatesTokens:
    """How many special tokens a template puts into a chat, by the roles of its turns: a row with
    more has some in its text, which would open or close turns that nobody said."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._special = special_tokens(tokenizer).keys()
        self._known: dict[tuple[str, ...], int] = {}

    def check(self, numbered: Numbered, ids: list[int]) -> None:
        """StageError for a row whose `ids` hold another number of special tokens than its
        template's own."""
        roles = tuple(turn["role"] for turn in numbered.row["messages"])
        if roles not in self._known:
            empty = [{"role": role, "content": PLAIN} for role in roles]
            text = str(self._tokenizer.apply_chat_template(empty, tokenize=False))
            self._known[roles] = self._count(
                self._tokenizer(text, add_special_tokens=False)["input_ids"]
            )
        if (found := self._count(ids)) != self._known[roles]:
            raise StageError(
                f"{_where(numbered)}: {found} special tokens where the template has"
                f" {self._known[roles]}: the row's text has the name of one that is not known here;"
                " take it out of the row"
            )

    def _count(self, ids: list[int]) -> int:
        return sum(map(self._special.__contains__, ids))


def _refused(numbered: Numbered, error: Exception) -> str:
    has_system = numbered.row["messages"][0]["role"] == "system"
    told = brief(error) or type(error).__name__
    mend = (
        "say `system: merge` in its data entry, which puts the system turn into the first user"
        " turn, or " * has_system
    )
    return f"{_where(numbered)}: the template refuses it ({told}); {mend}choose another `template`"


def _changed(numbered: Numbered, turn: Message, rest: str) -> str:
    said = turn["content"]
    # The longest beginning in it.
    known = bisect_right(range(len(said)), False, key=lambda end: said[: end + 1] not in rest)
    begun = rest.find(said[:known])
    made = rest[begun : begun + known + AROUND]
    who = {"assistant": "an answer", "user": "what the user says", "system": "the system turn"}[
        turn["role"]
    ]
    return (
        f"{_where(numbered)}: the template changes {who}:"
        f" {sides(said, made, 'the template makes')}; choose another `template`, one that renders"
        " every turn whole"
    )


def _unclosed(numbered: Numbered, turn: Message, rest: str, ends: Collection[str]) -> str:
    after = rest[rest.find(turn["content"]) + len(turn["content"]) :]
    return (
        f"{_where(numbered)}: the template does not close an answer with an end-of-turn token"
        f" ({' or '.join(sorted({*ends}))}): after {shown(turn['content'][-AROUND:])} it has"
        f" {shown(after[:AROUND]) if after else 'nothing'}; choose another `template`, one that"
        " closes every answer"
    )


def sides(said: str, made: str, has: str) -> str:
    """What a row says, and what was made of it, around the first letter that differs. `has`: the
    words before the latter."""
    at = next(
        (at for at, (a, b) in enumerate(zip(said, made, strict=False)) if a != b),
        min(len(said), len(made)),
    )
    begin = max(0, at - AROUND // 3)
    told, other = (
        "..." * (begin > 0) + shown(text[begin : begin + AROUND]) for text in (said, made)
    )
    return f"the row says {told}, {has} {other}"


def _check_thoughts(numbered: Numbered, text: str, tokenizer: Any) -> None:
    """A thought must be the only one of its answer, and that of a model which thinks."""
    turns = numbered.row["messages"]
    if not any("</think>" in turn["content"] for turn in turns if turn["role"] == "assistant"):
        return
    # The user may name it too.
    if text.count("</think>") > sum(turn["content"].count("</think>") for turn in turns):
        raise StageError(
            f"{_where(numbered)}: its answer has a thought, and the template closes an empty one"
            " before it; say `template: deepseek_r1_think`, which leaves the thought to the row"
        )
    key = doc_of(numbered.row).get("thought") if "doc" in numbered.row else None
    if key and len(tokenizer.encode("<think>", add_special_tokens=False)) > 1:
        raise StageError(
            f"{_where(numbered)}: {key} is a thought, and this model has none (no token <think>);"
            f" take {key} out of the rows, or choose a model that thinks and `template:"
            " deepseek_r1_think`"
        )


def _where(numbered: Numbered) -> str:
    return f"{numbered.place} (guid {numbered.row['guid']})"
