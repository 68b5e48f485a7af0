"""AI Hub's six dialogue shapes, told apart by what a row or a sheet holds, never by a file's name.

What each set's fields are called is described in docs of AI Hub (https://aihub.or.kr); roles: the
first speaker is the user where speakers are two people, else the person is the user and the system
or the clerk the assistant."""

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
OTHER_ANSWERS = "other answers"  # to one question: the first is used
_CLERK = {"고객": "user", "점원": "assistant"}
_CLERK_COLUMNS = known("SPEAKER", "SENTENCE", "SENTENCEID", "DOMAIN")
_MARKS = {"HS": "user", "SS": "assistant"}  # of 감성 대화: 사람 and 시스템, numbered
_COLUMNS = {"사람문장": "user", "시스템응답": "assistant", "시스템문장": "assistant"}
_NUMBERED = re.compile(r"(\D+)0*([1-9]\d{0,3})")


class Dialogue(NamedTuple):
    """What a shape makes of its rows. `named`: speakers are names, not roles. `group`: what is
    split together. `left_out`: what of a row is not in it."""

    guid: str
    group: str
    topic: str | None
    utterances: list[Utterance]
    named: bool
    summary: str | None = None
    left_out: tuple[str, ...] = ()


def dialogues(part: ArchivePart) -> Iterator[Dialogue | NotRead | Rewritten]:
    """The dialogues of a file, then the keys of its rows that are not read. Raises DataError with
    file, row, field and value, also where there is no dialogue in it."""
    count, unread = 0, Unread()
    for dialogue in _workbook(part, unread) if part.kind == ".xlsx" else _json(part, unread):
        count += 1
        yield dialogue
    if not count:
        raise DataError(f"{part.place}: no dialogue in it; {LOOKED_FOR}")
    yield from unread.told()


def _json(part: ArchivePart, unread: Unread) -> Iterator[Dialogue]:
    number = 0
    passed: list[str] = []
    try:
        text = decoded(part.chunks(), ("utf-8-sig", "cp949"))
        for number, row in enumerate(json_rows(text, ("data", "info"), passed), 1):
            yield from _of_row(
                _Place(f"{part.place}: row {number}", row), f"{part.name}#{number}", unread
            )
    except FaultError as fault:
        raise DataError(f"{part.place}: row {number + 1}: {fault}") from None
    unread.add(passed)


def _of_row(at: "_Place", name: str, unread: Unread) -> Iterator[Dialogue]:
    row = at.value if isinstance(at.value, dict) else {}
    for key, (names, made) in _SHAPES.items():
        if key in row:
            yield from made(at, name)
            unread.look(row, names)
            return
    keys = ", ".join(map(repr, row)) if row else shown(at.value)
    raise DataError(f"{at.place}: an unknown shape ({keys:.120}); {LOOKED_FOR}")


def _daily(at: "_Place", name: str) -> Iterator[Dialogue]:
    identity = at.maybe("filename") or name
    said = [
        Utterance(line.text("speaker.id"), line.text("norm_text"))
        for line in at.items("annotations.lines")
    ]
    yield Dialogue(
        f"daily:{identity}", f"daily:{identity}", at.maybe("annotations.subject"), said, True
    )


def _two_people(at: "_Place", _: str) -> Iterator[Dialogue]:
    """SNS and summary: the same header; the summary set wraps the utterances and adds its text."""
    summarised = isinstance(at.get("body"), dict)
    lines = at.items("body.dialogue" if summarised else "body")
    identity = f"{'summary' if summarised else 'sns'}:{at.text('header.dialogueInfo.dialogueID')}"
    said = [Utterance(line.text("participantID"), line.text("utterance")) for line in lines]
    summary = at.maybe("body.summary") if summarised else None
    yield Dialogue(identity, identity, at.maybe("header.dialogueInfo.topic"), said, True, summary)


def _emotional(at: "_Place", _: str) -> Iterator[Dialogue]:
    content = _Place(f"{at.place}: talk.content", at.get("talk.content"))
    profile = at.text("talk.id.profile-id")
    said = _filled(
        Utterance(role, content.maybe(key) or "") for key, role in _in_turn(content.value, _MARKS)
    )
    identity = at.maybe("talk.id.talk-id") or profile
    yield Dialogue(
        f"emotional:{identity}",
        f"emotional:{profile}",
        at.maybe("profile.emotion.type"),
        said,
        False,
    )


def _in_turn(names: Any, roles: dict[str, str]) -> list[tuple[str, str]]:
    """Of keys or columns named HS01, SS01, HS02, ... each with its role, in the order in which they
    are said."""
    named = [
        (found, name)
        for name in names or ()
        if (found := _NUMBERED.fullmatch(name)) and found[1] in roles
    ]
    named.sort(key=lambda each: (int(each[0][2]), list(roles).index(each[0][1])))
    return [(name, roles[found[1]]) for found, name in named]


def _filled(said: Iterable[Utterance]) -> list[Utterance]:
    """A dialogue's utterances, of the three or four that each dialogue of 감성 대화 has a place
    for."""
    every = list(said)
    return every[: max((at for at, each in enumerate(every, 1) if each.text), default=0)]


def _questions(at: "_Place", _: str) -> Iterator[Dialogue]:
    """SQuAD 1.1: the questions of an article are one group."""
    title = at.text("title")
    for paragraph in at.items("paragraphs"):
        context = paragraph.text("context")
        for question in paragraph.items("qas"):
            answers = [answer.text("text") for answer in question.items("answers")]
            said = [Utterance("user", f"{context}\n\n{question.text('question')}")]
            said += [Utterance("assistant", answer) for answer in answers[:1]]
            other = (OTHER_ANSWERS,) if len({*answers}) > 1 else ()
            yield Dialogue(
                f"squad:{question.text('id')}", f"squad:{title}", title, said, False, left_out=other
            )


def _workbook(part: ArchivePart, unread: Unread) -> Iterator[Dialogue]:
    unknown = []
    with part.handle() as handle:
        for title, columns, rows in sheets(handle, part.place):
            place = f"{part.place}: sheet {title}"
            name = f"{part.name}#{title}"
            if "사람문장1" in columns:
                spoken = _in_turn(columns, _COLUMNS)
                names = known("감정_대분류", *(column for column, _ in spoken))
                yield from _emotional_rows(_looked_at(rows, names, unread), name, spoken)
            elif {"SPEAKER", "SENTENCE", "SENTENCEID"} <= set(columns):
                yield from _clerk_rows(_looked_at(rows, _CLERK_COLUMNS, unread), name, place)
            else:
                unknown.append(f"{title} has the columns {', '.join(columns)}")
    if unknown:
        raise DataError(
            f"{part.place}: an unknown shape: sheet {'; '.join(unknown):.200}; {LOOKED_FOR}"
        )


def _looked_at(
    rows: Iterable[tuple[int, Row]], names: Known, unread: Unread
) -> Iterator[tuple[int, Row]]:
    for number, row in rows:
        unread.look(row, names)
        yield number, row


def _emotional_rows(
    rows: Iterable[tuple[int, Row]], name: str, spoken: list[tuple[str, str]]
) -> Iterator[Dialogue]:
    for number, row in rows:
        identity = f"emotional:{name}:{number}"
        said = _filled(Utterance(role, str(row.get(column, ""))) for column, role in spoken)
        yield Dialogue(identity, identity, str(row.get("감정_대분류", "")), said, False)


def _clerk_rows(rows: Iterable[tuple[int, Row]], name: str, place: str) -> Iterator[Dialogue]:
    """A row an utterance; SENTENCEID 1 begins a dialogue."""
    said: list[Utterance] = []
    first, domain = 0, ""
    for number, row in rows:
        if _begins(row, f"{place}: row {number}"):
            if said:
                yield Dialogue(
                    f"clerk:{name}:{first}", f"clerk:{name}:{first}", domain, said, False
                )
            said, first, domain = [], number, str(row.get("DOMAIN", ""))
        speaker = str(row.get("SPEAKER", "")).strip()
        if speaker not in _CLERK:
            raise DataError(
                f"{place}: row {number}: SPEAKER is {shown(speaker)}, not 고객 or 점원; mend or"
                " remove the row"
            )
        said.append(Utterance(_CLERK[speaker], str(row.get("SENTENCE", ""))))
    if said:
        yield Dialogue(f"clerk:{name}:{first}", f"clerk:{name}:{first}", domain, said, False)


def _begins(row: Row, place: str) -> bool:
    value = row.get("SENTENCEID")
    try:
        return float(str(value)) == 1
    except ValueError:
        raise DataError(
            f"{place}: SENTENCEID is {shown(value)}, not a number; mend or remove the row"
        ) from None


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
            raise DataError(
                f"{self.place}: {path} is {shown(value)}, which is not text; mend or remove the row"
            )
        return value or None

    def text(self, path: str) -> str:
        """The text under a path, which must be there; a number counts as text, an empty text as
        one."""
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


# By a key that no other shape's rows have: what is read of a row, and the dialogues in it.
_SHAPES: dict[str, tuple[Known, Callable[[_Place, str], Iterator[Dialogue]]]] = {
    "talk": (
        known(
            talk=known(
                id=known("profile-id", "talk-id"),
                content=lambda said: known(*(key for key, _ in _in_turn(said, _MARKS))),
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
