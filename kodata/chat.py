"""A user's own chats: a folder with train.jsonl and, where there are, validation.jsonl and test.jsonl (each also .gz).

A line is {"messages": [{"role", "content"}, ...]}, or one question and answer as {"prompt", "answer"} or
{"instruction", "output"} (with an "input", if any, under the instruction). It may have a "guid"; a "group", whose lines
stay together; and a "split", which says better than the file where the line belongs.
Guaranteed: no group is in two splits: what is in test leaves validation and train, what is in validation leaves train.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from kodata.card import Card, Message, Record, Refused
from kodata.dialogue import next_turn
from kodata.errors import DataError, did_you_mean, shown
from kodata.reading import files as data_files
from kodata.records import asked, drawer
from kodata.text import clean, unspaced

SPLITS: tuple[str, ...] = ("train", "validation", "test")
FORMS: tuple[str, ...] = ("chat",)
ROLES = ("system", "user", "assistant")
VALIDATION_SHARE = 0.05  # of the groups of train, where no line is given for validation

CARD = Card(
    name="chat",
    title="Your own chats",
    task="chat_ko",
    origin="your own JSON Lines",
    licence="yours to know",
    obliges="What the people in your data and its owners ask of you.",
    hub_id=None,
    hub_config=None,
    revision=None,
    rows={},
    forms=FORMS,
    defects="Not known: look at the counts of what was left out.",
)

_PAIRS = {"prompt": "answer", "instruction": "output"}
_SHAPES = "messages, or prompt and answer, or instruction and output"
_WANTED = (
    "path must name a folder with train.jsonl (and, if you like, validation.jsonl and test.jsonl), "
    f"each line an object with {_SHAPES}"
)


def messages(record: Record, form: str) -> list[Message]:
    """The chat as it is: every assistant's turn is an answer to learn."""
    return list(record["messages"])


def question(record: Record) -> str:
    """The chat up to its last turn as one user's turn: the turn itself where there is one, else all turns as a text."""
    before = record["messages"][:-1]
    return str(before[0]["content"]) if len(before) == 1 else next_turn(record["messages"])


def answer(record: Record) -> str:
    """The last turn, which is the assistant's."""
    return str(record["messages"][-1]["content"])


def group(record: Record) -> str:
    """What the line says, else the text of its first user's turn: the same question is not in two splits."""
    return str(record["group"])


def texts(record: Record) -> tuple[str, ...]:
    """All that is said before the last answer, as one text: a single turn may be a 네 that everybody says."""
    return ("\n".join(turn["content"] for turn in record["messages"][:-1] if turn["role"] != "system"),)


def files(split: str, path: str | Path | None = None) -> list[Path]:
    """The files with a split's lines. Raises DataError where there is no line for it."""
    if split not in SPLITS:
        raise DataError(f"{CARD.name}: no split {split!r}{did_you_mean(split, SPLITS)}")
    if path is None:
        raise DataError(f"{CARD.name}: no path; {_WANTED}")
    folder = Path(path)
    if not folder.is_dir():
        raise DataError(f"{CARD.name}: path {folder}: no such folder; {_WANTED}")
    given = {name: file for name in SPLITS if (file := _file(folder, name))}
    if "train" not in given and split != "test":
        raise DataError(f"{CARD.name}: path {folder}: no train.jsonl there; {_WANTED}")
    chosen = [file for name, file in given.items() if name == split or _has(file, name, split)]
    if not chosen and split == "test":
        raise DataError(f"{CARD.name}: path {folder}: no test.jsonl there; put the chats in it that are to be scored")
    return chosen or [given["train"]]  # validation is cut from train


def _file(folder: Path, split: str) -> Path | None:
    both = [folder / f"{split}.jsonl", folder / f"{split}.jsonl.gz"]
    there = [file for file in both if file.is_file()]
    if len(there) > 1:
        raise DataError(f"{CARD.name}: {there[0]} and {there[1].name} are both there; keep one")
    return there[0] if there else None


def _has(file: Path, own: str, split: str) -> bool:
    """Whether a file has a line for a split."""
    return any(
        _split(row, own, f"{file}: row {number}") == split for number, row in enumerate(data_files.rows(file), 1)
    )


def read(split: str, path: str | Path | None = None) -> Iterator[Record | Refused]:
    """The records of a split: guid, group, messages. Raises DataError with file, row, field and value.

    Rows are counted from 1, without blank lines. A group of a later split is left out here, and counted.
    """
    files(split, path)  # tells what is missing
    assert path is not None
    held_out: dict[str, str] = {}
    cut, draw = True, drawer("chat validation")
    for side, record in _lines(Path(path)) if split != "test" else ():
        cut = cut and side != "validation"
        if SPLITS.index(side) > SPLITS.index(split):
            held_out.setdefault(unspaced(record["group"]), side)
    for side, record in _lines(Path(path)):
        group = unspaced(record["group"])
        if cut and side == "train" and draw(group) < VALIDATION_SHARE:
            side = "validation"
        if side == split:
            other = held_out.get(group)
            yield Refused(f"its group is in the {other} part") if other else record


def _lines(folder: Path) -> Iterator[tuple[str, Record]]:
    """Every line with its split: by its own word, or by its file."""
    for name in SPLITS:
        if file := _file(folder, name):
            for number, row in enumerate(data_files.rows(file), 1):
                place = f"{file}: row {number}"
                yield _split(row, name, place), _record(row, place, f"{file.name}:{number}")


def _split(row: data_files.Row, default: str, place: str) -> str:
    value = row.get("split")
    if value is None:
        return default
    if value not in SPLITS:
        raise DataError(f"{place}: split is {shown(value)}; leave it out or say which{did_you_mean(value, SPLITS)}")
    return str(value)


def _record(row: data_files.Row, place: str, guid: str) -> Record:
    turns = _turns(row, place)
    _check(turns, place)
    first = next(turn["content"] for turn in turns if turn["role"] == "user")
    return {
        "guid": _name(row, "guid", place) or guid,
        "group": _name(row, "group", place) or first,
        "messages": turns,
    }


def _turns(row: data_files.Row, place: str) -> list[Message]:
    """The turns of a line of any of the shapes."""
    shapes = [key for key in ("messages", *_PAIRS) if key in row]
    if len(shapes) != 1:
        found = " and ".join(shapes) or f"none of these but {', '.join(row) or 'nothing'}"
        raise DataError(f"{place}: needs {_SHAPES}; found {found:.120}")
    if shapes == ["messages"]:
        return [_turn(turn, f"{place}: messages.{number}") for number, turn in enumerate(_list(row["messages"], place))]
    prompt, said = shapes[0], _PAIRS[shapes[0]]
    question = _text(row, prompt, place)
    if prompt == "instruction" and row.get("input"):
        question += "\n\n" + _text(row, "input", place)
    return asked(question, _text(row, said, place))


def _list(value: Any, place: str) -> Iterable[Any]:
    if not isinstance(value, list) or not value:
        raise DataError(f"{place}: messages is {shown(value)}; it must be a list of objects with role and content")
    return value


def _turn(turn: Any, place: str) -> Message:
    if not isinstance(turn, dict):
        raise DataError(f"{place} is {shown(turn)}; it must be an object with role and content")
    role = turn.get("role")
    if role not in ROLES:
        what = "missing" if role is None else shown(role)
        raise DataError(f"{place}.role is {what}; mend it{did_you_mean(role, ROLES)}")
    return {"role": role, "content": _text(turn, "content", place + ".")}


def _text(row: dict[str, Any], field: str, place: str) -> str:
    """The clean text of a field, which must be there and not empty. `place` ends with "." inside a turn."""
    where = f"{place}{field}" if place.endswith(".") else f"{place}: {field}"
    value = row.get(field)
    if not isinstance(value, str):
        what = "missing" if value is None else f"{shown(value)}, which is not text"
        raise DataError(f"{where} is {what}; mend or remove the row")
    if not (text := clean(value)):
        raise DataError(f"{where} is empty: {shown(value)}; fill it or remove the row")
    return text


def _name(row: data_files.Row, field: str, place: str) -> str:
    """A guid or group: text or a whole number; "" where there is none."""
    value = row.get(field)
    if value is None or (isinstance(value, (str, int)) and not isinstance(value, bool)):
        return "" if value is None else clean(str(value))
    raise DataError(f"{place}: {field} is {shown(value)}; it must be text or a whole number, or be left out")


def _check(turns: list[Message], place: str) -> None:
    """system or user first; then user and assistant in turns; assistant last."""
    expected = ["system"] if turns[0]["role"] == "system" else []
    expected += [("user", "assistant")[number % 2] for number in range(len(turns) - len(expected))]
    for number, (turn, role) in enumerate(zip(turns, expected, strict=True)):
        if turn["role"] != role:
            where = f"{place}: messages.{number}.role"
            raise DataError(
                f"{where} is {turn['role']}, but here must be {role}: an optional system turn, then user and assistant "
                "in turns; join one speaker's turns into one"
            )
    if turns[-1]["role"] != "assistant":
        where = f"{place}: messages.{len(turns) - 1}.role"
        raise DataError(
            f"{where} is {turns[-1]['role']}, but the last turn must be assistant; remove it or add an answer"
        )
