"""A user's own chats: a folder with train.jsonl and optionally validation.jsonl and test.jsonl
(each also .gz).

A line has one of three formats:
- {"messages": [{"role", "content"}, ...]}
- {"prompt", "answer"}
- {"instruction", "output"}. An optional "input" is appended to the instruction.

Optional keys:
- "history": earlier questions and answers, in a line without "messages".
- "system": a system turn.
- "guid": the name of the line.
- "group": lines of one group go into the same split.
- "split": the split of the line, if it is not the file's.
- "weight": 0 means that the line or turn is not trained on.
- "reasoning_content": the thought before an answer.
Other names for the last two keys are in kodata.chat.turns.

If no usable line is for test, a share of the train groups is kept for it (kodata.test_part).

Guarantees: no group is in two splits. A group in test is dropped from validation and train, and a
group in validation is dropped from train. No guid occurs twice in a split."""

import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from kodata import test_part
from kodata.card import Card, Message, Parts, Record, Refused, SourceItem
from kodata.chat.turns import KEYS, SHAPES, shape, thought_key, turns
from kodata.control_text import is_complete, neutralize_record
from kodata.dialogue import next_turn, parts_of
from kodata.errors import DataError, NoTestError, Translatable, did_you_mean, shown
from kodata.reading import files as data_files
from kodata.reading.folder import user_folder
from kodata.reading.keys import Unread
from kodata.reading.links import require_data_file
from kodata.text import after_thought, clean, unspaced

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
    defects="Not known: see the counts of dropped rows.",
    test_share=0.1,
)

_ADVICE = Translatable(
    "path must name a folder with train.jsonl (and optionally validation.jsonl and"
    " test.jsonl), each line an object with {shapes}",
    shapes=SHAPES,
)


def messages(record: Record, form: str) -> list[Message]:
    """The chat unchanged. All its assistant turns are trained on, except those with `train`
    False."""
    return list(record["messages"])


def question(record: Record) -> str:
    """The prompt that asks for the last turn. In a chat of two turns it is the user's turn.
    Otherwise it has all earlier turns as one text."""
    before = record["messages"][:-1]
    return str(before[0]["content"]) if len(before) == 1 else next_turn(record["messages"])


def answer(record: Record) -> str:
    """The expected answer: the last turn, without its thought."""
    return after_thought(record["messages"][-1]["content"])


def group(record: Record) -> str:
    """The line's `group`. If it has none, all turns before its last answer. The first turn alone
    would not do, since many chats begin with the same greeting."""
    return str(record["group"])


def texts(record: Record) -> tuple[str, ...]:
    """All turns before the last answer as one text, to check for leaks. Single turns are not used,
    since many chats have the same short turns, such as 네."""
    return (_before(record["messages"]),)


def parts(record: Record) -> Parts:
    """Every turn. If there are several before the last answer, others may share one of them."""
    return parts_of(record["messages"])


def files(
    split: str, path: str | Path | None = None, test_share: float | None = None
) -> list[Path]:
    """The files with lines of a split, as in Source.files(). A line is usable if it becomes a
    complete record. Returns an empty list for validation if no usable line is for validation.

    Raises DataError if the folder or a line is not as expected. Raises NoTestError for test if no
    usable line is for test and no group can be kept for test."""
    if split not in SPLITS:
        raise DataError(f"{CARD.name}: no split {split!r}{did_you_mean(split, SPLITS)}")
    folder = _folder(path)
    existing = _existing(folder)
    if "train" not in existing and split != "test":
        raise DataError(
            Translatable(
                "{source}: path {folder}: no train.jsonl there; {advice}",
                source=CARD.name,
                folder=folder,
                advice=_ADVICE,
            )
        )
    selected = [file for name, file in existing.items() if split in _summary(file, name).splits]
    if split == "validation" and not _has_usable_line(split, folder):
        return []
    if split == "test" and is_cut(folder):
        _kept(folder, test_share)
        selected += [
            file
            for name, file in existing.items()
            if _summary(file, name).draws and file not in selected
        ]
    return selected or [existing["train"]]


def is_cut(path: str | Path | None = None) -> bool:
    """Whether no usable line is for test. A share of the train groups is then kept for it."""
    return not _has_usable_line("test", _folder(path))


def _has_usable_line(split: str, folder: Path) -> bool:
    """Whether the folder has a usable line for this split."""
    return any(split in _summary(file, name).usable for name, file in _existing(folder).items())


def _folder(path: str | Path | None) -> Path:
    return user_folder(CARD, path, _ADVICE)


def _existing(folder: Path) -> dict[str, Path]:
    """The files in the folder, by the split that their names say."""
    return {name: file for name in SPLITS if (file := _file(folder, name))}


def _file(folder: Path, split: str) -> Path | None:
    """The file of a split, which may be compressed; None if there is none. Raises DataError if
    there are two."""
    both = [folder / f"{split}.jsonl", folder / f"{split}.jsonl.gz"]
    existing = [file for file in both if os.path.lexists(file)]
    if len(existing) > 1:
        raise DataError(f"{CARD.name}: {existing[0]} and {existing[1].name} both exist; keep one")
    return require_data_file(existing[0], folder) if existing else None


class _Summary(NamedTuple):
    """A summary of a file.

    - `splits`: the splits of its lines
    - `usable`: the splits of its usable lines
    - `draws`: the draws (test_part.draw) of the groups of its usable train lines"""

    splits: frozenset[str]
    usable: frozenset[str]
    draws: frozenset[float]


def _summary(file: Path, own_split: str) -> _Summary:
    """The summary of a file, cached until the file changes. `own_split` is the split that the
    file's name says."""
    state = file.stat()
    return _summarize(file, own_split, (state.st_size, state.st_mtime_ns, state.st_ctime_ns))


@lru_cache(maxsize=6)
def _summarize(file: Path, own_split: str, _state: tuple[int, ...]) -> _Summary:
    splits, usable, draws = set(), set(), set()
    for split, record, _ in _lines_of(file, own_split):
        splits.add(split)
        if isinstance(record, dict) and is_complete(neutralize_record(record)[0]):
            usable.add(split)
            if split == "train":
                draws.add(test_part.draw(unspaced(record["group"])))
    return _Summary(frozenset(splits), frozenset(usable), frozenset(draws))


def _kept(folder: Path, test_share: float | None) -> frozenset[float]:
    """The draws of the train groups that are kept for test. Empty if usable lines are for test.

    Raises NoTestError if there are too few groups or the share is 0. Raises DataError if
    `test_share` is given although usable lines are for test."""
    if not is_cut(folder):
        if test_share is not None:
            raise DataError(
                f"{CARD.name}: path {folder}: test_share, but there are chats for test; leave"
                " it out"
            )
        return frozenset()
    summaries = (_summary(file, name) for name, file in _existing(folder).items())
    draws = {draw for summary in summaries for draw in summary.draws}
    lacks = f"{CARD.name}: path {folder}: no test.jsonl there"
    share = test_part.share_of(CARD, test_share)
    return test_part.kept_draws(draws, share, lacks, "put the chats to score in it")


def read(
    split: str, path: str | Path | None = None, test_share: float | None = None
) -> Iterator[SourceItem]:
    """Yields the records of a split, as in Source.read(). A record has the fields guid, group and
    messages. If there are thoughts, `thought` is the name of the key that they were in.

    If the group of a record is also in a split that comes later in SPLITS, Refused is yielded
    instead. Raises DataError with file, row, field and value. Rows are counted from 1, without
    blank lines. Raises NoTestError in the same cases as files()."""
    files(split, path, test_share)  # raises an error for missing files
    folder = _folder(path)
    try:
        kept = _kept(folder, test_share)
    except NoTestError:
        kept = frozenset()
    later, unread = _groups_of(folder, SPLITS[SPLITS.index(split) + 1 :]), Unread()
    for own_split, record, row in _lines(folder):
        group = unspaced(record["group"]) if isinstance(record, dict) else ""
        is_kept = group != "" and bool(kept) and test_part.draw(group) in kept
        if split == ("test" if is_kept and own_split == "train" else own_split):
            unread.count_row(row, KEYS[shape(row, "")])
            other = later.get(group) or ("test" if is_kept and split == "validation" else "")
            yield Refused(f"its group is in the {other} part") if other else record
    yield from unread.results()


def _groups_of(folder: Path, splits: tuple[str, ...]) -> dict[str, str]:
    """The groups of the lines for these splits. Each group maps to the split of its first line."""
    groups: dict[str, str] = {}
    for name, file in _existing(folder).items():
        if not _summary(file, name).splits.isdisjoint(splits):
            for split, record, _ in _lines_of(file, name):
                if split in splits and isinstance(record, dict):
                    groups.setdefault(unspaced(record["group"]), split)
    return groups


def _lines(folder: Path) -> Iterator[tuple[str, Record | Refused, data_files.Row]]:
    """Yields every line of every file as (split, record, row)."""
    first: dict[tuple[str, str], str] = {}
    for name, file in _existing(folder).items():
        yield from _lines_of(file, name, first)


def _lines_of(
    file: Path, own_split: str, first: dict[tuple[str, str], str] | None = None
) -> Iterator[tuple[str, Record | Refused, data_files.Row]]:
    """Yields the lines of a file as (split, record, row). `own_split` is the split of lines without
    a `split` key. Raises DataError if a guid occurs twice in a split.

    `first` maps each (split, guid) to the first row that has it. Pass the same dict for all files
    of a folder."""
    first = {} if first is None else first
    for number, row in enumerate(data_files.rows(file), 1):
        where = f"{file}: row {number}"
        split, record = _split(row, own_split, where), _record(row, where, f"{file.name}:{number}")
        guid = _name(row, "guid", where)
        if guid and (other := first.setdefault((split, guid), where)) != where:
            raise DataError(
                f"{where}: guid {shown(guid)} is in {other} too; give each row its own, or none"
            )
        _check_grouped(row, where, first)
        yield split, record, row


def _check_grouped(row: data_files.Row, where: str, first: dict[tuple[str, str], str]) -> None:
    """Raises DataError if only some rows have a group. The same question could then be in two
    splits, once with and once without a group.

    `first` is as in _lines_of(). Under ("", "True") it also has the first row with a group, and
    under ("", "False") the first row without one."""
    is_grouped = bool(_name(row, "group", where))
    first.setdefault(("", str(is_grouped)), where)
    if other := first.get(("", str(not is_grouped))):
        grouped, ungrouped = (where, other) if is_grouped else (other, where)
        raise DataError(
            f"{ungrouped} has no group, but {grouped} has one; give every row a group, or none"
        )


def _split(row: data_files.Row, default: str, where: str) -> str:
    """The split of a row; `default` if it has no `split`. Raises DataError for an unknown one."""
    value = row.get("split")
    if value is None:
        return default
    if value not in SPLITS:
        raise DataError(
            f"{where}: split is {shown(value)}; name a split, or leave it"
            f" out{did_you_mean(value, SPLITS)}"
        )
    return str(value)


def _record(row: data_files.Row, where: str, guid: str) -> Record | Refused:
    """A row as a record. `guid` is its name if it has none. Refused if no answer is trained on.
    Raises DataError."""
    made = turns(row, where)
    if not made:
        return Refused("marked as not to be trained")
    # The default group is made from neutralized turns. So two questions that differ only in control
    # text are in one group.
    record: Record = {
        "guid": _name(row, "guid", where) or guid,
        "group": (
            _name(row, "group", where)
            or _before(neutralize_record({"messages": made})[0]["messages"])
        ),
        "messages": made,
    }
    return {**record, "thought": key} if (key := thought_key(row)) else record


def _before(made: list[Message]) -> str:
    """All turns before the last answer as one text, without a system turn and without thoughts."""
    spoken = (turn for turn in made[:-1] if turn["role"] != "system")
    # A thought is removed from answers only. A </think> in a question is part of its text.
    return "\n".join(
        after_thought(turn["content"]) if turn["role"] == "assistant" else turn["content"].strip()
        for turn in spoken
    )


def _name(row: data_files.Row, field: str, where: str) -> str:
    """The text of a guid or group, which may be a whole number in the row. "" if it is missing.
    Raises DataError for any other value."""
    value = row.get(field)
    # pandas writes whole numbers as floats if a value of the column is missing.
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if value is None or (isinstance(value, (str, int)) and not isinstance(value, bool)):
        return "" if value is None else clean(str(value))
    raise DataError(
        f"{where}: {field} is {shown(value)}; it must be text or a whole number, or be left out"
    )
