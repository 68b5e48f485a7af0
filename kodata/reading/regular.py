"""Files that end: a pipe, a device or a socket that lies where a file should would be waited for, or read, for ever."""

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path

NO_FILE = "a pipe, a device or a socket, not a file"


def opened(path: Path) -> BufferedReader:
    """The file, to be read as bytes, links followed. OSError, `strerror` in our words, where it is not one that ends."""
    number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe that nobody writes to is not waited for
    try:
        mode = os.fstat(number).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, NO_FILE, str(path))
        return os.fdopen(number, "rb")
    except OSError:
        os.close(number)
        raise


def content(path: Path, most: int) -> bytes:
    """All of a file. OSError as for opened(), and where it has more than `most` bytes."""
    with opened(path) as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise OSError(errno.EFBIG, f"over {most:,} bytes", str(path))
    return data
