"""The child process of columns.py. It reads a parquet, arrow or xlsx file from standard input and
writes the rows to standard output.

The output is a sequence of pieces, each after its length in 8 bytes. A piece is a list of rows, an
error message as text, or None at the end. Pieces are in Python's marshal format, which contains
only plain values, so loading a piece runs no code."""

import marshal
import os
import resource
import sys
from collections.abc import Iterator
from itertools import islice
from typing import Any

MEMORY = 512 << 20  # bytes; a row group of 200,000 rows needs a fifth of this
# The limit of CPU seconds is CPU_START, plus CPU_SECONDS for each megabyte of the file. Together
# this is about 100 times what a real file takes.
CPU_SECONDS = 1
CPU_START = 20
HEAD = 8  # bytes of the length before each piece
ROWS = 256  # rows read at a time; even this many rows of the maximum length fit into MEMORY
MAX_SHEET = 1_048_576  # the most rows of a sheet in Excel
INPUT = "/dev/fd/0"


def main(kind: str) -> None:
    """Write all rows of the input, then None. If reading fails, write an error message instead of
    None."""
    from kodata.errors import brief

    try:
        _limit()
        for rows in {"parquet": _parquet, "arrow": _arrow, "xlsx": _xlsx}[kind]():
            _send(rows)
        _send(None)
    except BrokenPipeError:  # the parent process needs no more rows
        os._exit(0)
    except MemoryError:
        _send(f"it takes over {MEMORY >> 20:,} MiB to read")
    except Exception as error:  # pyarrow raises many kinds of errors for damaged files
        _send(brief(error) or type(error).__name__)


def _limit() -> None:
    """Limits the memory and CPU time of this process. On a Unix that does not enforce a limit, the
    process runs without it."""
    seconds = CPU_START + CPU_SECONDS * (os.fstat(0).st_size >> 20)
    for kind, limit in (
        (resource.RLIMIT_DATA, MEMORY),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (limit, limit))


def _parquet() -> Iterator[list[Any]]:
    import pyarrow.parquet

    with pyarrow.parquet.ParquetFile(INPUT, pre_buffer=False, buffer_size=1 << 20) as file:
        for batch in file.iter_batches(batch_size=ROWS, use_threads=False):
            yield batch.to_pylist()


def _arrow() -> Iterator[list[Any]]:
    import pyarrow

    with pyarrow.memory_map(INPUT) as file, pyarrow.ipc.open_stream(file) as stream:
        for batch in stream:
            batch.validate(full=True)  # unlike the parquet reader, this reader checks no offsets
            for first in range(0, batch.num_rows, ROWS):
                yield batch.slice(first, ROWS).to_pylist()


def _xlsx() -> Iterator[list[Any]]:
    """Yields rows as (index of the sheet, title of the sheet, number of the row, cells of the row).
    Dates become text."""
    import openpyxl

    with open(0, "rb", closefd=False) as file:
        workbook = openpyxl.load_workbook(file, read_only=True, data_only=True)
        for index, sheet in enumerate(workbook.worksheets):
            sheet.reset_dimensions()  # the sheet's size recorded in the file is often wrong
            # openpyxl yields empty rows for missing row numbers. So a single row with a huge number
            # would yield that many rows.
            lines = enumerate(sheet.iter_rows(max_row=MAX_SHEET + 1, values_only=True), 1)
            while batch := list(islice(lines, ROWS)):
                if batch[-1][0] > MAX_SHEET:
                    raise ValueError(f"a row past row {MAX_SHEET:,}")
                yield [
                    (index, sheet.title, number, tuple(map(_cell, cells)))
                    for number, cells in batch
                    if any(cells)
                ]


def _cell(value: Any) -> Any:
    return value if value is None or isinstance(value, (str, bool, int, float)) else str(value)


def _send(value: Any) -> None:
    try:
        data = marshal.dumps(value)
    except ValueError:  # a type that marshal lacks, such as a date or a decimal
        data = marshal.dumps(_plain(value))
    sys.stdout.buffer.write(len(data).to_bytes(HEAD, "little") + data)
    sys.stdout.buffer.flush()


def _plain(value: Any) -> Any:
    """The value, with each inner value that marshal does not support replaced by the list
    [repr(value)]. The list distinguishes the replacement from a text of the data."""
    if isinstance(value, (list, tuple)):
        return type(value)(map(_plain, value))
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return (
        value
        if value is None or isinstance(value, (str, bytes, bool, int, float))
        else [repr(value)]
    )


if __name__ == "__main__":
    main(sys.argv[1])
