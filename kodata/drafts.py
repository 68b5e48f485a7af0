"""Atomic file writes: a file appears under its name only when it is complete.

The content is first written to a draft: a new file with a random name in the same folder. The draft
is then renamed to the target's name. A killed process leaves its draft behind; clear() removes it.

A symbolic link that somebody else created in the folder is never followed. A new draft never opens
an existing file or link (O_EXCL and O_NOFOLLOW). A link with the target's name is replaced by the
rename."""

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
    """Context manager that yields a draft to write to. If its body succeeds, the draft is renamed
    to `path`. If the body fails, the draft is removed. `mode` has the permission bits.

    Raises OSError, with `path` in its message, if the draft cannot be created."""
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
    """Write `data` to `path` completely or not at all. `mode` has the permission bits. Raises
    OSError."""
    with draft(path, mode) as file:
        file.write(data)


def default_mode() -> int:
    """The permission bits that this process's umask gives to a new file. Pass them as `mode` for a
    file that other users may read."""
    mask = os.umask(0o077)
    os.umask(mask)
    return 0o666 & ~mask


def open_new(path: Path) -> TextIO:
    """A new text file, opened for writing. Only its owner may read and write it. It replaces an
    existing file or link. Raises OSError."""
    path.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    return os.fdopen(os.open(path, flags, PRIVATE), "w", encoding="utf-8")


def clear(folder: Path) -> None:
    """Remove the drafts that killed processes left in a folder and its subfolders. Drafts that
    changed within the last STALE_AFTER seconds are kept. No other process may write there at the
    same time."""
    for path in folder.rglob(f".*{SUFFIX}"):
        if not path.exists() or time.time() - path.lstat().st_mtime < STALE_AFTER:
            continue
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
