"""Rows of .parquet, .arrow and .xlsx files, which are read in a process of its own with little
memory and time.

A kilobyte of these may stand for gigabytes (a text that is named a million times, a packed page, a
list of a billion nulls), and what the file says of its sizes need not be true. So the library that
unpacks it has bounds that the kernel keeps, and no more is taken from it than a file of that size
can hold."""

import marshal
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

from kodata.children import PACKAGES, python_environment
from kodata.errors import FaultError
from kodata.reading.column_rows import CPU_SECONDS, HEAD, MEMORY, main
from kodata.reading.delimited import MAX_ROW
from kodata.reading.regular import opened

MAX_RATIO = 200  # unpacked to packed; Korean text has about 10
SMALL = 1 << 20  # below this many bytes no ratio does harm
LONGEST = 4 * MAX_ROW  # bytes of a row, in UTF-8
LIBRARIES = {"parquet": "pyarrow", "arrow": "pyarrow", "xlsx": "openpyxl"}
_FEATHER = (b"ARROW1", b"FEA1")  # how both versions begin
_AGAIN = "download or copy it again"


def rows(path: Path, kind: str) -> Iterator[Any]:
    """The rows of a `parquet` or `arrow` file. Raises FaultError, or OSError where it cannot be
    opened."""
    with opened(path) as file:
        if kind == "arrow" and os.pread(file.fileno(), len(_FEATHER[0]), 0).startswith(_FEATHER):
            raise FaultError(
                "a Feather file, which is not what datasets' save_to_disk writes; save it as"
                " .parquet"
            )
        yield from read(file, kind)


def read(file: IO[bytes], kind: str) -> Iterator[Any]:
    """The rows of an open file of the disk, whose position is at its start; of an `xlsx` as
    column_rows has them. FaultError."""
    with _reader(file, kind) as child:
        assert child.stdout
        left = MAX_RATIO * os.fstat(file.fileno()).st_size + SMALL
        try:
            while piece := _piece(child.stdout, left, kind):
                left -= len(piece)
                found: list[Any] | str | None = marshal.loads(piece)
                if found is None:
                    return
                if isinstance(found, str):
                    raise FaultError(f"not a whole {kind} file ({found}); {_AGAIN}")
                yield from map(_checked, found) if len(piece) > LONGEST else found
        finally:
            child.kill()


def _reader(file: IO[bytes], kind: str) -> "subprocess.Popen[bytes]":
    """The process, with the open file as its input, so that it reads the file that was looked
    at."""
    if find_spec(LIBRARIES[kind]) is None:
        raise FaultError(
            f"reading .{kind} needs {LIBRARIES[kind]}, which the light install lacks; README.md has"
            " the whole one"
        )
    env = {**python_environment(PACKAGES), "ARROW_DEFAULT_MEMORY_POOL": "system"}
    command = [sys.executable, "-m", main.__module__, kind]
    return subprocess.Popen(
        command, stdin=file, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=env
    )


def _piece(pipe: IO[bytes], left: int, kind: str) -> bytes:
    """The next piece of the process's output."""
    head = pipe.read(HEAD)
    size = int.from_bytes(head, "little")
    if size > left + SMALL:
        raise FaultError(
            f"unpacks to over {MAX_RATIO} times its size, which no text does; {_AGAIN}"
        )
    piece = pipe.read(size)
    if len(head) < HEAD or len(piece) < size:
        bounds = f"{MEMORY >> 20:,} MiB or {CPU_SECONDS} s a megabyte to read"
        raise FaultError(f"not a whole {kind} file, or it takes over {bounds}; {_AGAIN}")
    return piece


def _checked(row: Any) -> Any:
    if len(marshal.dumps(row)) > LONGEST:
        raise FaultError(f"a row of over {LONGEST:,} bytes; no model reads as much")
    return row
