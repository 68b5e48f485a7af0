"""The program of the child process that columns.py starts. It reads a parquet, arrow or xlsx file
from standard input and writes its rows to standard output.

The output is a sequence of pieces. The length of each piece, in HEAD bytes, comes before it. A
piece is a list of rows. The last piece is None, or an error message as text. Pieces are encoded
with Python's marshal, which has only plain values, so decoding a piece runs no code."""

import marshal
import os
import resource
import sys
from collections.abc import Iterator
from itertools import islice
from typing import Any

MEMORY = 512 << 20  # bytes; a row group of 200,000 rows needs a fifth of this
# The maximum CPU time in seconds is CPU_START, plus CPU_SECONDS for each megabyte of the file. This
# is about 100 times what a real file takes.
CPU_SECONDS = 1
CPU_START = 20
HEAD = 8  # bytes of the length before each piece
ROWS = 256  # rows read at a time; even rows of the maximum length fit into MEMORY
MAX_SHEET = 1_048_576  # the maximum number of rows of a sheet in Excel
INPUT = "/dev/fd/0"  # standard input


def main(kind: str) -> None:
    """Write all rows of the input, then None. If reading fails, write an error message instead of
    None. `kind` is the format of the input: parquet, arrow or xlsx."""
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
    """Limits the memory and CPU time of this process, and turns core dumps off. Not every Unix
    enforces every limit."""
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
            # Unlike the parquet reader, this reader does not check offsets itself.
            batch.validate(full=True)
            for first in range(0, batch.num_rows, ROWS):
                yield batch.slice(first, ROWS).to_pylist()


def _xlsx() -> Iterator[list[Any]]:
    """Yields lists of rows that are not empty. A row is (index of the sheet, title of the sheet,
    number of the row, cells of the row). Dates become text."""
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
    """The value of a cell. A value of another type than those of JSON becomes text."""
    return value if value is None or isinstance(value, (str, bool, int, float)) else str(value)


def _send(value: Any) -> None:
    """Writes one piece to standard output, after its length."""
    try:
        data = marshal.dumps(value)
    except ValueError:  # a type that marshal lacks, such as a date or a decimal
        data = marshal.dumps(_plain(value))
    sys.stdout.buffer.write(len(data).to_bytes(HEAD, "little") + data)
    sys.stdout.buffer.flush()


def _plain(value: Any) -> Any:
    """The value, with each inner value that marshal does not support replaced by the list
    [repr(inner value)]. It is a list so that it is not mistaken for a text of the data."""
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
