"""Writes the files of convert(), under temporary names until all of them are complete."""

import json
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from kodata.card import Message, Record, TrainingRow
from kodata.drafts import draft, write

SPLITS = ("train", "validation")  # of the output; each is one file
Manifest = dict[str, Any]  # JSON to write; kotune.runs.records.Manifest reads it
Row = tuple[TrainingRow, Record]  # the chat with its origin, and the record


BATCH = 256  # rows written at a time: one call of orjson costs more than one row


class Output:
    """Context manager that writes files under temporary names. finish() renames the files; an error
    removes them.

    Rows of all sources have the same columns. Axolotl needs this, since it reads the rows with
    datasets (5.0). datasets infers the columns from the first megabytes and fails if a later row
    differs. So the record is stored as JSON in a string. If any answer has `train: false`, every
    answer gets a `train` key."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lines = writer()
        self._is_marked = False
        self._batches: dict[str, list[Row]] = {split: [] for split in SPLITS}

    def __enter__(self) -> Self:
        self._drafts = ExitStack()
        self._parts = {
            split: self._drafts.enter_context(draft(self.folder / f"{split}.jsonl"))
            for split in SPLITS
        }
        return self

    def __exit__(self, *error: Any) -> None:
        self._drafts.__exit__(*error)  # does nothing after finish()

    def write(self, split: str, row: TrainingRow, record: Record) -> None:
        """Writes a row: `row` has messages, guid, source and form; the record becomes its `doc`."""
        batch = self._batches[split]
        batch.append((row, record))
        if len(batch) == BATCH:
            self._flush(split)

    def _flush(self, split: str) -> None:
        self._parts[split].write(self._lines(self._batches[split]))
        self._batches[split].clear()

    def mark(self) -> None:
        """Makes finish() add a `train` key to all answers. Call it if a row has such a key."""
        self._is_marked = True

    def finish(self, manifest: Manifest) -> None:
        """Renames the files, and writes the manifest last."""
        path = self.folder / "manifest.json"
        path.unlink(missing_ok=True)  # an old manifest must not be beside new files
        for split in SPLITS:
            self._flush(split)
        self._drafts.close()
        for split in SPLITS if self._is_marked else ():
            self._mark_all(self.folder / f"{split}.jsonl")
        text = json.dumps(manifest, ensure_ascii=False, indent=2) + "\n"
        write(path, text.encode(errors="replace"))  # a file name may not be valid Unicode

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
    """The record in a row that convert() wrote."""
    record: Record = json.loads(str(row["doc"]))
    return record


def writer() -> Callable[[list[Row]], bytes]:
    """A function that encodes rows as JSON Lines, each with its record as JSON in the string `doc`.
    Uses orjson if it is installed, else json. The bytes are the same."""
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
        # orjson is called once for all rows and once for all records, then the results are split
        # and joined. Two calls a row would cost twice as much. The split is safe: a row begins with
        # `messages`, a record begins with `guid`, and quotes inside texts are escaped.
        heads = orjson.dumps([row for row, _ in rows])[1:-2].split(b"}," + first_of_row)
        records = orjson.dumps([record for _, record in rows])[1:-2]
        docs = records.replace(b"\\", b"\\\\").replace(b'"', b'\\"').split(b"}," + first_of_doc)
        is_usual = heads[0].startswith(first_of_row) and docs[0].startswith(first_of_doc)
        if not (is_usual and len(heads) == len(docs) == len(rows)):  # the keys have another order
            return b"".join(line(*row) for row in rows)
        heads[0] = heads[0].removeprefix(first_of_row)
        docs[0] = docs[0].removeprefix(first_of_doc)
        joined = map((b',"doc":"' + first_of_doc).join, zip(heads, docs, strict=True))
        return first_of_row + (b'}"}\n' + first_of_row).join(joined) + b'}"}\n'

    return lines
