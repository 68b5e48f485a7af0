"""AI Hub's Korean dialogue data sets, read from the user's own download. Their terms do not allow
us to ship them, and they are not on the Hugging Face hub.

"test" is the Validation part of the download. If there is none, "test" is a share of the groups, by
default a twentieth. The groups whose names have the lowest hashes (test_part.draw) are taken, so
the choice does not depend on the order of files.

Guarantees: no group is in both train and test, and no two dialogues have the same turns."""

from collections import Counter
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

from kodata import test_part
from kodata.aihub_dialogue import archive
from kodata.aihub_dialogue.shapes import Dialogue, dialogues
from kodata.card import Card, Message, Parts, Record, Refused, Rewritten, SourceItem
from kodata.control_text import is_complete, records_of
from kodata.dialogue import digest, messages_of, next_turn, parts_of, transcript
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
        "감성 대화 is shipped as .json and .xlsx: dialogues of the second file are dropped as"
        " duplicates."
    ),
    test_share=0.05,
)

_ADVICE = (
    "path must name the folder of your AI Hub download: unchanged .json, .xlsx or .zip files in"
    " Training and Validation; request a data set at https://aihub.or.kr (free, with a Korean"
    " account)"
)


def messages(record: Record, form: str) -> list[Message] | Refused:
    """The record as a chat in one of three forms:

    - `next`: the task's prompt, answered by the last turn of the dialogue
    - `reply`: the dialogue itself
    - `summary`: the dialogue with a request for a summary, answered by the summary. Refused if the
      record has no summary."""
    if form == "reply":
        return list(record["messages"])
    if form == "next":
        return as_chat(question(record), answer(record))
    if "summary" not in record:
        return Refused("no summary")
    request = f"대화:\n{transcript(record['messages'])}\n\n이 대화를 한두 문장으로 요약하세요."
    return as_chat(request, record["summary"])


def question(record: Record) -> str:
    """The prompt: the dialogue without its last turn, and a request to write this turn. Training
    and scoring use the same text."""
    return next_turn(record["messages"])


def answer(record: Record) -> str:
    """The expected answer: the last turn."""
    return str(record["messages"][-1]["content"])


def group(record: Record) -> str:
    """The name of the record's group. In 감성 대화 it is the profile of a person, in 일반상식 the
    article. In the other data sets each dialogue is a group of its own."""
    return str(record["group"])


def texts(record: Record) -> tuple[str, ...]:
    """All turns before the last answer as one text, to check for leaks. Single turns are not used,
    since many dialogues have the same short turns, such as 네."""
    return ("\n".join(turn["content"] for turn in record["messages"][:-1]),)


def parts(record: Record) -> Parts:
    """Every turn, and the summary if there is one."""
    return parts_of(record["messages"], *filter(None, [record.get("summary")]))


def files(
    split: str, path: str | Path | None = None, test_share: float | None = None
) -> list[Path]:
    """The files with dialogues of a split, as in Source.files(). A zip may contain dialogues of
    both splits.

    Raises DataError if the folder or a file is not as expected. Raises NoTestError for test if the
    download has no Validation part and no group can be kept for test."""
    if split not in SPLITS:
        raise DataError(f"{CARD.name}: no split {split!r}{did_you_mean(split, SPLITS)}")
    root = _folder(path)
    parts = {file: list(archive.parts(file, root)) for file in archive.find_files(root)}
    _refuse_unmarked([part for of_file in parts.values() for part in of_file], root)
    sides = {file: {part.side for part in of_file} for file, of_file in parts.items()}
    has_validation = _has_validation(sides.values())
    if has_validation and test_share is not None:
        raise DataError(
            f"{CARD.name}: path {root}: test_share, but there is a Validation part; leave it out"
        )
    if split == "test" and not has_validation:
        _kept(root, test_share)
    selected = [
        file
        for file, of_file in sides.items()
        if any(_belongs(side, split, has_validation) for side in of_file)
    ]
    if not selected:
        only_validation = "everything is under Validation; add the Training part"
        problem = only_validation if has_validation else "no .json or .xlsx in the zips"
        raise DataError(f"{CARD.name}: path {root}: {problem}; {_ADVICE}")
    return selected


def _refuse_unmarked(parts: list[archive.ArchivePart], root: Path) -> None:
    """Raises DataError if only some names of files show whether a file is for training or for
    validation."""
    unmarked = [part.name for part in parts if not part.side]
    if unmarked and len(unmarked) < len(parts):
        more = f", and {len(unmarked) - 1:,} more" if len(unmarked) > 1 else ""
        raise DataError(
            f"{CARD.name}: path {root}: {unmarked[0]}: its name does not show whether it is for"
            " training or validation, but names of other files do; move it into a folder Training"
            f" or Validation{more}"
        )


def _belongs(side: str, split: str, has_validation: bool) -> bool:
    """Whether a file of this side has dialogues of the split. Without a Validation part, every file
    has dialogues of both splits."""
    return not has_validation or (side == "validation") == (split == "test")


def _has_validation(sides: Iterable[set[str]]) -> bool:
    return any("validation" in of_file for of_file in sides)


def is_cut(path: str | Path | None = None) -> bool:
    """Whether a download has no Validation part. A share of the groups is then kept for
    scoring."""
    root = _folder(path)
    return not _has_validation(
        {part.side for part in archive.parts(file, root)} for file in archive.find_files(root)
    )


def _folder(path: str | Path | None) -> Path:
    return user_folder(CARD, path, _ADVICE)


def read(
    split: str, path: str | Path | None = None, test_share: float | None = None
) -> Iterator[SourceItem]:
    """Yields the records of a split, as in Source.read(). A record has the fields guid, group,
    messages, topic (or None), and summary if the data set has one. If a guid repeats, #2, #3 and so
    on are added.

    Refused is yielded for a dialogue with more than two speakers or fewer than two turns, for a
    repeated dialogue, and for a train dialogue whose group is in the Validation part. About 120
    bytes are kept in memory for each dialogue, to recognize repeated ones.

    Raises the same errors as files(), and DataError for a bad row."""
    return with_numbered_guids(_read(split, path, test_share))


def _read(split: str, path: str | Path | None, test_share: float | None) -> Iterator[SourceItem]:
    """Like read(), but guids may repeat."""
    selected, root = files(split, path, test_share), _folder(path)
    seen: set[int] = set()
    if is_cut(root):
        try:
            kept = _kept(root, test_share)
        except NoTestError:
            kept = frozenset()
        yield from _cut(_without_repeats(_records(selected, root), seen), split, kept)
        return
    test = _without_repeats(_records(files("test", path), root, validation=True), seen)
    if split == "test":
        yield from test
        return
    held_out = {item["group"] for item in test if isinstance(item, dict)}
    for item in _without_repeats(_records(selected, root, validation=False), seen):
        is_refused = isinstance(item, dict) and item["group"] in held_out
        yield Refused("its group is in the test part") if is_refused else item


def _kept(root: Path, test_share: float | None) -> frozenset[float]:
    """The draws of the groups that are kept for test, for a download without a Validation part.
    Raises NoTestError if there are too few groups or the share is 0."""
    states = ((file.stat().st_size, file.stat().st_mtime_ns) for file in archive.find_files(root))
    draws, share = _draws(root, tuple(states)), test_part.share_of(CARD, test_share)
    lacks = f"{CARD.name}: path {root}: no Validation part"
    return test_part.kept_draws(draws, share, lacks, "add the Validation part of your download")


@lru_cache(maxsize=2)
def _draws(root: Path, _states: tuple[tuple[int, int], ...]) -> frozenset[float]:
    """The draws (test_part.draw) of all groups that have a complete dialogue. Every dialogue is
    read. So the result is cached until `_states`, the sizes and mtimes of the files, change."""
    records = records_of(_records(archive.find_files(root), root))
    return frozenset(test_part.draw(record["group"]) for record in records if is_complete(record))


def _cut(items: Iterable[SourceItem], split: str, kept: frozenset[float]) -> Iterator[SourceItem]:
    """The items of a split of a download without a Validation part. `kept` are the draws of the
    groups of test. Items other than records belong to train."""
    for item in items:
        is_kept = isinstance(item, dict) and bool(kept) and test_part.draw(item["group"]) in kept
        if is_kept == (split == "test"):
            yield item


def _without_repeats(items: Iterable[SourceItem], seen: set[int]) -> Iterator[SourceItem]:
    """Yields the items, with Refused in the place of each repeated dialogue. `seen` has the digests
    of earlier dialogues. Dialogues repeat because AI Hub ships some data sets in two formats, and
    because users unpack a zip and leave it in the same folder."""
    for item in items:
        if isinstance(item, dict):
            turns = digest(item["messages"])
            item = Refused("the same dialogue again") if turns in seen else item
            seen.add(turns)
        yield item


def _records(files: list[Path], root: Path, validation: bool | None = None) -> Iterator[SourceItem]:
    """Yields the items of files. `validation`: True for the items of the Validation part, False for
    all others, None for both."""
    for file in files:
        for part in archive.parts(file, root):
            if validation is None or (part.side == "validation") == validation:
                yield from _records_of(part)


def _records_of(part: archive.ArchivePart) -> Iterator[SourceItem]:
    """Yields the records of a file, then NotRead for its unread keys, and Rewritten for each kind
    of utterances or answers that was dropped from dialogues."""
    dropped: Counter[str] = Counter()
    for item in dialogues(part):
        yield _record(item, dropped) if isinstance(item, Dialogue) else item
    yield from (Rewritten(what, rows) for what, rows in sorted(dropped.items()))


def _record(dialogue: Dialogue, dropped: Counter[str]) -> Record | Refused:
    """A dialogue as a record. What is dropped from the dialogue is counted in `dropped`. Refused in
    the same cases as messages_of()."""
    conversation = messages_of(dialogue.utterances, dialogue.named)
    if isinstance(conversation, Refused):
        return conversation
    dropped.update(conversation.dropped + dialogue.dropped)
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
    "parts",
    "question",
    "read",
    "texts",
]
