"""A line of a chat file becomes turns. Every key that people's files have is used, or told, or
refused by name: none is passed over in silence that says what was meant."""

from collections.abc import Iterable, Iterator
from typing import Any

from kodata.card import Message
from kodata.errors import DataError, did_you_mean, shown
from kodata.reading.files import Row
from kodata.reading.keys import Known, KnownOfShortened, known
from kodata.records import asked
from kodata.text import content, with_thought

ROLES = ("system", "user", "assistant")
PAIRS = {"prompt": "answer", "instruction": "output"}
SHAPES = "messages, or prompt and answer, or instruction and output"
# OpenAI's, Axolotl's (two) and ms-swift's word for whether a turn is trained.
TRAINED = ("weight", "train", "training", "loss")
THOUGHTS = ("reasoning_content", "reasoning", "thinking")
# OpenAI's, old and new.
TOOLS = ("tools", "functions", "tool_calls", "function_call", "tool_call_id")
_ROW = ("guid", "group", "split", "system", *TRAINED)
_ASKS_NOTHING: tuple[Any, ...] = (
    None,
    "",
    "[]",
    "{}",
    "null",
    [],
    {},
)  # what exporters write for no tool; false too
_OF_ANSWER = known("role", "content", *TRAINED, *THOUGHTS, *TOOLS)
_OF_OTHERS = known("role", "content", *TOOLS)
UNTRAINED_END = "untrained end"


def _keys_of(turn: Row) -> Known:
    """The keys that are read of a turn. Nothing but answers is trained: that a question is not, it
    may say; that it is, or a thought of its own, is told as not read."""
    if turn.get("role") == "assistant":
        return _OF_ANSWER
    return {**_OF_OTHERS, **{key: None for key in TRAINED if turn.get(key) == 0}}


def _shortened(row: Row) -> Iterable[str]:
    """UNTRAINED_END where turns() leaves out the last answers of a line, and trains on one before
    them."""
    turns = row.get("messages") or []
    marks = [_is_trained(turn, "") for turn in turns if turn["role"] == "assistant"]
    return [UNTRAINED_END] if any(marks) and not marks[-1] and _is_trained(row, "") else []


# Of rows with `messages`, and of rows with a question and its answer.
KEYS: dict[str, Known] = {
    "messages": KnownOfShortened(known(*_ROW, *TOOLS, messages=_keys_of), _shortened),
    **{key: known(*_ROW, *TOOLS, *THOUGHTS, key, said, "history") for key, said in PAIRS.items()},
}
KEYS["instruction"] = {**KEYS["instruction"], "input": None}


def shape(row: Row, place: str) -> str:
    """The key that tells how a line is written: of KEYS; null beside another is none. Raises
    DataError."""
    shapes = [key for key in KEYS if row.get(key) is not None] or [
        key for key in KEYS if key in row
    ]
    if len(shapes) != 1:
        found = " and ".join(shapes) or f"none of these but {', '.join(row) or 'nothing'}"
        raise DataError(f"{place}: needs {SHAPES}; found {found:.120}")
    return shapes[0]


def turns(row: Row, place: str) -> list[Message]:
    """The turns of a line, a turn that is not to be trained with `train` false. Empty where none
    is. Raises DataError."""
    _refuse_tools(row, place)
    kind = shape(row, place)
    made = _told(row, place) if kind == "messages" else _paired(row, kind, place)
    made = _with_system(row, made, place)
    _check(made, place, len(row["messages"]) - len(made) if kind == "messages" else 0)
    if not _is_trained(row, place):
        return []
    # Nothing is learned from its end.
    while made and made[-1]["role"] == "assistant" and made[-1].get("train") is False:
        del made[-2:]
    return made if any(turn["role"] == "assistant" for turn in made) else []


def _told(row: Row, place: str) -> list[Message]:
    value = row["messages"]
    if not isinstance(value, list) or not value:
        raise DataError(
            f"{place}: messages is {shown(value)}; it must be a list of objects with role and"
            " content"
        )
    first = int(_is_empty_system(value[0]))
    made = [
        _turn(turn, f"{place}: messages.{number}")
        for number, turn in enumerate(value[first:], first)
    ]
    if not made:
        raise DataError(
            f"{place}: messages has an empty system turn alone; add what user and assistant say"
        )
    return made


def _is_empty_system(turn: Any) -> bool:
    """A chat may have no system turn, and many exporters write an empty one then."""
    if not isinstance(turn, dict) or turn.get("role") != "system":
        return False
    said = turn.get("content")
    return said is None or (isinstance(said, str) and not content(said))


def _turn(turn: Any, place: str) -> Message:
    if not isinstance(turn, dict):
        raise DataError(f"{place} is {shown(turn)}; it must be an object with role and content")
    role = turn.get("role")
    _refuse_tools(turn, f"{place}: ")
    if role in ("tool", "function"):
        raise DataError(f"{place}.role is {role}; {_NO_TOOLS}")
    if role not in ROLES:
        what = "missing" if role is None else shown(role)
        raise DataError(f"{place}.role is {what}; mend it{did_you_mean(role, ROLES)}")
    made: Message = {
        "role": role,
        "content": _with_thought(turn, text(turn, "content", place + "."), place, role),
    }
    if role == "assistant" and not _is_trained(turn, place):
        made["train"] = False
    return made


def _paired(row: Row, prompt: str, place: str) -> list[Message]:
    """A question and its answer, after what was said before."""
    question = text(row, prompt, place)
    if prompt == "instruction" and row.get("input") not in (None, ""):
        question += "\n\n" + text(row, "input", place)
    answer = _with_thought(row, text(row, PAIRS[prompt], place), place, "assistant")
    return [*_history(row.get("history"), place), *asked(question, answer)]


def _history(value: Any, place: str) -> Iterator[Message]:
    """[[question, answer], ...], which alpaca's rows have."""
    wanted = "it must be a list of lists of a question and its answer"
    if value in (None, ""):
        return
    if not isinstance(value, list):
        raise DataError(f"{place}: history is {shown(value)}; {wanted}")
    for number, pair in enumerate(value):
        if not isinstance(pair, list) or len(pair) != 2:
            raise DataError(f"{place}: history.{number} is {shown(pair)}; {wanted}")
        said = dict(zip(("0", "1"), pair, strict=True))
        yield from asked(*(text(said, key, f"{place}: history.{number}.") for key in said))


def _with_system(row: Row, made: list[Message], place: str) -> list[Message]:
    """The turns after the line's own `system`, if it has one."""
    if row.get("system") in (None, ""):
        return made
    told: Message = {"role": "system", "content": text(row, "system", place)}
    if made[0]["role"] != "system":
        return [told, *made]
    if made[0]["content"].strip() != told["content"].strip():
        raise DataError(
            f"{place}: system is {shown(told['content'])}, and messages.0 is another system turn;"
            " keep one"
        )
    return made


def _with_thought(turn: Row, said: str, place: str, role: str) -> str:
    """The answer with the thought that stands beside it before it, as DeepSeek-R1 writes it."""
    named = [key for key in THOUGHTS if turn.get(key) not in (None, "")]
    if not named or role != "assistant":
        return said
    if len(named) > 1 or "<think>" in said or "</think>" in said:
        other = named[1] if len(named) > 1 else "a thought in <think> tags"
        raise DataError(f"{place}: {named[0]} and {other} stand beside each other; keep one")
    return with_thought(text(turn, named[0], place), said)


def thought_key(row: Row) -> str | None:
    """The key in which a line's thoughts stand, None where it has none."""
    said = [turn for turn in row.get("messages") or [] if turn["role"] == "assistant"] or [row]
    return next((key for key in THOUGHTS for turn in said if turn.get(key) not in (None, "")), None)


def _refuse_tools(row: Row, place: str) -> None:
    if named := [
        key for key in TOOLS if row.get(key) not in _ASKS_NOTHING and row[key] is not False
    ]:
        raise DataError(
            f"{place.removesuffix(': ')}: {named[0]} is {shown(row[named[0]])}; {_NO_TOOLS}"
        )


_NO_TOOLS = (
    "calls of tools are not trained here, and an answer without its call would be another; remove"
    " the row"
)


def _is_trained(row: Row, place: str) -> bool:
    """What a line or turn says of itself: 1 or true, as without a word, or 0 or false. DataError
    for anything between."""
    said = {key: row[key] for key in TRAINED if row.get(key) is not None}
    for key, value in said.items():
        if value not in (0, 1) or not isinstance(value, (bool, int, float)):
            raise DataError(
                f"{place}: {key} is {shown(value)}; say 1 (train on it) or 0 (do not), or leave"
                " it out"
            )
    return all(said.values())


def text(row: Row, field: str, place: str) -> str:
    """The content() of a field, which must be there and not empty. `place` ends with "." inside a
    turn."""
    where = f"{place}{field}" if place.endswith(".") else f"{place}: {field}"
    value = row.get(field)
    if not isinstance(value, str):
        what = "missing" if value is None else f"{shown(value)}, which is not text"
        raise DataError(f"{where} is {what}; mend or remove the row")
    if not (made := content(value)):
        raise DataError(f"{where} is empty: {shown(value)}; fill it or remove the row")
    return made


def _check(made: list[Message], place: str, before: int) -> None:
    """system or user first; then user and assistant in turns; assistant last. `before`: how many
    turns of the line stand before the first one, less those that were put there."""
    expected = ["system"] if made[0]["role"] == "system" else []
    expected += [("user", "assistant")[number % 2] for number in range(len(made) - len(expected))]
    for number, (turn, role) in enumerate(zip(made, expected, strict=True)):
        if turn["role"] != role:
            where = f"{place}: messages.{number + before}.role"
            raise DataError(
                f"{where} is {turn['role']}, but here must be {role}: an optional system turn, then"
                " user and assistant in turns; join one speaker's turns into one"
            )
    if made[-1]["role"] != "assistant":
        where = f"{place}: messages.{len(made) - 1 + before}.role"
        raise DataError(
            f"{where} is {made[-1]['role']}, but the last turn must be assistant; remove it or add"
            " an answer"
        )
