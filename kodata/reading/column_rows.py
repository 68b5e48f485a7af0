"""The other side of columns.py: a process that writes the rows of its input, a parquet, arrow or
xlsx file, to its output.

Each piece of the output is preceded by its length in 8 bytes, and is, in Python's marshal format, a
list of rows, a text that says what is wrong, or None at the end. marshal holds plain values alone
and runs nothing."""

import marshal
import os
import resource
import sys
from collections.abc import Iterator
from itertools import islice
from typing import Any

MEMORY = 512 << 20  # bytes; a row group of 200,000 rows needs a fifth of it
CPU_SECONDS = 1  # for each megabyte of the file, and
CPU_START = 20  # seconds beside: 100 times of what a real file takes
HEAD = 8
ROWS = 256  # read at a time: so many of the longest rows fit into the memory
MAX_SHEET = 1_048_576  # rows of a sheet, as Excel has it
INPUT = "/dev/fd/0"


def main(kind: str) -> None:
    """Write all rows. Whatever the library finds wrong is told as a text."""
    from kodata.errors import brief

    try:
        _limit()
        for rows in {"parquet": _parquet, "arrow": _arrow, "xlsx": _xlsx}[kind]():
            _send(rows)
        _send(None)
    except BrokenPipeError:  # whoever reads has enough
        os._exit(0)
    except MemoryError:
        _send(f"it takes over {MEMORY >> 20:,} MiB to read")
    except Exception as error:  # pyarrow has no one error for what is damaged
        _send(brief(error) or type(error).__name__)


def _limit() -> None:
    """No more memory and time, whatever the file asks for. A Unix without these limits goes
    without."""
    seconds = CPU_START + CPU_SECONDS * (os.fstat(0).st_size >> 20)
    for kind, most in (
        (resource.RLIMIT_DATA, MEMORY),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (most, most))


def _parquet() -> Iterator[list[Any]]:
    import pyarrow.parquet

    with pyarrow.parquet.ParquetFile(INPUT, pre_buffer=False, buffer_size=1 << 20) as file:
        for batch in file.iter_batches(batch_size=ROWS, use_threads=False):
            yield batch.to_pylist()


def _arrow() -> Iterator[list[Any]]:
    import pyarrow

    with pyarrow.memory_map(INPUT) as file, pyarrow.ipc.open_stream(file) as stream:
        for batch in stream:
            batch.validate(full=True)  # unlike parquet's, this reader takes every offset on trust
            for first in range(0, batch.num_rows, ROWS):
                yield batch.slice(first, ROWS).to_pylist()


def _xlsx() -> Iterator[list[Any]]:
    """Rows as (place of the sheet, its title, number of the row, its cells); dates as text."""
    import openpyxl

    with open(0, "rb", closefd=False) as file:
        for place, sheet in enumerate(
            openpyxl.load_workbook(file, read_only=True, data_only=True).worksheets
        ):
            sheet.reset_dimensions()  # what a file says of its own size is often wrong
            # A row number past the last that there can be would bring as many empty rows.
            lines = enumerate(sheet.iter_rows(max_row=MAX_SHEET + 1, values_only=True), 1)
            while some := list(islice(lines, ROWS)):
                if some[-1][0] > MAX_SHEET:
                    raise ValueError(f"a row past row {MAX_SHEET:,}")
                yield [
                    (place, sheet.title, number, tuple(map(_cell, cells)))
                    for number, cells in some
                    if any(cells)
                ]


def _cell(value: Any) -> Any:
    return value if value is None or isinstance(value, (str, bool, int, float)) else str(value)


def _send(value: Any) -> None:
    try:
        data = marshal.dumps(value)
    except ValueError:  # a date, a decimal: shown as text where it is no text for us
        data = marshal.dumps(_plain(value))
    sys.stdout.buffer.write(len(data).to_bytes(HEAD, "little") + data)
    sys.stdout.buffer.flush()


def _plain(value: Any) -> Any:
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
