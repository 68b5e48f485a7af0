"""Converts a line of a chat file into chat turns. Every key is used, reported as not read, or
refused by name. No key that changes the meaning of a line is silently ignored."""

from collections.abc import Iterable, Iterator
from typing import Any

from kodata.card import Message
from kodata.errors import DataError, did_you_mean, shown
from kodata.reading.files import Row
from kodata.reading.keys import Known, KnownOfPartialRows, known
from kodata.records import as_chat
from kodata.text import content, with_thought

ROLES = ("system", "user", "assistant")
PAIRS = {"prompt": "answer", "instruction": "output"}
SHAPES = "messages, or prompt and answer, or instruction and output"
# Keys for whether a turn is trained on, in the formats of OpenAI, Axolotl (two) and ms-swift.
TRAINED = ("weight", "train", "training", "loss")
THOUGHTS = ("reasoning_content", "reasoning", "thinking")
TOOLS = ("tools", "functions", "tool_calls", "function_call", "tool_call_id")  # OpenAI, old and new
_ROW = ("guid", "group", "split", "system", *TRAINED)
# Values that exporters write if there are no tools. They also write False, which is checked
# separately, because it equals 0.
_NO_TOOL: tuple[Any, ...] = (None, "", "[]", "{}", "null", [], {})
_OF_ANSWER = known("role", "content", *TRAINED, *THOUGHTS, *TOOLS)
_OF_OTHERS = known("role", "content", *TOOLS)
UNTRAINED_END = "untrained end"


def _keys_of(turn: Row) -> Known:
    """The keys that are read from a turn. Only answers are trained on. So for other turns, a
    thought or a request to train on them is reported as not read."""
    if turn.get("role") == "assistant":
        return _OF_ANSWER
    return {**_OF_OTHERS, **{key: None for key in TRAINED if turn.get(key) == 0}}


def _omissions(row: Row) -> Iterable[str]:
    """[UNTRAINED_END] if turns() drops the last answers of a line but keeps an earlier one; else
    empty."""
    turns = row.get("messages") or []
    marks = [_is_trained(turn, "") for turn in turns if turn["role"] == "assistant"]
    return [UNTRAINED_END] if any(marks) and not marks[-1] and _is_trained(row, "") else []


# The keys that are read: from rows with `messages`, and from rows with a question and its answer.
KEYS: dict[str, Known] = {
    "messages": KnownOfPartialRows(known(*_ROW, *TOOLS, messages=_keys_of), _omissions),
    **{key: known(*_ROW, *TOOLS, *THOUGHTS, key, reply, "history") for key, reply in PAIRS.items()},
}
KEYS["instruction"] = {**KEYS["instruction"], "input": None}


def shape(row: Row, where: str) -> str:
    """The format of a line: the one key of KEYS that it has. A key with null is ignored if another
    key has a value. Raises DataError if no key or more than one is left."""
    shapes = [key for key in KEYS if row.get(key) is not None] or [
        key for key in KEYS if key in row
    ]
    if len(shapes) != 1:
        found = " and ".join(shapes) or f"none of these but {', '.join(row) or 'nothing'}"
        raise DataError(f"{where}: needs {SHAPES}; found {found:.120}")
    return shapes[0]


def turns(row: Row, where: str) -> list[Message]:
    """The turns of a line. An answer that is not trained on has `train` False. Empty if no answer
    is trained on. Raises DataError; `where` names file and row."""
    _refuse_tools(row, where)
    kind = shape(row, where)
    made = _from_messages(row, where) if kind == "messages" else _from_pair(row, kind, where)
    made = _with_system(row, made, where)
    _check_roles(made, where, len(row["messages"]) - len(made) if kind == "messages" else 0)
    if not _is_trained(row, where):
        return []
    # Untrained turns at the end are dropped, since nothing is learned from them.
    while made and made[-1]["role"] == "assistant" and made[-1].get("train") is False:
        del made[-2:]
    return made if any(turn["role"] == "assistant" for turn in made) else []


def _from_messages(row: Row, where: str) -> list[Message]:
    value = row["messages"]
    if not isinstance(value, list) or not value:
        raise DataError(
            f"{where}: messages is {shown(value)}; it must be a list of objects with role and"
            " content"
        )
    first = int(_is_empty_system(value[0]))
    made = [
        _turn(turn, f"{where}: messages.{number}")
        for number, turn in enumerate(value[first:], first)
    ]
    if not made:
        raise DataError(
            f"{where}: messages has only an empty system turn; add turns of user and assistant"
        )
    return made


def _is_empty_system(turn: Any) -> bool:
    """Whether a turn is an empty system turn. Many exporters write one for a chat without a system
    turn."""
    if not isinstance(turn, dict) or turn.get("role") != "system":
        return False
    value = turn.get("content")
    return value is None or (isinstance(value, str) and not content(value))


def _turn(turn: Any, where: str) -> Message:
    if not isinstance(turn, dict):
        raise DataError(f"{where} is {shown(turn)}; it must be an object with role and content")
    role = turn.get("role")
    _refuse_tools(turn, f"{where}: ")
    if role in ("tool", "function"):
        raise DataError(f"{where}.role is {role}; {_NO_TOOLS}")
    if role not in ROLES:
        what = "missing" if role is None else shown(role)
        raise DataError(f"{where}.role is {what}; mend it{did_you_mean(role, ROLES)}")
    made: Message = {
        "role": role,
        "content": _with_thought(turn, text(turn, "content", where + "."), where, role),
    }
    if role == "assistant" and not _is_trained(turn, where):
        made["train"] = False
    return made


def _from_pair(row: Row, prompt: str, where: str) -> list[Message]:
    """The turns of a line with a question and an answer. The turns of its history come first."""
    question = text(row, prompt, where)
    if prompt == "instruction" and row.get("input") not in (None, ""):
        question += "\n\n" + text(row, "input", where)
    answer = _with_thought(row, text(row, PAIRS[prompt], where), where, "assistant")
    return [*_history(row.get("history"), where), *as_chat(question, answer)]


def _history(value: Any, where: str) -> Iterator[Message]:
    """The turns of [[question, answer], ...], as in rows of alpaca."""
    advice = "it must be a list of lists of a question and its answer"
    if value in (None, ""):
        return
    if not isinstance(value, list):
        raise DataError(f"{where}: history is {shown(value)}; {advice}")
    for number, pair in enumerate(value):
        if not isinstance(pair, list) or len(pair) != 2:
            raise DataError(f"{where}: history.{number} is {shown(pair)}; {advice}")
        fields = dict(zip(("0", "1"), pair, strict=True))
        yield from as_chat(*(text(fields, key, f"{where}: history.{number}.") for key in fields))


def _with_system(row: Row, made: list[Message], where: str) -> list[Message]:
    """The turns of a line. If the line has `system`, a system turn comes first. Raises DataError if
    the line has two different system turns."""
    if row.get("system") in (None, ""):
        return made
    system: Message = {"role": "system", "content": text(row, "system", where)}
    if made[0]["role"] != "system":
        return [system, *made]
    if made[0]["content"].strip() != system["content"].strip():
        raise DataError(
            f"{where}: system is {shown(system['content'])}, but messages.0 is another system turn;"
            " keep one"
        )
    return made


def _with_thought(turn: Row, answer: str, where: str, role: str) -> str:
    """The answer. If a key of THOUGHTS has a thought, it comes before the answer, in DeepSeek-R1's
    format. Raises DataError if there are two thoughts."""
    keys = [key for key in THOUGHTS if turn.get(key) not in (None, "")]
    if not keys or role != "assistant":
        return answer
    if len(keys) > 1 or "<think>" in answer or "</think>" in answer:
        other = keys[1] if len(keys) > 1 else "a thought in <think> tags"
        raise DataError(f"{where}: has both {keys[0]} and {other}; keep one")
    return with_thought(text(turn, keys[0], where), answer)


def thought_key(row: Row) -> str | None:
    """The key that has a line's thoughts; None if it has none."""
    answers = [turn for turn in row.get("messages") or [] if turn["role"] == "assistant"] or [row]
    keys = (key for key in THOUGHTS for turn in answers if turn.get(key) not in (None, ""))
    return next(keys, None)


def _refuse_tools(row: Row, where: str) -> None:
    if keys := [key for key in TOOLS if row.get(key) not in _NO_TOOL and row[key] is not False]:
        raise DataError(
            f"{where.removesuffix(': ')}: {keys[0]} is {shown(row[keys[0]])}; {_NO_TOOLS}"
        )


_NO_TOOLS = (
    "tool calls are not trained on, and an answer means something else without its call; remove the"
    " row"
)


def _is_trained(row: Row, where: str) -> bool:
    """Whether a line or turn is trained on according to its keys in TRAINED: yes for 1, true or no
    key, no for 0 or false. Raises DataError for other values."""
    weights = {key: row[key] for key in TRAINED if row.get(key) is not None}
    for key, value in weights.items():
        if value not in (0, 1) or not isinstance(value, (bool, int, float)):
            raise DataError(
                f"{where}: {key} is {shown(value)}; set 1 (train on it) or 0 (do not), or leave"
                " it out"
            )
    return all(weights.values())


def text(row: Row, field: str, where: str) -> str:
    """The text of a field, normalized by kodata.text.content(). Raises DataError if the field is
    missing, not text, or empty. `where` ends with "." for a field of a turn."""
    name = f"{where}{field}" if where.endswith(".") else f"{where}: {field}"
    value = row.get(field)
    if not isinstance(value, str):
        what = "missing" if value is None else f"{shown(value)}, which is not text"
        raise DataError(f"{name} is {what}; mend or remove the row")
    if not (made := content(value)):
        raise DataError(f"{name} is empty: {shown(value)}; fill it or remove the row")
    return made


def _check_roles(made: list[Message], where: str, offset: int) -> None:
    """Raises DataError unless an optional system turn is followed by alternating user and assistant
    turns, the assistant last. `offset`: a turn's index in the line minus its index in `made`."""
    expected = ["system"] if made[0]["role"] == "system" else []
    expected += [("user", "assistant")[number % 2] for number in range(len(made) - len(expected))]
    for number, (turn, role) in enumerate(zip(made, expected, strict=True)):
        if turn["role"] != role:
            raise DataError(
                f"{where}: messages.{number + offset}.role is {turn['role']}, but must be {role}"
                " here: an optional system turn, then user and assistant in turns; join consecutive"
                " turns of one speaker into one"
            )
    if made[-1]["role"] != "assistant":
        raise DataError(
            f"{where}: messages.{len(made) - 1 + offset}.role is {made[-1]['role']}, but the last"
            " turn must be assistant; remove it or add an answer"
        )
