"""The digests of large files, each read once: what was found stays in this user's cache until the
file changes.

A file counts as unchanged while its size and the times of its last change (of content, and of the
file system's entry, which nobody can set back) are the same. Without a cache that can be written,
every file is read every time."""

import json
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from kodata import drafts
from kodata.reading.files import sha256

LARGE = 8 << 20  # bytes; a smaller file is read in some 20 ms
# ns: a file that changed less than this ago may change again within its clock's last tick
SETTLED = 2_000_000_000
MOST = 1_000  # files that are remembered


def digest(path: Path) -> str:
    """The sha256 of a file's content in hex. Raises DataError where it cannot be read."""
    try:
        stat = path.stat()
    except OSError:
        return sha256(path)  # which says why
    if stat.st_size < LARGE:
        return sha256(path)
    key, state = str(path.resolve()), [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns]
    known = _known().get(key)
    if isinstance(known, list) and known[:-1] == state:
        return str(known[-1])
    found = sha256(path)
    if time.time_ns() - max(state[1:]) > SETTLED:
        _remember(key, [*state, found])
    return found


def cache_file() -> Path:
    """Where digests are kept: below XDG_CACHE_HOME, or ~/.cache."""
    folder = os.environ.get("XDG_CACHE_HOME")
    return (Path(folder) if folder else Path.home() / ".cache") / "kotune" / "digests.json"


def _known() -> dict[str, list[object]]:
    """What the cache holds; nothing where it is missing or damaged."""
    with suppress(OSError, ValueError, RuntimeError):  # RuntimeError: a user without a home
        found = json.loads(cache_file().read_text(encoding="utf-8"))
        return found if isinstance(found, dict) else {}
    return {}


def _remember(key: str, told: list[Any]) -> None:
    """Two processes at a time may forget what the other found, and read it once more."""
    with suppress(OSError, RuntimeError):
        file = cache_file()
        file.parent.mkdir(parents=True, exist_ok=True)
        kept = {**{name: value for name, value in _known().items() if name != key}, key: told}
        drafts.write(file, json.dumps(dict(list(kept.items())[-MOST:])).encode())
