"""What every data set module tells about itself (Card) and what it must offer (Source)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, NotRequired, Protocol, TypedDict

Row = dict[str, Any]  # a row of a file of the user's or of the hub
Record = dict[str, Any]  # a row of a data set, whose fields are the source's own


class Message(TypedDict):
    """A turn of a chat. `train`: false for an answer that is not to be learned."""

    role: str
    content: str
    train: NotRequired[bool]


class TrainingRow(TypedDict):
    """A row of train.jsonl or validation.jsonl. `doc`: the record as JSON, added when it is
    written."""

    messages: list[Message]
    guid: str
    source: str
    form: str
    doc: NotRequired[str]


class Refused(NamedTuple):
    """Stands where a record, or a record as an example, would: it is left out and counted under its
    reason."""

    reason: str


class NotRead(NamedTuple):
    """Comes after the rows of a file, for each key that so many of them had and that no record
    holds."""

    key: str
    rows: int


class Rewritten(NamedTuple):
    """Comes there too, for what was done to a text of so many rows while they were read."""

    what: str
    rows: int


Found = Record | Refused | NotRead | Rewritten


@dataclass(frozen=True)
class Card:
    """A data set's facts, as the manifest of a run and the documentation show them."""

    name: str
    title: str
    task: str  # the lm-evaluation-harness task that scores it
    origin: str
    licence: str
    obliges: str  # what the licence asks of whoever uses the data; empty: nothing
    hub_id: str | None
    hub_config: str | None
    # The hub commit that is read, or a reference where the commit is not known.
    revision: str | None
    rows: Mapping[str, int]  # split: rows
    forms: tuple[str, ...]  # the ways in which a record becomes an example
    defects: str  # known faults of the data
    # Of the groups, kept for scoring where the user's data have no test part.
    test_share: float | None = None


class Source(Protocol):
    """A data set module. A record is a flat dict of strings with at least "guid"; "label" where
    there is one.

    One whose card has a test_share takes another as a third argument of files() and read(), which
    kodata.source() gives, and has is_cut(path): whether that share is kept for scoring, since the
    data at `path` have no test part."""

    CARD: Card
    SPLITS: tuple[str, ...]
    FORMS: tuple[str, ...]

    def files(self, split: str, path: str | Path | None = None) -> list[Path]:
        """The files that hold a split: in the folder `path`, else shipped or on the hub (at the
        commit `path`). Empty where a validation split is not given: it is cut from train then.
        NoTestError where nothing can be scored."""

    def read(self, split: str, path: str | Path | None = None) -> Iterator[Found]:
        """The records of a split, one at a time, in file order; Refused for a row that is no
        record; what was not read of them last. kodata.control_text.records_of() has the records
        alone."""

    def messages(self, record: Record, form: str) -> list[Message] | Refused:
        """The record as a chat example, which ends with the assistant's answer; Refused where it
        has no such form."""

    def group(self, record: Record) -> str:
        """Records of one group may not stand on both sides of a split."""

    def texts(self, record: Record) -> tuple[str, ...]:
        """The texts that make the record what it is: they may not occur in what is scored
        (prepare/leaks.py compares them)."""
