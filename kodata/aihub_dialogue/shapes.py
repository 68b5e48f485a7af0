"""AI Hub's six dialogue shapes, told apart by what a row or a sheet holds, never by a file's name.

What each set's fields are called is described in docs of AI Hub (https://aihub.or.kr); roles: the first speaker is the
user where speakers are two people, else the person is the user and the system or the clerk the assistant.
"""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from kodata.aihub_dialogue.archive import ArchivePart
from kodata.aihub_dialogue.sheets import Row, sheets
from kodata.dialogue import Utterance
from kodata.errors import DataError, FaultError, shown
from kodata.reading.json_rows import decoded, json_rows

LOOKED_FOR = (
    "looked for info[].annotations.lines (주제별 텍스트 일상 대화), data[].body (한국어 SNS), "
    "data[].body.dialogue (한국어 대화 요약), [].talk.content (감성 대화), data[].paragraphs (일반상식), "
    "or in .xlsx the columns 사람문장1 (감성 대화) or SPEAKER, SENTENCE, SENTENCEID (한국어 대화)"
)
_CLERK = {"고객": "user", "점원": "assistant"}


class Dialogue(NamedTuple):
    """What a shape makes of its rows. `named`: speakers are names, not roles. `group`: what is split together."""

    guid: str
    group: str
    topic: str | None
    utterances: list[Utterance]
    named: bool
    summary: str | None = None


def dialogues(part: ArchivePart) -> Iterator[Dialogue]:
    """The dialogues of a file. Raises DataError with file, row, field and value, also where there is none in it."""
    count = 0
    for dialogue in _workbook(part) if part.kind == ".xlsx" else _json(part):
        count += 1
        yield dialogue
    if not count:
        raise DataError(f"{part.place}: no dialogue in it; {LOOKED_FOR}")


def _json(part: ArchivePart) -> Iterator[Dialogue]:
    number = 0
    try:
        text = decoded(part.chunks(), ("utf-8-sig", "cp949"))
        for number, row in enumerate(json_rows(text, inside=("data", "info")), 1):
            yield from _of_row(_Place(f"{part.place}: row {number}", row), f"{part.name}#{number}")
    except FaultError as fault:
        raise DataError(f"{part.place}: row {number + 1}: {fault}") from None


def _of_row(at: "_Place", name: str) -> Iterator[Dialogue]:
    row = at.value if isinstance(at.value, dict) else {}
    if "talk" in row:
        yield _emotional(at)
    elif "annotations" in row:
        yield _daily(at, name)
    elif "body" in row:
        yield _two_people(at)
    elif "paragraphs" in row:
        yield from _questions(at)
    else:
        keys = ", ".join(map(repr, row)) if row else shown(at.value)
        raise DataError(f"{at.place}: an unknown shape ({keys:.120}); {LOOKED_FOR}")


def _daily(at: "_Place", name: str) -> Dialogue:
    identity = at.maybe("filename") or name
    said = [Utterance(line.text("speaker.id"), line.text("norm_text")) for line in at.items("annotations.lines")]
    return Dialogue(f"daily:{identity}", f"daily:{identity}", at.maybe("annotations.subject"), said, True)


def _two_people(at: "_Place") -> Dialogue:
    """SNS and summary: the same header; the summary set wraps the utterances and adds its text."""
    summarised = isinstance(at.get("body"), dict)
    lines = at.items("body.dialogue" if summarised else "body")
    identity = f"{'summary' if summarised else 'sns'}:{at.text('header.dialogueInfo.dialogueID')}"
    said = [Utterance(line.text("participantID"), line.text("utterance")) for line in lines]
    summary = at.maybe("body.summary") if summarised else None
    return Dialogue(identity, identity, at.maybe("header.dialogueInfo.topic"), said, True, summary)


def _emotional(at: "_Place") -> Dialogue:
    content = _Place(f"{at.place}: talk.content", at.get("talk.content"))
    profile = at.text("talk.id.profile-id")
    said = [
        Utterance(role, content.maybe(f"{mark}{number:02}") or "")
        for number in range(1, 10)
        for mark, role in (("HS", "user"), ("SS", "assistant"))
    ]
    identity = at.maybe("talk.id.talk-id") or profile
    return Dialogue(f"emotional:{identity}", f"emotional:{profile}", at.maybe("profile.emotion.type"), said, False)


def _questions(at: "_Place") -> Iterator[Dialogue]:
    """SQuAD 1.1: the questions of an article are one group."""
    title = at.text("title")
    for paragraph in at.items("paragraphs"):
        context = paragraph.text("context")
        for question in paragraph.items("qas"):
            answers = question.items("answers")
            said = [Utterance("user", f"{context}\n\n{question.text('question')}")]
            said += [Utterance("assistant", answer.text("text")) for answer in answers[:1]]
            yield Dialogue(f"squad:{question.text('id')}", f"squad:{title}", title, said, False)


def _workbook(part: ArchivePart) -> Iterator[Dialogue]:
    unknown = []
    with part.handle() as handle:
        for title, columns, rows in sheets(handle, part.place):
            place = f"{part.place}: sheet {title}"
            if "사람문장1" in columns:
                yield from _emotional_rows(rows, f"{part.name}#{title}")
            elif {"SPEAKER", "SENTENCE", "SENTENCEID"} <= set(columns):
                yield from _clerk_rows(rows, f"{part.name}#{title}", place)
            else:
                unknown.append(f"{title} has the columns {', '.join(columns)}")
    if unknown:
        raise DataError(f"{part.place}: an unknown shape: sheet {'; '.join(unknown):.200}; {LOOKED_FOR}")


def _emotional_rows(rows: Iterable[tuple[int, Row]], name: str) -> Iterator[Dialogue]:
    columns = [
        (role, column.format(number))
        for number in range(1, 10)
        for role, column in (("user", "사람문장{}"), ("assistant", "시스템응답{}"), ("assistant", "시스템문장{}"))
    ]
    for number, row in rows:
        identity = f"emotional:{name}:{number}"
        said = [Utterance(role, str(row.get(column, ""))) for role, column in columns]
        yield Dialogue(identity, identity, str(row.get("감정_대분류", "")), said, False)


def _clerk_rows(rows: Iterable[tuple[int, Row]], name: str, place: str) -> Iterator[Dialogue]:
    """A row an utterance; SENTENCEID 1 begins a dialogue."""
    said: list[Utterance] = []
    first, domain = 0, ""
    for number, row in rows:
        if _begins(row, f"{place}: row {number}"):
            if said:
                yield Dialogue(f"clerk:{name}:{first}", f"clerk:{name}:{first}", domain, said, False)
            said, first, domain = [], number, str(row.get("DOMAIN", ""))
        speaker = str(row.get("SPEAKER", "")).strip()
        if speaker not in _CLERK:
            raise DataError(
                f"{place}: row {number}: SPEAKER is {shown(speaker)}, not 고객 or 점원; mend or remove the row"
            )
        said.append(Utterance(_CLERK[speaker], str(row.get("SENTENCE", ""))))
    if said:
        yield Dialogue(f"clerk:{name}:{first}", f"clerk:{name}:{first}", domain, said, False)


def _begins(row: Row, place: str) -> bool:
    value = row.get("SENTENCEID")
    try:
        return float(str(value)) == 1
    except ValueError:
        raise DataError(f"{place}: SENTENCEID is {shown(value)}, not a number; mend or remove the row") from None


class _Place(NamedTuple):
    """A value with where it stands, so that what is missing in it can be named."""

    place: str
    value: Any

    def get(self, path: str) -> Any:
        """The value under a dotted path; None where any part of it is missing."""
        value = self.value
        for key in path.split("."):
            value = value.get(key) if isinstance(value, dict) else None
        return value

    def maybe(self, path: str) -> str | None:
        """The text under a path; None where it is missing, null or empty."""
        value = self.get(path)
        if value is not None and not isinstance(value, str):
            raise DataError(f"{self.place}: {path} is {shown(value)}, which is not text; mend or remove the row")
        return value or None

    def text(self, path: str) -> str:
        """The text under a path, which must be there; a number counts as text, an empty text as one."""
        value = self.get(path)
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        if not isinstance(value, str):
            what = "missing" if value is None else f"{shown(value)}, which is not text"
            raise DataError(f"{self.place}: {path} is {what}; mend or remove the row")
        return value

    def items(self, path: str) -> list["_Place"]:
        """The elements of the list under a path."""
        value = self.get(path)
        if not isinstance(value, list):
            what = "missing" if value is None else f"{shown(value)}, which is not a list"
            raise DataError(f"{self.place}: {path} is {what}; mend or remove the row")
        return [_Place(f"{self.place}: {path}.{number}", item) for number, item in enumerate(value)]
