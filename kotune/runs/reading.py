"""Reads files of a run folder. The files may be untrusted. So there are limits on their size, on
the nesting of their values and on the expansion of YAML aliases.

Functions raise OSError for a file that is missing, too large or not regular. They raise ValueError
for damaged content, unless their docstring names another error."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kodata.card import TrainingRow
from kodata.reading.regular import content, opened, too_large
from kotune.errors import StageError
from kotune.layout import PARITY
from kotune.recipe.strict_yaml import plain
from kotune.runs.proof import Parity
from kotune.runs.records import fits, parsed
from kotune.runs.unfinished import StoredRow

# The maximum size of a JSON file in bytes. run.json and similar files have a few kilobytes. In
# memory, nested lists take 25 times as much space as in the file.
MAX_JSON = 16 << 20
# The maximum size of a YAML file in bytes. axolotl.yml has about 2,000 bytes. PyYAML reads 30,000
# bytes in a second.
MAX_YAML = 64 << 10
# The maximum size of a samples file or a training log in bytes. The samples of 25,000 news articles
# have 60 million bytes.
MAX_LINES = 256 << 20
# The maximum size of one of their lines in bytes. The number is also the maximum number of
# characters of a data row (kodata.reading.delimited).
MAX_LINE = 4_000_000
# The maximum number of values in a samples file or a training log. Each value takes up to a hundred
# bytes in memory, even if it is short in the file. The samples of 50,000 reviews have 3 million
# values. Every mark in MARKS counts as one value, also inside texts.
MAX_VALUES = 8_000_000
# The maximum size of a row of data/train.jsonl in bytes. A row may have 4,000,000 Korean characters
# in its messages, and the same text again, escaped, in its record. Rows are read one at a time, so
# their number is not limited.
MAX_ROW = 64 << 20
MARKS = (b",", b":", b"[", b"{")  # one of them precedes every value except the first


def json_of(path: Path) -> Any:
    """The value in a JSON file."""
    return loads(content(path, MAX_JSON).decode("utf-8"))


def long_json_of(path: Path) -> Any:
    """The value in a JSON file that grows during training, within the limits of raw_lines()."""
    return loads(b"".join(raw_lines(path)))


def proof_statuses(run: Path) -> dict[str, str]:
    """The status of each task in a run's parity.json: EQUAL, NOT_TRAINED or NOT_PROVEN of
    kotune.runs.proof. Empty if the file is missing or damaged."""
    try:
        proof = parsed(json_of(run / PARITY), Parity)
    except (OSError, ValueError):  # missing, or not JSON
        return {}
    return {task: of_task.status for task, of_task in proof.tasks.items()} if proof else {}


def lines_of(path: Path) -> list[Any]:
    """The value of each nonempty line of a JSON Lines file, within the limits of raw_lines()."""
    return [_line(line) for line in raw_lines(path) if line.strip()]


def raw_lines(path: Path) -> Iterator[bytes]:
    """Each line of a file, with its line end. Lines are read one at a time, so the whole file is
    never in memory.

    Raises OSError if the file has more than MAX_LINES bytes. Raises ValueError if a line has more
    than MAX_LINE bytes, or the file has more than MAX_VALUES values."""
    size, values = 0, 0
    with opened(path, MAX_LINES) as file:
        # str.splitlines() would split at U+2028, which occurs in answers.
        while line := file.readline(MAX_LINE + 1):
            size, values = size + len(line), values + 1 + sum(map(line.count, MARKS))
            if len(line) > MAX_LINE:
                raise ValueError(f"a line of over {MAX_LINE:,} bytes")
            if size > MAX_LINES:  # the file grew while it was read
                raise too_large(path, MAX_LINES)
            if values > MAX_VALUES:
                raise ValueError(f"over {MAX_VALUES:,} values")
            yield line


def rows_of(path: Path, every: int = 1) -> Iterator[tuple[int, TrainingRow]]:
    """The rows in a file of the prepare stage, each as (line number from 1, row).

    `every`: the interval between rows. For example, 2 selects lines 1, 3, 5 and so on. Raises
    StageError for a selected line that is not a row."""
    for number, line in row_lines(path):
        if (number - 1) % every == 0:
            try:
                row = _line(line)
            except ValueError:  # not JSON
                row = None
            if not fits(row, StoredRow):
                raise _no_row(path, number)
            yield number, row


def row_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """The lines in a file of the prepare stage, each as (line number from 1, line). Raises
    StageError for a line of more than MAX_ROW bytes."""
    with opened(path) as file:
        number = 0
        while line := file.readline(MAX_ROW + 1):
            number += 1
            if len(line) > MAX_ROW:
                raise _no_row(path, number)
            yield number, line


def _no_row(path: Path, number: int) -> StageError:
    """The error for a line that is not a row, to be raised by the caller. `number`: of the line."""
    reason = (
        "not a row of the prepare stage; remove the file and run the same command again, which"
        " writes it again"
    )
    return StageError(f"{path}:{number}: {reason}")


def yaml_of(path: Path) -> Any:
    """The value in a YAML file."""
    return plain(content(path, MAX_YAML).decode("utf-8"))


def _line(line: bytes) -> Any:
    """The value of a line of JSON. orjson reads the line if it is installed, because it is faster.
    If orjson fails, json reads the line, because json also accepts NaN."""
    try:
        import orjson

        return orjson.loads(line)
    except (ImportError, ValueError):
        return loads(line)


def loads(text: str | bytes) -> Any:
    """The value in a JSON text. Raises ValueError if the text is invalid or nested too deeply."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
