"""Files that end: a pipe, a device or a socket that lies where a file should would be waited for,
or read, for ever."""

import errno
import math
import os
import stat
from io import BufferedReader
from pathlib import Path

NO_FILE = "a pipe, a device or a socket, not a file"


def opened(path: Path, most: float = math.inf) -> BufferedReader:
    """The file, to be read as bytes, links followed. OSError, `strerror` in our words, where it is
    not one that ends, or says that it has more than `most` bytes. Some of the system's files are
    endless and say 0: who reads counts too."""
    # A pipe that nobody writes to is not waited for.
    number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        found = os.fstat(number)
        mode = found.st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, NO_FILE, str(path))
        if found.st_size > most:
            raise too_large(path, most)
        return os.fdopen(number, "rb")
    except OSError:
        os.close(number)
        raise


def content(path: Path, most: int) -> bytes:
    """All of a file. OSError as for opened(), and where it has more than `most` bytes."""
    with opened(path, most) as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise too_large(path, most)
    return data


def too_large(path: Path, most: float) -> OSError:
    """To be raised for a file of more than `most` bytes."""
    return OSError(errno.EFBIG, f"over {most:,} bytes", str(path))
