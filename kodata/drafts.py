"""Files that nobody sees before they are whole, and that are written to no other place than the one
that is named.

A draft has a name that nobody can guess, in the folder of the file that it becomes, and is created
there and then (O_CREAT, O_EXCL and O_NOFOLLOW, by tempfile): a link that a stranger laid in its way
is never followed, neither the draft's nor the file's own, which is replaced. A killed process
leaves a draft behind; clear() removes it."""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TextIO

PRIVATE = 0o600  # of its owner alone
SUFFIX = ".partial"
STALE_AFTER = (
    60.0  # seconds after which a draft has no writer any more but the one who holds the folder
)


@contextmanager
def draft(path: Path, mode: int = PRIVATE) -> Iterator[BinaryIO]:
    """A file to write, which becomes `path` when the body has passed and is gone when it fails."""
    from tempfile import mkstemp  # not at the top: `--help` does without

    try:
        number, name = mkstemp(SUFFIX, f".{path.name}.", path.parent)
    except OSError as error:
        error.filename = str(path)  # what somebody knows, for a message
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
    """Write `path` whole or not at all."""
    with draft(path, mode) as file:
        file.write(data)


def default_mode() -> int:
    """The mode of a new file by this process's umask: of one that is made to be shown to others."""
    mask = os.umask(0o077)
    os.umask(mask)
    return 0o666 & ~mask


def open_new(path: Path) -> TextIO:
    """A new text file to write, for its owner alone, in the place of whatever has this name."""
    path.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    return os.fdopen(os.open(path, flags, PRIVATE), "w", encoding="utf-8")


def clear(folder: Path) -> None:
    """Remove what killed processes left behind in a folder that nobody else writes to now, and
    below it."""
    for left in folder.rglob(f".*{SUFFIX}"):
        if not left.exists() or time.time() - left.lstat().st_mtime < STALE_AFTER:
            continue
        if left.is_dir():
            shutil.rmtree(left)
        else:
            left.unlink(missing_ok=True)
