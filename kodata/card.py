"""The facts about a data set (Card) and the interface of a data set module (Source)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, NotRequired, Protocol, TypedDict

Row = dict[str, Any]  # a row of a file, the user's or one on the hub
Record = dict[str, Any]  # a row of a data set, with the source's own fields


class Message(TypedDict):
    """A turn of a chat. `train`: False for an answer that is not trained on."""

    role: str
    content: str
    train: NotRequired[bool]


class TrainingRow(TypedDict):
    """A row of train.jsonl or validation.jsonl. `doc`: the record as JSON, added when the row is
    written."""

    messages: list[Message]
    guid: str
    source: str
    form: str
    doc: NotRequired[str]


class Refused(NamedTuple):
    """Replaces a record, or an example, that is dropped. Drops are counted by reason."""

    reason: str


class NotRead(NamedTuple):
    """A key of a file's rows that is not read into records. `rows` is the number of rows that have
    it. Yielded after the file's records."""

    key: str
    rows: int


class Rewritten(NamedTuple):
    """A change that was made to texts while reading. `rows` is the number of rows that were
    changed. Yielded after the file's records."""

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
    """The facts about a data set that a run's manifest and the documentation show."""

    name: str
    title: str
    task: str  # the lm-evaluation-harness task that scores it
    origin: str
    licence: str
    obliges: str  # what the licence requires of users of the data; empty if nothing
    hub_id: str | None
    hub_config: str | None
    revision: str | None  # the hub commit to read, or a reference if the commit is not known
    rows: Mapping[str, int]  # split: rows
    forms: tuple[str, ...]  # the ways to turn a record into an example
    defects: str  # known faults of the data
    # The share of groups that is kept for scoring if the user's data have no test part. None for a
    # data set with its own test split.
    test_share: float | None = None


class Source(Protocol):
    """A data set module. A record is a flat dict of strings with at least "guid", and "label" if
    the data set has labels.

    If the card has a test_share, files() and read() take a third argument: a share that replaces
    the card's. kodata.source() passes it. The module then also has a function is_cut(path). It
    returns True if the data at `path` have no test part, so that a share of groups is kept for
    scoring."""

    CARD: Card
    SPLITS: tuple[str, ...]
    FORMS: tuple[str, ...]

    def files(self, split: str, path: str | Path | None = None) -> list[Path]:
        """The files of a split. They are in the folder `path`, on the hub (`path` may be a commit),
        or shipped with kotune.

        Empty for a missing validation split. convert() then cuts one from train. Raises DataError
        for an unknown split or missing files. Raises NoTestError if there is nothing to score."""

    def read(self, split: str, path: str | Path | None = None) -> Iterator[SourceItem]:
        """Yields the records of a split in file order, one at a time.

        A row that cannot become a record yields Refused. NotRead and Rewritten come last.
        kodata.control_text.records_of() filters out everything but records."""

    def messages(self, record: Record, form: str, /) -> list[Message] | Refused:
        """The record as a chat that ends with the assistant's answer. Refused if the record does
        not have this form."""

    def group(self, record: Record) -> str:
        """The name of the record's group. All records of a group go into the same split."""

    def texts(self, record: Record) -> tuple[str, ...]:
        """The texts that identify the record. Training on them is a leak if they occur in test data
        (see prepare/leaks.py)."""

    def parts(self, record: Record) -> Parts:
        """The record's texts, each by itself (see prepare/parts.py)."""
