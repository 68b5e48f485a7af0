"""Opens regular files only. Reading a pipe, a device or a socket instead of a file could block or
go on forever."""

import errno
import math
import os
import stat
from io import BufferedReader
from pathlib import Path

NO_FILE = "a pipe, a device or a socket, not a file"


def opened(path: Path, most: float = math.inf) -> BufferedReader:
    """The file opened for reading bytes. Links are followed.

    Raises OSError if the path cannot be opened or is not a regular file, or if the file has over
    `most` bytes. The error's `strerror` is a message for the user. Some system files are endless
    but have size 0, so the caller must count bytes too."""
    # O_NONBLOCK: opening a pipe without a writer does not block.
    number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        status = os.fstat(number)
        mode = status.st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, NO_FILE, str(path))
        if status.st_size > most:
            raise too_large(path, most)
        return os.fdopen(number, "rb")
    except OSError:
        os.close(number)
        raise


def content(path: Path, most: int) -> bytes:
    """The whole content of a file. Raises OSError in the same cases as opened(), and if more than
    `most` bytes can be read."""
    with opened(path, most) as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise too_large(path, most)
    return data


def too_large(path: Path, most: float) -> OSError:
    """The error to raise for a file of more than `most` bytes."""
    return OSError(errno.EFBIG, f"over {most:,} bytes", str(path))
