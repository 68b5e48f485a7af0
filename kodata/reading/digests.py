"""Digests of data files. The digest of a large file is cached in the user's cache folder until the
file changes.

A file counts as unchanged if its size, mtime and ctime are the same. A user can set mtime back, but
not ctime. If the cache cannot be read or written, the digest is computed every time."""

import json
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from kodata import drafts
from kodata.reading.files import sha256

CACHE = "KOTUNE_CACHE"  # environment variable: the cache folder
PRIVATE = 0o700  # the mode of a new cache folder
LARGE = 8 << 20  # bytes; a smaller file is not cached, since it is read in about 20 ms
# Nanoseconds. If a file changed less than this time ago, its digest is not cached. Its times have a
# limited resolution, so it might change again while they stay the same.
SETTLED = 2_000_000_000
MOST = 1_000  # the maximum number of files in the cache


def digest(path: Path) -> str:
    """The sha256 of a file's content in hex. Raises DataError if it cannot be read."""
    try:
        stat = path.stat()
    except OSError:
        return sha256(path)  # raises DataError with the reason
    if stat.st_size < LARGE:
        return sha256(path)
    key, state = str(path.resolve()), [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns]
    cached = _cached().get(key)
    if isinstance(cached, list) and cached[:-1] == state:
        return str(cached[-1])
    value = sha256(path)
    if time.time_ns() - max(state[1:]) > SETTLED:
        _remember(key, [*state, value])
    return value


def cache_folder() -> Path:
    """The user's cache folder: KOTUNE_CACHE, else kotune/ in XDG_CACHE_HOME, else ~/.cache/kotune.
    It may not exist yet. Raises RuntimeError if the user has no home."""
    if own := os.environ.get(CACHE):
        return Path(own)
    folder = os.environ.get("XDG_CACHE_HOME")
    return (Path(folder) if folder else Path.home() / ".cache") / "kotune"


def make_cache_folder() -> Path:
    """Create cache_folder() if it is missing, private to its owner, and return it. Raises OSError
    if it cannot be created, and RuntimeError if the user has no home."""
    folder = cache_folder()
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(PRIVATE, exist_ok=True)
    return folder


def cache_file() -> Path:
    """The path of the cache of digests, in cache_folder()."""
    return cache_folder() / "digests.json"


def _cached() -> dict[str, list[object]]:
    """The content of the cache: [size, mtime, ctime, digest] for the path of each file. Empty if
    the cache is missing or damaged."""
    with suppress(OSError, ValueError, RuntimeError):
        content = json.loads(cache_file().read_text(encoding="utf-8"))
        return content if isinstance(content, dict) else {}
    return {}


def _remember(key: str, entry: list[Any]) -> None:
    """Adds an entry to the cache, if it can be written. If two processes write at the same time,
    one of their entries may be lost. That digest is then computed again."""
    with suppress(OSError, RuntimeError):
        make_cache_folder()
        file = cache_file()
        entries = {name: value for name, value in _cached().items() if name != key} | {key: entry}
        drafts.write(file, json.dumps(dict(list(entries.items())[-MOST:])).encode())
