"""Finds a file whose name on disk differs from the given name only in Unicode composition. macOS
and archives that were made on it store Korean names decomposed (NFD), but keyboards type them
composed (NFC). On other systems these are names of different files."""

from contextlib import suppress
from pathlib import Path

from kodata.text import composed


def as_stored(path: Path) -> Path:
    """The path, with each name in it spelled as on disk. The path is returned unchanged if it
    exists, if a folder cannot be read, or if its names are invalid. A name without a match on disk
    stays as it is."""
    # ValueError: an invalid file name. OSError: a folder that must not be read.
    with suppress(OSError, ValueError):
        return path if path.exists() else _matching(path)
    return path


def _matching(path: Path) -> Path:
    """The path, with each missing name replaced by the name on disk that is the same in NFC."""
    stored = Path(path.anchor)
    for part in path.parts[len(stored.parts) :]:
        child = stored / part
        if not child.exists() and stored.is_dir():
            others = sorted(stored.iterdir())
            same = (other for other in others if composed(other.name) == composed(part))
            child = next(same, child)
        stored = child
    return stored
