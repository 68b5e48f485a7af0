"""A user's own chats: a folder with train.jsonl and, where there are, validation.jsonl and test.jsonl (each also .gz).

A line is {"messages": [{"role", "content"}, ...]}, or one question and answer as {"prompt", "answer"} or
{"instruction", "output"} (with an "input", if any, under the instruction, and a "history" before it). It may have a
"system" turn; a "guid"; a "group", whose lines stay together; and a "split", which says better than the file where the
line belongs. A line or turn with "weight" 0 is not trained; "reasoning_content" is the thought before an answer.
Guaranteed: no group is in two splits: what is in test leaves validation and train, what is in validation leaves train. No
guid stands twice in a split.
"""

import math
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from kodata.card import Card, Found, Message, Record, Refused
from kodata.chat.turns import KEYS, SHAPES, shape, thought_key, turns
from kodata.dialogue import next_turn
from kodata.errors import DataError, did_you_mean, shown
from kodata.reading import files as data_files
from kodata.reading.keys import Unread
from kodata.reading.links import not_astray
from kodata.records import drawer
from kodata.text import clean, spoken, unspaced

SPLITS: tuple[str, ...] = ("train", "validation", "test")
FORMS: tuple[str, ...] = ("chat",)
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

_WANTED = (
    "path must name a folder with train.jsonl (and, if you like, validation.jsonl and test.jsonl), "
    f"each line an object with {SHAPES}"
)


def messages(record: Record, form: str) -> list[Message]:
    """The chat as it is: every assistant's turn is an answer to learn."""
    return list(record["messages"])


def question(record: Record) -> str:
    """The chat up to its last turn as one user's turn: the turn itself where there is one, else all turns as a text."""
    before = record["messages"][:-1]
    return str(before[0]["content"]) if len(before) == 1 else next_turn(record["messages"])


def answer(record: Record) -> str:
    """The last turn, which is the assistant's, without its thought."""
    return spoken(record["messages"][-1]["content"])


def group(record: Record) -> str:
    """What the line says, else all that is said before its last answer: many chats begin with the same greeting."""
    return str(record["group"])


def texts(record: Record) -> tuple[str, ...]:
    """All that is said before the last answer, as one text: a single turn may be a 네 that everybody says."""
    return (_before(record["messages"]),)


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
    return not_astray(there[0], folder) if there else None


def _has(file: Path, own: str, split: str) -> bool:
    """Whether a file has a line for a split."""
    return any(
        _split(row, own, f"{file}: row {number}") == split for number, row in enumerate(data_files.rows(file), 1)
    )


def read(split: str, path: str | Path | None = None) -> Iterator[Found]:
    """The records of a split: guid, group, messages; `thought`, the key in which thoughts stood, where they did. Raises
    DataError with file, row, field and value.

    Rows are counted from 1, without blank lines. A group of a later split is left out here, and counted.
    """
    files(split, path)  # tells what is missing
    assert path is not None
    held_out: dict[str, str] = {}
    draw, lowest, share = drawer("chat validation"), 1.0, VALIDATION_SHARE
    for side, record in _lines(Path(path)) if split != "test" else ():
        share = 0.0 if side == "validation" else share
        if isinstance(record, dict):
            group = unspaced(record["group"])
            lowest = min(lowest, draw(group)) if side == "train" else lowest
            if SPLITS.index(side) > SPLITS.index(split):
                held_out.setdefault(group, side)
    cut = max(share, math.nextafter(lowest, 1)) if share else 0.0  # of a dozen chats one is for validation, too
    unread: dict[str, Unread] = defaultdict(Unread)
    for side, record in _lines(Path(path), unread):
        group = unspaced(record["group"]) if isinstance(record, dict) else ""
        if side == "train" and group and draw(group) < cut:
            side = "validation"
        if side == split:
            other = held_out.get(group)
            yield Refused(f"its group is in the {other} part") if other else record
    yield from unread[split].told()


def _lines(folder: Path, unread: dict[str, Unread] | None = None) -> Iterator[tuple[str, Record | Refused]]:
    """Every line with its split: by its own word, or by its file. `unread`: where what is not read is counted, by split."""
    named: dict[tuple[str, str], str] = {}
    for name in SPLITS:
        if file := _file(folder, name):
            for number, row in enumerate(data_files.rows(file), 1):
                place = f"{file}: row {number}"
                side, record = _split(row, name, place), _record(row, place, f"{file.name}:{number}")
                if "guid" in row and (first := named.setdefault((side, str(row["guid"])), place)) != place:
                    raise DataError(
                        f"{place}: guid {shown(row['guid'])} stands in {first} too; give each its own, or none"
                    )
                if unread is not None:
                    unread[side].look(row, KEYS[shape(row, place)])
                yield side, record


def _split(row: data_files.Row, default: str, place: str) -> str:
    value = row.get("split")
    if value is None:
        return default
    if value not in SPLITS:
        raise DataError(f"{place}: split is {shown(value)}; leave it out or say which{did_you_mean(value, SPLITS)}")
    return str(value)


def _record(row: data_files.Row, place: str, guid: str) -> Record | Refused:
    made = turns(row, place)
    if not made:
        return Refused("marked as not to be trained")
    record: Record = {
        "guid": _name(row, "guid", place) or guid,
        "group": _name(row, "group", place) or _before(made),
        "messages": made,
    }
    return {**record, "thought": key} if (key := thought_key(row)) else record


def _before(made: list[Message]) -> str:
    """All that is said before the last answer: what would be asked, were the line scored."""
    return "\n".join(spoken(turn["content"]) for turn in made[:-1] if turn["role"] != "system")


def _name(row: data_files.Row, field: str, place: str) -> str:
    """A guid or group: text or a whole number; "" where there is none."""
    value = row.get(field)
    if value is None or (isinstance(value, (str, int)) and not isinstance(value, bool)):
        return "" if value is None else clean(str(value))
    raise DataError(f"{place}: {field} is {shown(value)}; it must be text or a whole number, or be left out")
