"""A user's own chats: a folder with train.jsonl and, where there are, validation.jsonl and
test.jsonl (each also .gz).

A line is {"messages": [{"role", "content"}, ...]}, or one question and answer as {"prompt",
"answer"} or {"instruction", "output"} (with an "input", if any, under the instruction, and a
"history" before it). It may have a "system" turn; a "guid"; a "group", whose lines stay together;
and a "split", which says better than the file where the line belongs. A line or turn with "weight"
0 is not trained; "reasoning_content" is the thought before an answer. Where no line is given for
test, a share of train's groups is kept for it (kodata.test_part). Guaranteed: no group is in two
splits: what is in test leaves validation and train, what is in validation leaves train. No guid
stands twice in a split."""

import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from kodata import test_part
from kodata.card import Card, Found, Message, Record, Refused
from kodata.chat.turns import KEYS, SHAPES, shape, thought_key, turns
from kodata.control_text import is_whole, made_plain
from kodata.dialogue import next_turn
from kodata.errors import DataError, NoTestError, did_you_mean, shown
from kodata.reading import files as data_files
from kodata.reading.folder import users_folder
from kodata.reading.keys import Unread
from kodata.reading.links import own_file
from kodata.text import clean, spoken, unspaced

SPLITS: tuple[str, ...] = ("train", "validation", "test")
FORMS: tuple[str, ...] = ("chat",)

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
    test_share=0.1,
)

_WANTED = (
    "path must name a folder with train.jsonl (and, if you like, validation.jsonl and test.jsonl), "
    f"each line an object with {SHAPES}"
)


def messages(record: Record, form: str) -> list[Message]:
    """The chat as it is: every assistant's turn is an answer to learn."""
    return list(record["messages"])


def question(record: Record) -> str:
    """The chat up to its last turn as one user's turn: the turn itself where there is one, else all
    turns as a text."""
    before = record["messages"][:-1]
    return str(before[0]["content"]) if len(before) == 1 else next_turn(record["messages"])


def answer(record: Record) -> str:
    """The last turn, which is the assistant's, without its thought."""
    return spoken(record["messages"][-1]["content"])


def group(record: Record) -> str:
    """What the line says, else all that is said before its last answer: many chats begin with the
    same greeting."""
    return str(record["group"])


def texts(record: Record) -> tuple[str, ...]:
    """All that is said before the last answer, as one text: a single turn may be a 네 that
    everybody says."""
    return (_before(record["messages"]),)


def files(
    split: str, path: str | Path | None = None, test_share: float | None = None
) -> list[Path]:
    """The files with a split's lines; none for validation where no line is for it. Raises
    DataError, and NoTestError for test where no line is for it and none can be kept for it."""
    if split not in SPLITS:
        raise DataError(f"{CARD.name}: no split {split!r}{did_you_mean(split, SPLITS)}")
    folder = _folder(path)
    given = _given(folder)
    if "train" not in given and split != "test":
        raise DataError(f"{CARD.name}: path {folder}: no train.jsonl there; {_WANTED}")
    chosen = [file for name, file in given.items() if split in _looked_at(file, name).said]
    if split == "validation" and not _is_given(split, folder):
        return []
    if split == "test" and is_cut(folder):
        _kept(folder, test_share)
        chosen += [
            file
            for name, file in given.items()
            if _looked_at(file, name).draws and file not in chosen
        ]
    return chosen or [given["train"]]


def is_cut(path: str | Path | None = None) -> bool:
    """Whether no chat is given for test, so that some are kept for it."""
    return not _is_given("test", _folder(path))


def _is_given(split: str, folder: Path) -> bool:
    """Whether some line that can be used is for a split, whatever the files are called."""
    return any(split in _looked_at(file, name).splits for name, file in _given(folder).items())


def _folder(path: str | Path | None) -> Path:
    return users_folder(CARD, path, _WANTED)


def _given(folder: Path) -> dict[str, Path]:
    return {name: file for name in SPLITS if (file := _file(folder, name))}


def _file(folder: Path, split: str) -> Path | None:
    both = [folder / f"{split}.jsonl", folder / f"{split}.jsonl.gz"]
    there = [file for file in both if os.path.lexists(file)]
    if len(there) > 1:
        raise DataError(f"{CARD.name}: {there[0]} and {there[1].name} are both there; keep one")
    return own_file(there[0], folder) if there else None


class _Look(NamedTuple):
    """The splits that lines of a file are for, those for which some can be used, and the draws of
    the groups that it has for train."""

    said: frozenset[str]
    splits: frozenset[str]
    draws: frozenset[float]


def _looked_at(file: Path, own: str) -> _Look:
    """A look at every line of a file, once until it changes: it is asked for several times in a
    run."""
    state = file.stat()
    return _look(file, own, (state.st_size, state.st_mtime_ns, state.st_ctime_ns))


@lru_cache(maxsize=6)
def _look(file: Path, own: str, _state: tuple[int, ...]) -> _Look:
    said, splits, draws = set(), set(), set()
    for side, record, _ in _lines_of(file, own):
        said.add(side)
        if isinstance(record, dict) and is_whole(made_plain(record)[0]):
            splits.add(side)
            if side == "train":
                draws.add(test_part.draw(unspaced(record["group"])))
    return _Look(frozenset(said), frozenset(splits), frozenset(draws))


def _kept(folder: Path, test_share: float | None) -> frozenset[float]:
    """The draws of the groups of train that are kept for test; none where chats are given for test.
    NoTestError where there are too few groups."""
    if not is_cut(folder):
        if test_share is not None:
            raise DataError(
                f"{CARD.name}: path {folder}: test_share, but there are chats for test; leave"
                " it out"
            )
        return frozenset()
    looks = (_looked_at(file, name) for name, file in _given(folder).items())
    draws = {draw for look in looks for draw in look.draws}
    lacks = f"{CARD.name}: path {folder}: no test.jsonl there"
    share = test_part.share_of(CARD, test_share)
    return test_part.lowest(draws, share, lacks, "put the chats in it that are to be scored")


def read(
    split: str, path: str | Path | None = None, test_share: float | None = None
) -> Iterator[Found]:
    """The records of a split: guid, group, messages; `thought`, the key in which thoughts stood,
    where they did. Raises DataError with file, row, field and value, and NoTestError as files()
    does.

    Rows are counted from 1, without blank lines. A group of a later split is left out here, and
    counted."""
    files(split, path, test_share)  # tells what is missing
    folder = _folder(path)
    try:
        kept = _kept(folder, test_share)
    except NoTestError:
        kept = frozenset()
    later, unread = _groups_of(folder, SPLITS[SPLITS.index(split) + 1 :]), Unread()
    for side, record, row in _lines(folder):
        group = unspaced(record["group"]) if isinstance(record, dict) else ""
        is_kept = group != "" and bool(kept) and test_part.draw(group) in kept
        side = "test" if is_kept and side == "train" else side
        if side == split:
            unread.look(row, KEYS[shape(row, "")])
            other = later.get(group) or ("test" if is_kept and split == "validation" else "")
            yield Refused(f"its group is in the {other} part") if other else record
    yield from unread.told()


def _groups_of(folder: Path, splits: tuple[str, ...]) -> dict[str, str]:
    """The groups of the lines that say that they are for one of these splits, with the split."""
    found: dict[str, str] = {}
    for name, file in _given(folder).items():
        if not _looked_at(file, name).said.isdisjoint(splits):
            for side, record, _ in _lines_of(file, name):
                if side in splits and isinstance(record, dict):
                    found.setdefault(unspaced(record["group"]), side)
    return found


def _lines(folder: Path) -> Iterator[tuple[str, Record | Refused, data_files.Row]]:
    """Every line of every file with its split: by its own word, or by its file."""
    named: dict[tuple[str, str], str] = {}
    for name, file in _given(folder).items():
        yield from _lines_of(file, name, named)


def _lines_of(
    file: Path, own: str, named: dict[tuple[str, str], str] | None = None
) -> Iterator[tuple[str, Record | Refused, data_files.Row]]:
    named = {} if named is None else named
    for number, row in enumerate(data_files.rows(file), 1):
        place = f"{file}: row {number}"
        side, record = _split(row, own, place), _record(row, place, f"{file.name}:{number}")
        guid = _name(row, "guid", place)
        if guid and (first := named.setdefault((side, guid), place)) != place:
            raise DataError(
                f"{place}: guid {shown(guid)} stands in {first} too; give each its own, or none"
            )
        _check_grouped(row, place, named)
        yield side, record, row


def _check_grouped(row: data_files.Row, place: str, named: dict[tuple[str, str], str]) -> None:
    """DataError where some rows name their group and others do not: a question of both kinds could
    be on both sides."""
    is_grouped = bool(_name(row, "group", place))
    named.setdefault(("", str(is_grouped)), place)
    if other := named.get(("", str(not is_grouped))):
        with_it, without = (place, other) if is_grouped else (other, place)
        raise DataError(
            f"{without} has no group, and {with_it} has one; give each row its group, or none"
        )


def _split(row: data_files.Row, default: str, place: str) -> str:
    value = row.get("split")
    if value is None:
        return default
    if value not in SPLITS:
        raise DataError(
            f"{place}: split is {shown(value)}; leave it out or say"
            f" which{did_you_mean(value, SPLITS)}"
        )
    return str(value)


def _record(row: data_files.Row, place: str, guid: str) -> Record | Refused:
    made = turns(row, place)
    if not made:
        return Refused("marked as not to be trained")
    record: Record = {
        "guid": _name(row, "guid", place) or guid,
        # Of plain turns: two questions may differ in nothing but a sign that is taken away.
        "group": (
            _name(row, "group", place) or _before(made_plain({"messages": made})[0]["messages"])
        ),
        "messages": made,
    }
    return {**record, "thought": key} if (key := thought_key(row)) else record


def _before(made: list[Message]) -> str:
    """All that is said before the last answer: what would be asked, were the line scored."""
    said = (turn for turn in made[:-1] if turn["role"] != "system")
    # Only an answer has a thought: who asks about </think> means the sign itself.
    return "\n".join(
        spoken(turn["content"]) if turn["role"] == "assistant" else turn["content"].strip()
        for turn in said
    )


def _name(row: data_files.Row, field: str, place: str) -> str:
    """A guid or group: text or a whole number; "" where there is none."""
    value = row.get(field)
    if isinstance(value, float) and value.is_integer():
        # Pandas writes the whole numbers of a column so, where one of them is missing.
        value = int(value)
    if value is None or (isinstance(value, (str, int)) and not isinstance(value, bool)):
        return "" if value is None else clean(str(value))
    raise DataError(
        f"{place}: {field} is {shown(value)}; it must be text or a whole number, or be left out"
    )
