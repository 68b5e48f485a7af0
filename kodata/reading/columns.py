"""Reads rows of .parquet, .arrow and .xlsx files in a child process with limited memory and time.

A kilobyte of such a file may unpack to gigabytes (a text referenced a million times, a compressed
page, a list of a billion nulls), and the sizes recorded in the file may be false. So the kernel
limits the child process. This module also limits how many bytes it accepts from the child, in
proportion to the size of the file."""

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

MAX_RATIO = 200  # the maximum ratio of unpacked to packed size; for Korean text it is about 10
SMALL = 1 << 20  # bytes; up to this unpacked size, any ratio is accepted
LONGEST = 4 * MAX_ROW  # the maximum size of a row, in bytes of UTF-8
LIBRARIES = {"parquet": "pyarrow", "arrow": "pyarrow", "xlsx": "openpyxl"}  # needed to read each
_FEATHER = (b"ARROW1", b"FEA1")  # the first bytes of both Feather versions
_AGAIN = "download or copy it again"


def rows(path: Path, kind: str) -> Iterator[Any]:
    """The rows of a file in the format `kind`, which is parquet or arrow. Raises FaultError for a
    file that is not complete or not plausible, and OSError if the file cannot be opened."""
    with opened(path) as file:
        if kind == "arrow" and os.pread(file.fileno(), len(_FEATHER[0]), 0).startswith(_FEATHER):
            raise FaultError(
                "a Feather file, not an Arrow file as datasets' save_to_disk writes it; save it as"
                " .parquet"
            )
        yield from read(file, kind)


def read(file: IO[bytes], kind: str) -> Iterator[Any]:
    """The rows of an open file on disk, read from its start. `kind` is parquet, arrow or xlsx. Rows
    of xlsx are tuples (see column_rows._xlsx). Raises FaultError for a file that is not complete or
    not plausible, and if the library for its format is not installed."""
    with _reader(file, kind) as child:
        assert child.stdout
        budget = MAX_RATIO * os.fstat(file.fileno()).st_size + SMALL
        try:
            while piece := _piece(child.stdout, budget, kind):
                budget -= len(piece)
                content: list[Any] | str | None = marshal.loads(piece)
                if content is None:
                    return
                if isinstance(content, str):
                    raise FaultError(f"not a complete {kind} file ({content}); {_AGAIN}")
                yield from map(_checked, content) if len(piece) > LONGEST else content
        finally:
            child.kill()


def _reader(file: IO[bytes], kind: str) -> "subprocess.Popen[bytes]":
    """Starts the child process. Its standard input is the open file, so that it reads the file that
    was checked, even if the path now leads to another one. Raises FaultError if the library is not
    installed."""
    if find_spec(LIBRARIES[kind]) is None:
        raise FaultError(
            f"reading .{kind} needs {LIBRARIES[kind]}, which the light install lacks; see"
            " docs/quickstart.md for the full install"
        )
    env = {**python_environment(PACKAGES), "ARROW_DEFAULT_MEMORY_POOL": "system"}
    command = [sys.executable, "-m", main.__module__, kind]
    return subprocess.Popen(
        command, stdin=file, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=env
    )


def _piece(pipe: IO[bytes], budget: int, kind: str) -> bytes:
    """The next piece of the child's output, without its length. Raises FaultError if the piece has
    over `budget` + SMALL bytes, or if the output ends before the end of the piece."""
    head = pipe.read(HEAD)
    size = int.from_bytes(head, "little")
    if size > budget + SMALL:
        raise FaultError(
            f"unpacks to over {MAX_RATIO} times its size, which no text does; {_AGAIN}"
        )
    piece = pipe.read(size)
    if len(head) < HEAD or len(piece) < size:
        limits = f"{MEMORY >> 20:,} MiB or {CPU_SECONDS} s a megabyte to read"
        raise FaultError(f"not a complete {kind} file, or it takes over {limits}; {_AGAIN}")
    return piece


def _checked(row: Any) -> Any:
    """The row unchanged. Raises FaultError if it has over LONGEST bytes."""
    if len(marshal.dumps(row)) > LONGEST:
        raise FaultError(f"a row of over {LONGEST:,} bytes, more than any model reads; remove it")
    return row
