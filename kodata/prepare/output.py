"""Writes the files that convert() makes: train.jsonl, validation.jsonl and manifest.json. They have
temporary names until both .jsonl files are complete."""

import json
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from kodata.card import Message, Record, TrainingRow
from kodata.drafts import draft, write

SPLITS = ("train", "validation")  # the splits of the output; each is one file
Manifest = dict[str, Any]  # the content of manifest.json; kotune.runs.records.Manifest reads it
Row = tuple[TrainingRow, Record]  # a row to write, and the record that becomes its `doc`

# The number of rows that are encoded and written together. One call of orjson takes longer than
# encoding a row.
BATCH = 256


class Output:
    """Context manager that writes rows to drafts of train.jsonl and validation.jsonl in `folder`.
    finish() renames the drafts to these names. If the body raises an error, the drafts are removed.

    All rows have the same keys, although records of different sources have different fields. This
    is because Axolotl reads the rows with datasets (5.0), which infers the columns from the first
    megabytes and fails if a later row has others. So the record is stored as JSON in a string. If
    any answer has `train: false`, every answer gets the key `train`."""

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
        """Writes a row to the file of a split. `row` has messages, guid, source and form. The
        record becomes its `doc`."""
        batch = self._batches[split]
        batch.append((row, record))
        if len(batch) == BATCH:
            self._flush(split)

    def _flush(self, split: str) -> None:
        """Writes the rows that wait to be encoded together."""
        self._parts[split].write(self._lines(self._batches[split]))
        self._batches[split].clear()

    def mark(self) -> None:
        """Makes finish() add the key `train` to all answers. To be called if a row has this key."""
        self._is_marked = True

    def finish(self, manifest: Manifest) -> None:
        """Renames the drafts, then writes the manifest. So a folder with a manifest has complete
        files."""
        path = self.folder / "manifest.json"
        path.unlink(missing_ok=True)  # an old manifest does not describe the new files
        for split in SPLITS:
            self._flush(split)
        self._drafts.close()
        for split in SPLITS if self._is_marked else ():
            self._mark_all(self.folder / f"{split}.jsonl")
        text = json.dumps(manifest, ensure_ascii=False, indent=2) + "\n"
        # A file name in the manifest may contain a lone surrogate, which UTF-8 cannot encode.
        write(path, text.encode(errors="replace"))

    def _mark_all(self, file: Path) -> None:
        """Adds `train: true` to all answers in a file that do not have the key `train`."""
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
    """Returns a function that encodes rows as JSON Lines. The record of each row becomes JSON in
    the string `doc`. The function uses orjson if it is installed, else json, with the same
    result."""
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
        # orjson encodes all rows in one call and all records in another. Both results are then
        # split into rows and joined. Two calls for each row would take twice the time. They are
        # split where a row begins with `messages`, or a record with `guid`. Texts cannot contain
        # these separators, since quotes in texts are escaped.
        heads = orjson.dumps([row for row, _ in rows])[1:-2].split(b"}," + first_of_row)
        records = orjson.dumps([record for _, record in rows])[1:-2]
        docs = records.replace(b"\\", b"\\\\").replace(b'"', b'\\"').split(b"}," + first_of_doc)
        is_usual = heads[0].startswith(first_of_row) and docs[0].startswith(first_of_doc)
        # If the first key of a row or record is another one, each row is encoded by itself.
        if not (is_usual and len(heads) == len(docs) == len(rows)):
            return b"".join(line(*row) for row in rows)
        heads[0] = heads[0].removeprefix(first_of_row)
        docs[0] = docs[0].removeprefix(first_of_doc)
        joined = map((b',"doc":"' + first_of_doc).join, zip(heads, docs, strict=True))
        return first_of_row + (b'}"}\n' + first_of_row).join(joined) + b'}"}\n'

    return lines
