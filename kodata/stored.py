"""Names as the disk has them. macOS, and archives made there, write Korean in pieces (NFD),
keyboards type it whole (NFC): two names that look the same and are different files elsewhere."""

from contextlib import suppress
from pathlib import Path

from kodata.text import composed


def as_stored(path: Path) -> Path:
    """The path itself where something is there, or nothing can be; else what is there under a name
    that differs in its composition alone."""
    # A name that no file can have, a folder that may not be read.
    with suppress(OSError, ValueError):
        return path if path.exists() else _alike(path)
    return path


def _alike(path: Path) -> Path:
    found = Path(path.anchor)
    for part in path.parts[len(found.parts) :]:
        place = found / part
        if not place.exists() and found.is_dir():
            alike = (
                other for other in sorted(found.iterdir()) if composed(other.name) == composed(part)
            )
            place = next(alike, place)
        found = place
    return found
