"""The files that convert() writes: under temporary names until all of them are whole."""

import json
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from kodata.card import Message, Record
from kodata.drafts import draft, write

SIDES = ("train", "validation")
Manifest = dict[str, Any]


BATCH = 256  # rows written at a time: what one call of orjson costs is more than what a row costs


class Output:
    """The files under temporary names; finish() gives them their names, and an error removes them.

    Rows have one form throughout, whatever their sources: datasets (5.0), with which Axolotl reads them, takes the form of the
    first megabytes for that of all, and fails where a later row has another. So a record is JSON in a text, and where an
    answer anywhere is not to be trained (`train` false), every answer says whether it is.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._texts, self._lines = encoder(), writer()
        self._is_marked = False
        self._waiting: dict[str, list[Manifest]] = {side: [] for side in SIDES}

    def __enter__(self) -> Self:
        self._drafts = ExitStack()
        self._parts = {side: self._drafts.enter_context(draft(self.folder / f"{side}.jsonl")) for side in SIDES}
        return self

    def __exit__(self, *error: Any) -> None:
        self._drafts.__exit__(*error)  # there is none left after finish()

    def write(self, side: str, row: Manifest) -> None:
        """`row`: messages, guid, source, form, and doc, the record."""
        waiting = self._waiting[side]
        waiting.append(row)
        if len(waiting) == BATCH:
            self._flush(side)

    def _flush(self, side: str) -> None:
        waiting = self._waiting[side]
        for row, doc in zip(waiting, self._texts([row["doc"] for row in waiting]), strict=True):
            row["doc"] = doc
        self._parts[side].write(self._lines(waiting))
        waiting.clear()

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
                out.write(self._lines([row]))


def _marked(turn: Message) -> Message:
    return {"train": True, **turn} if turn["role"] == "assistant" else turn


def doc_of(row: Manifest) -> Record:
    """The record of a row that convert() wrote."""
    record: Record = json.loads(row["doc"])
    return record


def encoder() -> Callable[[list[Record]], list[str]]:
    """Records as JSON, each a text of its own: by orjson where it is installed, else by json, with the same texts."""
    try:
        import orjson
    except ImportError:
        encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False).encode
        return lambda records: [*map(encode, records)]

    def texts(records: list[Record]) -> list[str]:
        # As in writer(): no text has such characters, and no line end; all records begin so.
        split = orjson.dumps(records)[1:-1].decode().replace('},{"guid":', '}\n{"guid":').split("\n")
        return split if len(split) == len(records) else [orjson.dumps(record).decode() for record in records]

    return texts


def writer() -> Callable[[list[Manifest]], bytes]:
    """Writes rows as JSON Lines: by orjson where it is installed, else by json, with the same bytes."""
    try:
        import orjson
    except ImportError:
        encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False).encode
        return lambda rows: "".join(encode(row) + "\n" for row in rows).encode()

    def lines(rows: list[Manifest]) -> bytes:
        # Text has no such bytes, since its quotes are escaped: they stand between rows alone, all of which begin so.
        split = orjson.dumps(rows)[1:-1].replace(b'},{"messages":', b'}\n{"messages":') + b"\n"
        if split.count(b"\n") == len(rows):
            return split
        return b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows)

    return lines
