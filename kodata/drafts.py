"""Atomic file writes: a file appears under its name only when it is complete, and links are not
followed.

A draft is created in the folder of its target under a random name (by tempfile, with O_CREAT,
O_EXCL and O_NOFOLLOW), then renamed. So a symbolic link that somebody else planted is never
followed. If it has the draft's name, creating the draft does not follow it. If it has the target's
name, the rename replaces it. A killed process leaves its draft behind; clear() removes it."""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TextIO

PRIVATE = 0o600  # only the owner may read and write
SUFFIX = ".partial"
STALE_AFTER = 60.0  # seconds after which clear() treats a draft as abandoned


@contextmanager
def draft(path: Path, mode: int = PRIVATE) -> Iterator[BinaryIO]:
    """Context manager that yields a file to write. The file is renamed to `path` if the body
    succeeds, else removed. Raises OSError, with `path` in its message, if the file cannot be
    created."""
    from tempfile import mkstemp  # imported here to keep `--help` fast

    try:
        number, name = mkstemp(SUFFIX, f".{path.name}.", path.parent)
    except OSError as error:
        error.filename = str(path)  # an error message should name the target, not the draft
        raise
    try:
        with os.fdopen(number, "wb", buffering=1 << 16) as file:
            os.fchmod(number, mode)
            yield file
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def write(path: Path, data: bytes, mode: int = PRIVATE) -> None:
    """Write `path` completely or not at all."""
    with draft(path, mode) as file:
        file.write(data)


def default_mode() -> int:
    """The mode that a new file gets by this process's umask. Pass it for files that others may
    read."""
    mask = os.umask(0o077)
    os.umask(mask)
    return 0o666 & ~mask


def open_new(path: Path) -> TextIO:
    """A new text file to write, private to its owner. Replaces an existing file or link."""
    path.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    return os.fdopen(os.open(path, flags, PRIVATE), "w", encoding="utf-8")


def clear(folder: Path) -> None:
    """Remove the drafts of killed processes in a folder and its subfolders. No other process may
    write there at the same time."""
    for path in folder.rglob(f".*{SUFFIX}"):
        if not path.exists() or time.time() - path.lstat().st_mtime < STALE_AFTER:
            continue
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
