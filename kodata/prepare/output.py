"""The files that convert() writes: under temporary names until all of them are whole."""

import json
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from kodata.card import Message, Record, TrainingRow
from kodata.drafts import draft, write

SIDES = ("train", "validation")
Manifest = dict[str, Any]  # JSON to be written; kotune.runs.records.Manifest reads it
Row = tuple[TrainingRow, Record]  # what is trained and where it is from, and the record


BATCH = 256  # rows written at a time: what one call of orjson costs is more than what a row costs


class Output:
    """The files under temporary names; finish() gives them their names, and an error removes them.

    Rows have one form throughout, whatever their sources: datasets (5.0), with which Axolotl reads
    them, takes the form of the first megabytes for that of all, and fails where a later row has
    another. So a record is JSON in a text, and where an answer anywhere is not to be trained
    (`train` false), every answer says whether it is."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lines = writer()
        self._is_marked = False
        self._waiting: dict[str, list[Row]] = {side: [] for side in SIDES}

    def __enter__(self) -> Self:
        self._drafts = ExitStack()
        self._parts = {
            side: self._drafts.enter_context(draft(self.folder / f"{side}.jsonl")) for side in SIDES
        }
        return self

    def __exit__(self, *error: Any) -> None:
        self._drafts.__exit__(*error)  # there is none left after finish()

    def write(self, side: str, row: TrainingRow, record: Record) -> None:
        """`row`: messages, guid, source and form. It is written with the record as its doc."""
        waiting = self._waiting[side]
        waiting.append((row, record))
        if len(waiting) == BATCH:
            self._flush(side)

    def _flush(self, side: str) -> None:
        self._parts[side].write(self._lines(self._waiting[side]))
        self._waiting[side].clear()

    def mark(self) -> None:
        """Some answer says `train`."""
        self._is_marked = True

    def finish(self, manifest: Manifest) -> None:
        whole = self.folder / "manifest.json"
        whole.unlink(missing_ok=True)  # it may not vouch for files that it does not describe
        for side in SIDES:
            self._flush(side)
        self._drafts.close()
        for side in SIDES if self._is_marked else ():
            self._mark_all(self.folder / f"{side}.jsonl")
        text = json.dumps(manifest, ensure_ascii=False, indent=2) + "\n"
        write(whole, text.encode(errors="replace"))  # a file's name may be no Unicode

    def _mark_all(self, file: Path) -> None:
        with file.open("rb") as rows, draft(file) as out:
            for line in rows:
                row = json.loads(line)
                row["messages"] = [_marked(turn) for turn in row["messages"]]
                record = json.loads(row.pop("doc"))
                out.write(self._lines([(row, record)]))


def _marked(turn: Message) -> Message:
    return {"train": True, **turn} if turn["role"] == "assistant" else turn


def doc_of(row: Mapping[str, object]) -> Record:
    """The record of a row that convert() wrote."""
    record: Record = json.loads(str(row["doc"]))
    return record


def writer() -> Callable[[list[Row]], bytes]:
    """Writes rows, each with its record as JSON in a text, as JSON Lines: by orjson where it is
    installed, else by json, with the same bytes."""
    try:
        import orjson
    except ImportError:
        encode = json.JSONEncoder(
            ensure_ascii=False, separators=(",", ":"), check_circular=False
        ).encode
        return lambda rows: "".join(
            encode({**row, "doc": encode(record)}) + "\n" for row, record in rows
        ).encode()

    def line(row: TrainingRow, record: Record) -> bytes:
        return orjson.dumps(
            {**row, "doc": orjson.dumps(record).decode()}, option=orjson.OPT_APPEND_NEWLINE
        )

    first_of_row, first_of_doc = b'{"messages":', b'{\\"guid\\":'

    def lines(rows: list[Row]) -> bytes:
        # One call of orjson for all rows and one for all records, which are then put together: two
        # calls a row cost twice as much. A row begins with its messages and a record with its guid,
        # and nothing inside them does, since the quotes of a text are escaped.
        heads = orjson.dumps([row for row, _ in rows])[1:-2].split(b"}," + first_of_row)
        records = orjson.dumps([record for _, record in rows])[1:-2]
        docs = records.replace(b"\\", b"\\\\").replace(b'"', b'\\"').split(b"}," + first_of_doc)
        is_ours = heads[0].startswith(first_of_row) and docs[0].startswith(first_of_doc)
        if not (is_ours and len(heads) == len(docs) == len(rows)):  # but what is not ours may
            return b"".join(line(*row) for row in rows)
        heads[0] = heads[0].removeprefix(first_of_row)
        docs[0] = docs[0].removeprefix(first_of_doc)
        joined = map((b',"doc":"' + first_of_doc).join, zip(heads, docs, strict=True))
        return first_of_row + (b'}"}\n' + first_of_row).join(joined) + b'}"}\n'

    return lines
