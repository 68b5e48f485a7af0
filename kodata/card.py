"""The facts about a data set (Card) and the interface of a data set module (Source)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, NotRequired, Protocol, TypedDict

Row = dict[str, Any]  # a row of a file, the user's or one on the hub
Record = dict[str, Any]  # a row of a data set, with the source's own fields


class Message(TypedDict):
    """A turn of a chat. `role` is system, user or assistant. `train` is False for an answer that is
    not trained on."""

    role: str
    content: str
    train: NotRequired[bool]


class TrainingRow(TypedDict):
    """A row of train.jsonl or validation.jsonl.

    - `guid`: the unique name of the record
    - `form`: the way in which the record was turned into a chat, one of the source's FORMS
    - `doc`: the record as JSON. It is added when the row is written."""

    messages: list[Message]
    guid: str
    source: str
    form: str
    doc: NotRequired[str]


class Refused(NamedTuple):
    """Stands in the place of a dropped record or chat. `reason` says why it was dropped. Drops are
    counted by reason."""

    reason: str


class NotRead(NamedTuple):
    """A key of a file's rows that does not become part of the records. `rows` is the number of rows
    with this key. read() yields it after the file's records."""

    key: str
    rows: int


class Rewritten(NamedTuple):
    """A kind of change that was made to texts while reading. `what` names it, and `rows` is the
    number of changed rows. read() yields it after the file's records."""

    what: str
    rows: int


class Parts(NamedTuple):
    """The texts of a record, each by itself. The leak check looks for test questions in them.

    - `texts`: all texts that a training example of the record contains
    - `common`: those that many records may share: a hypothesis, a question, or the single turns of
      a longer chat
    - `pair`: the two texts that a question of the data set consists of, such as premise and
      hypothesis. None if one text identifies the question.
    """

    texts: tuple[str, ...]
    common: tuple[str, ...] = ()
    pair: tuple[str, str] | None = None


SourceItem = Record | Refused | NotRead | Rewritten  # what Source.read() yields


@dataclass(frozen=True)
class Card:
    """The facts about a data set that the manifest of a run and the documentation show."""

    name: str
    title: str
    task: str  # the lm-evaluation-harness task that scores it
    origin: str
    licence: str
    obliges: str  # what the licence requires of users of the data; empty if nothing
    hub_id: str | None  # the repository on the hub; None for a data set that is not there
    hub_config: str | None  # the configuration of the repository, if it has several
    revision: str | None  # the hub commit to read, or a reference if the commit is not known
    rows: Mapping[str, int]  # the number of rows of each split; empty for the user's own data
    forms: tuple[str, ...]  # the ways to turn a record into an example
    defects: str  # known faults of the data
    # The share of groups (0 to 1) that is kept for scoring if the user's data have no test part.
    # None for a data set with its own test split.
    test_share: float | None = None


class Source(Protocol):
    """The interface of a data set module. A record is a dict with at least "guid". It has "label"
    if the data set has labels, and "messages" (a list of turns) if it is a dialogue. Most other
    values are texts.

    A module whose card has a test_share has two additions:

    - files() and read() take a third argument, a share that replaces the one on the card.
    - is_cut(path) returns True if the data at `path` have no test part. A share of the groups is
      then kept for scoring."""

    CARD: Card
    SPLITS: tuple[str, ...]
    FORMS: tuple[str, ...]

    def files(self, split: str, path: str | Path | None = None) -> list[Path]:
        """The files of a split. `path` is a folder or a commit on the hub. None means the card's
        commit, or the files that are shipped with kotune.

        For validation, the list is empty if the user's data have none. convert() then cuts a
        validation split from train. Raises DataError for an unknown split or missing files. Raises
        NoTestError if there is nothing to score."""

    def read(self, split: str, path: str | Path | None = None) -> Iterator[SourceItem]:
        """Yields the records of a split in file order. `path` is as in files().

        Refused is yielded in the place of a row that is dropped. NotRead and Rewritten come last.
        kodata.control_text.records_of() returns only the records."""

    def messages(self, record: Record, form: str, /) -> list[Message] | Refused:
        """The record as a chat that ends with the assistant's answer. `form` is one of FORMS.
        Returns Refused if no chat of this form can be made from the record."""

    def group(self, record: Record) -> str:
        """The name of the record's group. All records of a group go into the same split."""

    def texts(self, record: Record) -> tuple[str, ...]:
        """The texts of the record that are checked for leaks: if they occur in test data, training
        on them would be a leak (see prepare/leaks.py)."""

    def parts(self, record: Record) -> Parts:
        """The record's texts, each by itself (see prepare/parts.py)."""
