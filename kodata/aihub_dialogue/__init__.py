"""AI Hub's Korean dialogue sets, read from the user's own download: not ours to ship, and on no
hub.

Guaranteed: train and test share no dialogue, neither by its group nor by its turns. "test" is what
lies under Validation; where nothing does, it is the groups with the lowest draws, a twentieth,
whatever the order of the files."""

from collections import Counter
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

from kodata import test_part
from kodata.aihub_dialogue import archive
from kodata.aihub_dialogue.shapes import Dialogue, dialogues
from kodata.card import Card, Message, Record, Refused, Rewritten, SourceItem
from kodata.control_text import is_complete, neutralize_record
from kodata.dialogue import digest, messages_of, next_turn, transcript
from kodata.errors import DataError, NoTestError, did_you_mean
from kodata.reading.folder import user_folder
from kodata.records import as_chat, with_numbered_guids
from kodata.text import clean

SPLITS: tuple[str, ...] = ("train", "test")
FORMS: tuple[str, ...] = ("next", "reply", "summary")

CARD = Card(
    name="aihub_dialogue",
    title="AI Hub dialogue sets (your own download)",
    task="aihub_dialogue_ko",
    origin=(
        "https://aihub.or.kr: 주제별 텍스트 일상 대화, 한국어 SNS, 한국어 대화 요약, 감성 대화,"
        " 한국어 대화, 일반상식"
    ),
    licence="AI Hub's terms of use, which you accepted for your download",
    obliges=(
        "Do not pass the data on; name AI Hub and NIA; a model may be published as far as the set's"
        " terms allow."
    ),
    hub_id=None,
    hub_config=None,
    revision=None,
    rows={},
    forms=FORMS,
    defects=(
        "감성 대화 is shipped as .json and .xlsx: the second is told as the same dialogue again and"
        " left out."
    ),
    test_share=0.05,
)

_GET_IT = (
    "path must name the folder with your AI Hub download: .json, .xlsx or .zip files as they come,"
    " Training and Validation below it; ask for a set at https://aihub.or.kr (free, with a Korean"
    " account)"
)


def messages(record: Record, form: str) -> list[Message] | Refused:
    """`next`: the last turn, asked for as the task asks; `reply`: the dialogue as a chat;
    `summary`: its summary."""
    if form == "reply":
        return list(record["messages"])
    if form == "next":
        return as_chat(question(record), answer(record))
    if "summary" not in record:
        return Refused("no summary")
    wanted = f"대화:\n{transcript(record['messages'])}\n\n이 대화를 한두 문장으로 요약하세요."
    return as_chat(wanted, record["summary"])


def question(record: Record) -> str:
    """The dialogue without its last turn, and the request for it: the text of training and of
    scoring alike."""
    return next_turn(record["messages"])


def answer(record: Record) -> str:
    """The last turn, which is the assistant's."""
    return str(record["messages"][-1]["content"])


def group(record: Record) -> str:
    """The dialogue; a person's profile in 감성 대화, an article in 일반상식: these stay together
    when data is split."""
    return str(record["group"])


def texts(record: Record) -> tuple[str, ...]:
    """All that is said before the last answer, as one text: a single turn may be a 네 that
    everybody says."""
    return ("\n".join(turn["content"] for turn in record["messages"][:-1]),)


def files(
    split: str, path: str | Path | None = None, test_share: float | None = None
) -> list[Path]:
    """The files that hold something of a split; a zip may hold both. Raises DataError, and
    NoTestError for a test_share of 0."""
    if split not in SPLITS:
        raise DataError(f"{CARD.name}: no split {split!r}{did_you_mean(split, SPLITS)}")
    root = _folder(path)
    every = {file: list(archive.parts(file, root)) for file in archive.found(root)}
    sides = {file: {part.side for part in found} for file, found in every.items()}
    _refuse_unsided([part for found in every.values() for part in found], root)
    split_by_folder = _has_validation(sides.values())
    if split_by_folder and test_share is not None:
        raise DataError(
            f"{CARD.name}: path {root}: test_share, but there is a Validation part; leave it out"
        )
    if split == "test" and not split_by_folder:
        _kept(root, test_share)
    chosen = [
        file
        for file, found in sides.items()
        if any(_belongs(side, split, split_by_folder) for side in found)
    ]
    if not chosen:
        all_held_out = "everything is under Validation; add the Training part"
        wrong = all_held_out if split_by_folder else "no .json or .xlsx in the zips"
        raise DataError(f"{CARD.name}: path {root}: {wrong}; {_GET_IT}")
    return chosen


def _refuse_unsided(every: list[archive.ArchivePart], root: Path) -> None:
    """DataError for a file whose name says neither training nor validation, where others' do: it
    could be either."""
    unsided = [part.name for part in every if not part.side]
    if unsided and len(unsided) < len(every):
        told = (
            "the names of others say whether they are for training or for validation, its name"
            " does not"
        )
        raise DataError(
            f"{CARD.name}: path {root}: {unsided[0]}: {told}; move it into a folder Training or"
            " Validation" + (f", and {len(unsided) - 1:,} more" if len(unsided) > 1 else "")
        )


def _belongs(side: str, split: str, split_by_folder: bool) -> bool:
    return not split_by_folder or (side == "validation") == (split == "test")


def _has_validation(sides: Iterable[set[str]]) -> bool:
    return any("validation" in found for found in sides)


def is_cut(path: str | Path | None = None) -> bool:
    """Whether a download has no Validation part, so that some dialogues are kept for scoring."""
    root = _folder(path)
    return not _has_validation(
        {part.side for part in archive.parts(file, root)} for file in archive.found(root)
    )


def _folder(path: str | Path | None) -> Path:
    return user_folder(CARD, path, _GET_IT)


def read(
    split: str, path: str | Path | None = None, test_share: float | None = None
) -> Iterator[SourceItem]:
    """The records of a split: guid (GUID#2 for one that comes again), group, messages, topic (or
    None), and summary where the set has one.

    Left out and counted: dialogues of more than two speakers or fewer than two turns, and what was
    already read. Memory grows by some 120 bytes a dialogue, to know it and its guid again. Raises
    DataError."""
    return with_numbered_guids(_read(split, path, test_share))


def _read(split: str, path: str | Path | None, test_share: float | None) -> Iterator[SourceItem]:
    chosen, root = files(split, path, test_share), _folder(path)
    seen: set[int] = set()
    if is_cut(root):
        try:
            kept = _kept(root, test_share)
        except NoTestError:
            kept = frozenset()
        yield from _cut(_once(_records(chosen, root), seen), split, kept)
        return
    test = _once(_records(files("test", path), root, validation=True), seen)
    if split == "test":
        yield from test
        return
    held_out = {record["group"] for record in test if isinstance(record, dict)}
    for record in _once(_records(chosen, root, validation=False), seen):
        refused = isinstance(record, dict) and record["group"] in held_out
        yield Refused("its group is in the test part") if refused else record


def _kept(root: Path, test_share: float | None) -> frozenset[float]:
    """The draws of the groups that are kept for test. NoTestError where there are too few
    groups."""
    states = ((file.stat().st_size, file.stat().st_mtime_ns) for file in archive.found(root))
    draws, share = _draws(root, tuple(states)), test_part.share_of(CARD, test_share)
    lacks = f"{CARD.name}: path {root}: no Validation part"
    return test_part.kept_draws(draws, share, lacks, "add the Validation part of your download")


@lru_cache(maxsize=2)
def _draws(root: Path, _states: tuple[tuple[int, int], ...]) -> frozenset[float]:
    """The draws of all groups, once until a file changes: every dialogue is read for them."""
    records = (
        neutralize_record(each)[0]
        for each in _records(archive.found(root), root)
        if isinstance(each, dict)
    )
    return frozenset(test_part.draw(record["group"]) for record in records if is_complete(record))


def _cut(records: Iterable[SourceItem], split: str, kept: frozenset[float]) -> Iterator[SourceItem]:
    """One side of a set that has no Validation part; what is refused or not read counts on the
    train side."""
    for record in records:
        held_out = (
            isinstance(record, dict) and bool(kept) and test_part.draw(record["group"]) in kept
        )
        if held_out == (split == "test"):
            yield record


def _once(records: Iterable[SourceItem], seen: set[int]) -> Iterator[SourceItem]:
    """Each dialogue the first time that it comes: sets are shipped in two formats, and people
    unpack beside the zip."""
    for record in records:
        if isinstance(record, dict):
            known = digest(record["messages"])
            record = Refused("the same dialogue again") if known in seen else record
            seen.add(known)
        yield record


def _records(
    chosen: list[Path], root: Path, validation: bool | None = None
) -> Iterator[SourceItem]:
    """The records of files, or of one side in them."""
    for file in chosen:
        for part in archive.parts(file, root):
            if validation is None or (part.side == "validation") == validation:
                yield from _records_of(part)


def _records_of(part: archive.ArchivePart) -> Iterator[SourceItem]:
    """The records of a part, then what was not read of them and what was left out of them."""
    left_out: Counter[str] = Counter()
    for found in dialogues(part):
        if isinstance(found, Dialogue):
            yield _record(found, left_out)
        else:
            yield found
    yield from (Rewritten(what, rows) for what, rows in sorted(left_out.items()))


def _record(dialogue: Dialogue, left_out: Counter[str]) -> Record | Refused:
    """`left_out` counts what the record does not have of the dialogue."""
    conversation = messages_of(dialogue.utterances, dialogue.named)
    if isinstance(conversation, Refused):
        return conversation
    left_out.update(conversation.dropped + dialogue.left_out)
    topic = clean(dialogue.topic or "") or None
    record = {
        "guid": clean(dialogue.guid),
        "group": clean(dialogue.group),
        "messages": conversation.messages,
        "topic": topic,
    }
    summary = clean(dialogue.summary or "")
    return {**record, "summary": summary} if summary else record


__all__ = [
    "CARD",
    "FORMS",
    "SPLITS",
    "answer",
    "files",
    "group",
    "is_cut",
    "messages",
    "question",
    "read",
    "texts",
]
