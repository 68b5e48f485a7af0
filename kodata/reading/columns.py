"""Reads rows of .parquet, .arrow and .xlsx files in a child process with limited memory and time.

A kilobyte of such a file may unpack to gigabytes (a text referenced a million times, a compressed
page, a list of a billion nulls), and the sizes recorded in the file may be false. So the kernel
limits the process that unpacks it. This module also limits the output that it accepts, in
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

MAX_RATIO = 200  # the maximum ratio of unpacked to packed size; Korean text has about 10
SMALL = 1 << 20  # bytes; below this size any ratio is harmless
LONGEST = 4 * MAX_ROW  # the maximum size of a row, in bytes of UTF-8
LIBRARIES = {"parquet": "pyarrow", "arrow": "pyarrow", "xlsx": "openpyxl"}
_FEATHER = (b"ARROW1", b"FEA1")  # the first bytes of both Feather versions
_AGAIN = "download or copy it again"


def rows(path: Path, kind: str) -> Iterator[Any]:
    """The rows of a `parquet` or `arrow` file. Raises FaultError, or OSError if it cannot be
    opened."""
    with opened(path) as file:
        if kind == "arrow" and os.pread(file.fileno(), len(_FEATHER[0]), 0).startswith(_FEATHER):
            raise FaultError(
                "a Feather file, not an Arrow file as datasets' save_to_disk writes it; save it as"
                " .parquet"
            )
        yield from read(file, kind)


def read(file: IO[bytes], kind: str) -> Iterator[Any]:
    """The rows of an open file on disk, read from its start. For `xlsx`, rows are tuples (see
    column_rows._xlsx). Raises FaultError."""
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
    """Starts the child process. Its input is the open file instead of a path, so that it reads the
    same file that was checked. Raises FaultError if the library is not installed."""
    if find_spec(LIBRARIES[kind]) is None:
        raise FaultError(
            f"reading .{kind} needs {LIBRARIES[kind]}, which the light install lacks; see README.md"
            " for the full install"
        )
    env = {**python_environment(PACKAGES), "ARROW_DEFAULT_MEMORY_POOL": "system"}
    command = [sys.executable, "-m", main.__module__, kind]
    return subprocess.Popen(
        command, stdin=file, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=env
    )


def _piece(pipe: IO[bytes], budget: int, kind: str) -> bytes:
    """The next piece of the child's output. Raises FaultError if the piece has over `budget` +
    SMALL bytes, or if the output ends inside it."""
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
    if len(marshal.dumps(row)) > LONGEST:
        raise FaultError(f"a row of over {LONGEST:,} bytes, more than any model reads")
    return row
