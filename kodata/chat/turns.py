"""Converts a line of a chat file into chat turns. Every key of a line is read, reported as not
read, or refused with an error. So no key is ignored without the user's knowledge."""

from collections.abc import Iterable, Iterator
from typing import Any

from kodata.card import Message
from kodata.errors import DataError, Translatable, did_you_mean, shown
from kodata.reading.files import Row
from kodata.reading.keys import Known, KnownOfPartialRows, known
from kodata.records import as_chat
from kodata.text import content, with_thought

ROLES = ("system", "user", "assistant")
PAIRS = {"prompt": "answer", "instruction": "output"}  # the key of a question: that of its answer
SHAPES = Translatable("messages, or prompt and answer, or instruction and output")
# The keys that say whether a turn is trained on, in the formats of OpenAI, Axolotl (two keys) and
# ms-swift.
TRAINED = ("weight", "train", "training", "loss")
THOUGHTS = ("reasoning_content", "reasoning", "thinking")  # the keys of the thought of an answer
# The keys of tool calls in OpenAI's old and new formats.
TOOLS = ("tools", "functions", "tool_calls", "function_call", "tool_call_id")
_ROW = ("guid", "group", "split", "system", *TRAINED)  # keys of lines of all formats
# The values that exporters write if there are no tool calls. They also write False. It is not in
# this list, since 0 would equal it.
_NO_TOOL: tuple[Any, ...] = (None, "", "[]", "{}", "null", [], {})
_OF_ANSWER = known("role", "content", *TRAINED, *THOUGHTS, *TOOLS)  # the keys of assistant turns
_OF_OTHERS = known("role", "content", *TOOLS)  # the keys of other turns
UNTRAINED_END = "untrained end"  # the name of the change that drops untrained answers at the end


def _keys_of(turn: Row) -> Known:
    """The keys that are read from a turn. Only answers are trained on. If another turn has a
    thought, or a key of TRAINED that asks to train on it, this key is reported as not read."""
    if turn.get("role") == "assistant":
        return _OF_ANSWER
    return {**_OF_OTHERS, **{key: None for key in TRAINED if turn.get(key) == 0}}


def _omissions(row: Row) -> Iterable[str]:
    """[UNTRAINED_END] if turns() drops the last answers of a line because they are not trained on,
    but keeps an earlier one. Otherwise an empty list."""
    turns = row.get("messages") or []
    marks = [_is_trained(turn, "") for turn in turns if turn["role"] == "assistant"]
    return [UNTRAINED_END] if any(marks) and not marks[-1] and _is_trained(row, "") else []


# For each format of a line, by the key that only this format has: the keys that are read.
KEYS: dict[str, Known] = {
    "messages": KnownOfPartialRows(known(*_ROW, *TOOLS, messages=_keys_of), _omissions),
    **{key: known(*_ROW, *TOOLS, *THOUGHTS, key, reply, "history") for key, reply in PAIRS.items()},
}
KEYS["instruction"] = {**KEYS["instruction"], "input": None}


def shape(row: Row, where: str) -> str:
    """The format of a line: the key of KEYS that it has. A key whose value is null is ignored if
    another one has a value. Raises DataError if no key or more than one is left. `where` names the
    file and the row."""
    shapes = [key for key in KEYS if row.get(key) is not None] or [
        key for key in KEYS if key in row
    ]
    if len(shapes) != 1:
        found = " and ".join(shapes) or f"none of these but {', '.join(row) or 'nothing'}"
        raise DataError(
            Translatable(
                "{where}: needs {shapes}; found {found:.120}",
                where=where,
                shapes=SHAPES,
                found=found,
            )
        )
    return shapes[0]


def turns(row: Row, where: str) -> list[Message]:
    """The turns of a line. An answer that is not trained on has `train` False. Returns an empty
    list if no answer is trained on. Raises DataError for a line that is not as expected. `where`
    names the file and the row."""
    _refuse_tools(row, where)
    kind = shape(row, where)
    made = _from_messages(row, where) if kind == "messages" else _from_pair(row, kind, where)
    made = _with_system(row, made, where)
    _check_roles(made, where, len(row["messages"]) - len(made) if kind == "messages" else 0)
    if not _is_trained(row, where):
        return []
    # Answers at the end that are not trained on are dropped with their questions.
    while made and made[-1]["role"] == "assistant" and made[-1].get("train") is False:
        del made[-2:]
    return made if any(turn["role"] == "assistant" for turn in made) else []


def _from_messages(row: Row, where: str) -> list[Message]:
    """The turns in `messages` of a line, without an empty system turn. Raises DataError."""
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
    """Whether a turn is a system turn without text. Many exporters write one if a chat has no
    system turn."""
    if not isinstance(turn, dict) or turn.get("role") != "system":
        return False
    value = turn.get("content")
    return value is None or (isinstance(value, str) and not content(value))


def _turn(turn: Any, where: str) -> Message:
    """A turn of `messages` as a chat turn. `where` ends with its position, such as messages.2.
    Raises DataError."""
    if not isinstance(turn, dict):
        raise DataError(f"{where} is {shown(turn)}; it must be an object with role and content")
    role = turn.get("role")
    _refuse_tools(turn, f"{where}: ")
    if role in ("tool", "function"):
        raise DataError(f"{where}.role is {role}; {_NO_TOOLS}")
    if role not in ROLES:
        what = "missing" if role is None else shown(role)
        raise DataError(
            Translatable(
                "{where}.role is {what}; mend it{hint}",
                where=where,
                what=what,
                hint=did_you_mean(role, ROLES),
            )
        )
    made: Message = {
        "role": role,
        "content": _with_thought(turn, text(turn, "content", where + "."), where, role),
    }
    if role == "assistant" and not _is_trained(turn, where):
        made["train"] = False
    return made


def _from_pair(row: Row, prompt: str, where: str) -> list[Message]:
    """The turns of a line with one question and answer, after the turns of its history. `prompt` is
    the key of the question. Raises DataError."""
    question = text(row, prompt, where)
    if prompt == "instruction" and row.get("input") not in (None, ""):
        question += "\n\n" + text(row, "input", where)
    answer = _with_thought(row, text(row, PAIRS[prompt], where), where, "assistant")
    return [*_history(row.get("history"), where), *as_chat(question, answer)]


def _history(value: Any, where: str) -> Iterator[Message]:
    """The turns of a history, which is [[question, answer], ...] as in Alpaca's format. Raises
    DataError."""
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
    """The turns `made` of a line, after a system turn if the line has the key `system`. Raises
    DataError if the line has two different system turns."""
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
    """The answer of a turn, with the turn's thought before it if a key of THOUGHTS has one. The
    thought is in DeepSeek-R1's format, between <think> and </think>. Raises DataError if there are
    two thoughts. The text of a turn with another role is returned unchanged."""
    keys = [key for key in THOUGHTS if turn.get(key) not in (None, "")]
    if not keys or role != "assistant":
        return answer
    if len(keys) > 1 or "<think>" in answer or "</think>" in answer:
        other = keys[1] if len(keys) > 1 else "a thought in <think> tags"
        raise DataError(f"{where}: has both {keys[0]} and {other}; keep one")
    return with_thought(text(turn, keys[0], where), answer)


def thought_key(row: Row) -> str | None:
    """The key of THOUGHTS that a line uses; None if the line has no thoughts."""
    answers = [turn for turn in row.get("messages") or [] if turn["role"] == "assistant"] or [row]
    keys = (key for key in THOUGHTS for turn in answers if turn.get(key) not in (None, ""))
    return next(keys, None)


def _refuse_tools(row: Row, where: str) -> None:
    """Raises DataError if a line or turn has tool calls."""
    if keys := [key for key in TOOLS if row.get(key) not in _NO_TOOL and row[key] is not False]:
        raise DataError(
            f"{where.removesuffix(': ')}: {keys[0]} is {shown(row[keys[0]])}; {_NO_TOOLS}"
        )


_NO_TOOLS = (
    "tool calls are not trained on, and an answer means something else without its call; remove the"
    " row"
)


def _is_trained(row: Row, where: str) -> bool:
    """Whether a line or turn is trained on. True unless one of its keys in TRAINED is 0 or false.
    Raises DataError for a value other than 0, 1, false and true."""
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
    missing, not text, or empty. `where` names the row. If the field belongs to a turn, `where`
    names the turn and ends with a full stop."""
    name = f"{where}{field}" if where.endswith(".") else f"{where}: {field}"
    value = row.get(field)
    if not isinstance(value, str):
        what = "missing" if value is None else f"{shown(value)}, which is not text"
        raise DataError(f"{name} is {what}; mend or remove the row")
    if not (made := content(value)):
        raise DataError(f"{name} is empty: {shown(value)}; fill it or remove the row")
    return made


def _check_roles(made: list[Message], where: str, offset: int) -> None:
    """Raises DataError unless user and assistant turns alternate, beginning with the user and
    ending with the assistant. A system turn may come first. `offset` is a turn's index in the line
    minus its index in `made`."""
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
