"""Opens files, but only regular ones. Reading a pipe, a device or a socket could block or go on
forever."""

import errno
import math
import os
import stat
from io import BufferedReader
from pathlib import Path

NO_FILE = "a pipe, a device or a socket, not a file"


def opened(path: Path, most: float = math.inf) -> BufferedReader:
    """The file opened for reading bytes. Links are followed. `most` is its maximum size in bytes.

    Raises OSError if the path cannot be opened, is not a regular file, or is larger than `most`.
    The error's `strerror` is a message for the user. Some system files have size 0 but are endless,
    so the caller must count the bytes as well."""
    # Without O_NONBLOCK, opening a pipe would block until another process writes to it.
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
    """The whole content of a file. `most` is its maximum size in bytes. Raises OSError in the same
    cases as opened(), and if more than `most` bytes can be read."""
    with opened(path, most) as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise too_large(path, most)
    return data


def too_large(path: Path, most: float) -> OSError:
    """The error for a file of more than `most` bytes, to be raised by the caller."""
    return OSError(errno.EFBIG, f"over {most:,} bytes", str(path))
