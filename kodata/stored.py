"""Finds files whose names differ only in Unicode composition. macOS, and archives made there, store
Korean names decomposed (NFD), but keyboards type them composed (NFC). On other systems these are
different files."""

from contextlib import suppress
from pathlib import Path

from kodata.text import composed


def as_stored(path: Path) -> Path:
    """The path with the names that files and folders have on disk, which may differ in composition.
    The path is returned unchanged if it exists, if no name on disk matches, or if a folder cannot
    be read."""
    # ValueError: an invalid file name. OSError: a folder that must not be read.
    with suppress(OSError, ValueError):
        return path if path.exists() else _matching(path)
    return path


def _matching(path: Path) -> Path:
    stored = Path(path.anchor)
    for part in path.parts[len(stored.parts) :]:
        child = stored / part
        if not child.exists() and stored.is_dir():
            others = sorted(stored.iterdir())
            same = (other for other in others if composed(other.name) == composed(part))
            child = next(same, child)
        stored = child
    return stored
