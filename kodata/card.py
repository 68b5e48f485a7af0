"""What every data set module tells about itself (Card) and what it must offer (Source)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

Record = dict[str, str]
Message = dict[str, str]


@dataclass(frozen=True)
class Card:
    """A data set's facts, as the manifest of a run and the documentation show them."""

    name: str
    title: str
    task: str  # the lm-evaluation-harness task that scores it
    origin: str
    licence: str
    obliges: str  # what the licence asks of whoever uses the data
    hub_id: str | None
    hub_config: str | None
    revision: str | None  # the hub commit that is read
    rows: Mapping[str, int]  # split: rows
    forms: tuple[str, ...]  # the ways in which a record becomes an example
    defects: str  # known faults of the data


class Source(Protocol):
    """A data set module. A record is a flat dict of strings with at least "guid"; "label" where there is one."""

    CARD: Card
    SPLITS: tuple[str, ...]
    FORMS: tuple[str, ...]

    def files(self, split: str, path: str | Path | None = None) -> list[Path]:
        """The files that hold a split: under `path`, else shipped or brought from the hub."""

    def read(self, split: str, path: str | Path | None = None) -> Iterator[Record]:
        """The records of a split, one at a time, in file order."""

    def messages(self, record: Record, form: str) -> list[Message]:
        """The record as a chat example: a user's turn and the assistant's answer."""

    def group(self, record: Record) -> str:
        """Records of one group may not stand on both sides of a split."""

    def texts(self, record: Record) -> tuple[str, ...]:
        """The texts that may not occur in what is scored: a leak check compares them."""
