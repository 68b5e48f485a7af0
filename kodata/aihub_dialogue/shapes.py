"""Reads the dialogues in AI Hub's six formats. A format is recognized by the keys of a row or the
columns of a sheet. File names do not matter. AI Hub documents the fields of each data set
(https://aihub.or.kr).

In a dialogue between two people, the first speaker is the user. In a dialogue between a person and
a system or a clerk, the person is the user."""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from kodata.aihub_dialogue.archive import ArchivePart
from kodata.aihub_dialogue.sheets import sheets
from kodata.card import NotRead, Rewritten, Row
from kodata.dialogue import Utterance
from kodata.errors import DataError, FaultError, shown
from kodata.reading.json_rows import decoded, json_rows
from kodata.reading.keys import Known, Unread, known

LOOKED_FOR = (
    "looked for info[].annotations.lines (주제별 텍스트 일상 대화), data[].body (한국어 SNS), "
    "data[].body.dialogue (한국어 대화 요약), [].talk.content (감성 대화), data[].paragraphs"
    " (일반상식), "
    "or in .xlsx the columns 사람문장1 (감성 대화) or SPEAKER, SENTENCE, SENTENCEID (한국어 대화)"
)
# What is dropped if a question has several answers: all but the first.
OTHER_ANSWERS = "other answers"
_CLERK = {"고객": "user", "점원": "assistant"}  # the speakers in 한국어 대화
_CLERK_COLUMNS = known("SPEAKER", "SENTENCE", "SENTENCEID", "DOMAIN")
# The names of turns in 감성 대화 without their numbers, in .json (HS01, SS01, ...) and in .xlsx
# (사람문장1, 시스템응답1, ...).
_MARKS = {"HS": "user", "SS": "assistant"}
_COLUMNS = {"사람문장": "user", "시스템응답": "assistant", "시스템문장": "assistant"}
_NUMBERED = re.compile(r"(\D+)0*([1-9]\d{0,3})")


class Dialogue(NamedTuple):
    """A dialogue of any format.

    - `group`: dialogues of one group go into the same split
    - `named`: whether the speakers of utterances are names; if False, they are roles
    - `dropped`: what was not used of the row: OTHER_ANSWERS or nothing"""

    guid: str
    group: str
    topic: str | None
    utterances: list[Utterance]
    named: bool
    summary: str | None = None
    dropped: tuple[str, ...] = ()


def dialogues(part: ArchivePart) -> Iterator[Dialogue | NotRead | Rewritten]:
    """Yields the dialogues of a file, then NotRead for its unread keys, and Rewritten if control
    characters were removed. Raises DataError for a bad row (the message has file, row, field and
    value), an unknown format, and a file without dialogues."""
    count, unread = 0, Unread()
    for dialogue in _workbook(part, unread) if part.kind == ".xlsx" else _json(part, unread):
        count += 1
        yield dialogue
    if not count:
        raise DataError(f"{part.where}: no dialogue in it; {LOOKED_FOR}")
    yield from unread.results()


def _json(part: ArchivePart, unread: Unread) -> Iterator[Dialogue]:
    """The dialogues of a .json file. `unread` counts what is not read."""
    number = 0
    other_keys: list[str] = []
    try:
        text = decoded(part.chunks(), ("utf-8-sig", "cp949"))
        for number, row in enumerate(json_rows(text, ("data", "info"), other_keys), 1):
            value = _Value(f"{part.where}: row {number}", row)
            yield from _of_row(value, f"{part.name}#{number}", unread)
    except FaultError as fault:
        raise DataError(f"{part.where}: row {number + 1}: {fault}") from None
    unread.count_keys(other_keys)


def _of_row(value: "_Value", name: str, unread: Unread) -> Iterator[Dialogue]:
    """The dialogues of a row in any format. `name` is unique to the row. Raises DataError for an
    unknown format."""
    row = value.content if isinstance(value.content, dict) else {}
    for key, (names, read) in _SHAPES.items():
        if key in row:
            yield from read(value, name)
            unread.count_row(row, names)
            return
    keys = ", ".join(map(repr, row)) if row else shown(value.content)
    raise DataError(f"{value.where}: an unknown shape ({keys:.120}); {LOOKED_FOR}")


def _daily(row: "_Value", name: str) -> Iterator[Dialogue]:
    """The dialogue of a row of 주제별 텍스트 일상 대화."""
    identity = f"daily:{row.maybe('filename') or name}"
    lines = row.items("annotations.lines")
    spoken = [Utterance(line.text("speaker.id"), line.text("norm_text")) for line in lines]
    yield Dialogue(identity, identity, row.maybe("annotations.subject"), spoken, True)


def _two_people(row: "_Value", _: str) -> Iterator[Dialogue]:
    """The dialogue of a row of 한국어 SNS or 한국어 대화 요약. Both have the same header. In the
    latter, `body` has the utterances and a summary."""
    has_summary = isinstance(row.get("body"), dict)
    lines = row.items("body.dialogue" if has_summary else "body")
    kind = "summary" if has_summary else "sns"
    identity = f"{kind}:{row.text('header.dialogueInfo.dialogueID')}"
    spoken = [Utterance(line.text("participantID"), line.text("utterance")) for line in lines]
    summary = row.maybe("body.summary") if has_summary else None
    topic = row.maybe("header.dialogueInfo.topic")
    yield Dialogue(identity, identity, topic, spoken, True, summary)


def _emotional(row: "_Value", _: str) -> Iterator[Dialogue]:
    """The dialogue of a row of 감성 대화."""
    content = _Value(f"{row.where}: talk.content", row.get("talk.content"))
    profile = row.text("talk.id.profile-id")
    spoken = _trimmed(
        Utterance(role, content.maybe(key) or "")
        for key, role in _turn_keys(content.content, _MARKS)
    )
    identity = row.maybe("talk.id.talk-id") or profile
    topic = row.maybe("profile.emotion.type")
    yield Dialogue(f"emotional:{identity}", f"emotional:{profile}", topic, spoken, False)


def _turn_keys(names: Any, roles: dict[str, str]) -> list[tuple[str, str]]:
    """Selects the names of turns, such as HS01, SS01 and HS02. Returns each with its role, in the
    order of the turns. `roles` maps a name without its number to the role. Other names are
    skipped."""
    numbered = [
        (match, name)
        for name in names or ()
        if (match := _NUMBERED.fullmatch(name)) and match[1] in roles
    ]
    numbered.sort(key=lambda pair: (int(pair[0][2]), list(roles).index(pair[0][1])))
    return [(name, roles[match[1]]) for match, name in numbered]


def _trimmed(utterances: Iterable[Utterance]) -> list[Utterance]:
    """The utterances without empty ones at the end. A row of 감성 대화 has fields for more turns
    than most dialogues have."""
    every = list(utterances)
    filled = (end for end, utterance in enumerate(every, 1) if utterance.text)
    return every[: max(filled, default=0)]


def _questions(row: "_Value", _: str) -> Iterator[Dialogue]:
    """The dialogues of a row of 일반상식, which is an article in SQuAD 1.1's format. Each question
    is a dialogue. All dialogues of an article are one group."""
    title = row.text("title")
    for paragraph in row.items("paragraphs"):
        context = paragraph.text("context")
        for question in paragraph.items("qas"):
            answers = [answer.text("text") for answer in question.items("answers")]
            spoken = [Utterance("user", f"{context}\n\n{question.text('question')}")]
            spoken += [Utterance("assistant", answer) for answer in answers[:1]]
            dropped = (OTHER_ANSWERS,) if len({*answers}) > 1 else ()
            identity = f"squad:{question.text('id')}"
            yield Dialogue(identity, f"squad:{title}", title, spoken, False, dropped=dropped)


def _workbook(part: ArchivePart, unread: Unread) -> Iterator[Dialogue]:
    """The dialogues of an .xlsx file. `unread` counts what is not read. Raises DataError at the end
    if a sheet has an unknown format."""
    unknown = []
    with part.handle() as handle:
        for title, columns, rows in sheets(handle, part.where):
            where = f"{part.where}: sheet {title}"
            name = f"{part.name}#{title}"
            if "사람문장1" in columns:
                turns = _turn_keys(columns, _COLUMNS)
                names = known("감정_대분류", *(column for column, _ in turns))
                yield from _emotional_rows(_counted(rows, names, unread), name, turns)
            elif {"SPEAKER", "SENTENCE", "SENTENCEID"} <= set(columns):
                yield from _clerk_rows(_counted(rows, _CLERK_COLUMNS, unread), name, where)
            else:
                unknown.append(f"{title} has the columns {', '.join(columns)}")
    if unknown:
        raise DataError(
            f"{part.where}: an unknown shape: sheet {'; '.join(unknown):.200}; {LOOKED_FOR}"
        )


def _counted(
    rows: Iterable[tuple[int, Row]], names: Known, unread: Unread
) -> Iterator[tuple[int, Row]]:
    """Yields numbered rows unchanged. `unread` counts their keys that are not in `names`."""
    for number, row in rows:
        unread.count_row(row, names)
        yield number, row


def _emotional_rows(
    rows: Iterable[tuple[int, Row]], name: str, turns: list[tuple[str, str]]
) -> Iterator[Dialogue]:
    """The dialogues of a sheet of 감성 대화. Each row is a dialogue. `name` is unique to the sheet.
    `turns` has the columns of the turns, each with its role."""
    for number, row in rows:
        identity = f"emotional:{name}:{number}"
        spoken = _trimmed(Utterance(role, str(row.get(column, ""))) for column, role in turns)
        yield Dialogue(identity, identity, str(row.get("감정_대분류", "")), spoken, False)


def _clerk_rows(rows: Iterable[tuple[int, Row]], name: str, where: str) -> Iterator[Dialogue]:
    """The dialogues of a sheet of 한국어 대화. Each row is an utterance. A row whose SENTENCEID is
    1 begins a new dialogue. `name` is unique to the sheet, and `where` names it in errors."""
    spoken: list[Utterance] = []
    identity, domain = f"clerk:{name}:0", ""
    for number, row in rows:
        if _begins(row, f"{where}: row {number}"):
            if spoken:
                yield Dialogue(identity, identity, domain, spoken, False)
            identity, domain = f"clerk:{name}:{number}", str(row.get("DOMAIN", ""))
            spoken = []
        speaker = str(row.get("SPEAKER", "")).strip()
        if speaker not in _CLERK:
            raise DataError(
                f"{where}: row {number}: SPEAKER is {shown(speaker)}, not 고객 or 점원; mend or"
                " remove the row"
            )
        spoken.append(Utterance(_CLERK[speaker], str(row.get("SENTENCE", ""))))
    if spoken:
        yield Dialogue(identity, identity, domain, spoken, False)


def _begins(row: Row, where: str) -> bool:
    """Whether a row begins a new dialogue. Raises DataError if SENTENCEID is not a number."""
    value = row.get("SENTENCEID")
    try:
        return float(str(value)) == 1
    except ValueError:
        raise DataError(
            f"{where}: SENTENCEID is {shown(value)}, not a number; mend or remove the row"
        ) from None


class _Value(NamedTuple):
    """A value of a .json file, and its location for error messages."""

    where: str
    content: Any

    def get(self, path: str) -> Any:
        """The value at a dotted path; None if any part of the path is missing."""
        value = self.content
        for key in path.split("."):
            value = value.get(key) if isinstance(value, dict) else None
        return value

    def maybe(self, path: str) -> str | None:
        """The text at a dotted path; None if it is missing, null or empty. Raises DataError if the
        value is not text."""
        value = self.get(path)
        if value is not None and not isinstance(value, str):
            raise DataError(
                f"{self.where}: {path} is {shown(value)}, which is not text; mend or remove the row"
            )
        return value or None

    def text(self, path: str) -> str:
        """The text at a dotted path, which may be empty. A whole number becomes text. Raises
        DataError if the value is missing or of another type."""
        value = self.get(path)
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        if not isinstance(value, str):
            what = "missing" if value is None else f"{shown(value)}, which is not text"
            raise DataError(f"{self.where}: {path} is {what}; mend or remove the row")
        return value

    def items(self, path: str) -> list["_Value"]:
        """The elements of the list at a dotted path. Raises DataError if there is no list."""
        value = self.get(path)
        if not isinstance(value, list):
            what = "missing" if value is None else f"{shown(value)}, which is not a list"
            raise DataError(f"{self.where}: {path} is {what}; mend or remove the row")
        return [_Value(f"{self.where}: {path}.{number}", item) for number, item in enumerate(value)]


# The formats of rows, by a key that only rows of this format have. For each format: the keys that
# are read, and the function that converts a row into dialogues.
_SHAPES: dict[str, tuple[Known, Callable[[_Value, str], Iterator[Dialogue]]]] = {
    "talk": (
        known(
            talk=known(
                id=known("profile-id", "talk-id"),
                content=lambda turns: known(*(key for key, _ in _turn_keys(turns, _MARKS))),
            ),
            profile=known(emotion=known("type")),
        ),
        _emotional,
    ),
    "annotations": (
        known(
            "filename", annotations=known("subject", lines=known("norm_text", speaker=known("id")))
        ),
        _daily,
    ),
    "body": (
        known(
            header=known(dialogueInfo=known("dialogueID", "topic")),
            body=known(
                "participantID",
                "utterance",
                "summary",
                dialogue=known("participantID", "utterance"),
            ),
        ),
        _two_people,
    ),
    "paragraphs": (
        known(
            "title",
            paragraphs=known(
                "context", qas=known("id", "question", answers=known("text", "answer_start"))
            ),
        ),
        _questions,
    ),
}
