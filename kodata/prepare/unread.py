"""Finds files in a source's folder that are not read. They are reported, because the user may
expect them to be used."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from kodata.aihub_dialogue import archive
from kodata.card import Source
from kodata.errors import DataError, on_one_line
from kodata.reading import hub

# The maximum number of names in the result, and of files and folders that are examined. They matter
# if a user gives a large folder, such as the home folder, by mistake.
MAX_NAMES = 1_000
MAX_EXAMINED = 20_000


def unread_files(source: Source, path: str | Path | None) -> list[str]:
    """The files in the folder `path` that are not read, without hidden files, as paths relative to
    the folder. A member of a .zip that is read is shown as ZIP/MEMBER. Returns an empty list if
    `path` is None or a hub commit. Raises DataError for a damaged .zip."""
    if path is None or hub.is_commit(path):
        return []
    folder = Path(path)
    read = {file for split in source.SPLITS for file in _files(source, split, folder)}
    visible = (
        file
        for file in islice(folder.rglob("*"), MAX_EXAMINED)
        if not _is_hidden(file.relative_to(folder))
    )
    names = (name for file in visible for name in _unread(file, folder, file in read))
    return sorted(map(on_one_line, islice(names, MAX_NAMES)))


def _unread(file: Path, folder: Path, is_read: bool) -> Iterator[str]:
    """Yields the name of a file that is not read, or of the members of a .zip that are not read."""
    name = file.relative_to(folder).as_posix()
    if is_read and file.suffix.lower() == ".zip":
        yield from (f"{name}/{member}" for member in archive.others(file))
    elif not is_read and not file.is_dir():  # includes broken links
        yield name


def _files(source: Source, split: str, folder: Path) -> list[Path]:
    """The files of a split; empty if they are missing."""
    try:
        return source.files(split, folder)
    except DataError:  # convert() raises this error if the split is needed
        return []


def _is_hidden(name: Path) -> bool:
    return any(part.startswith((".", "~$", "__MACOSX")) for part in name.parts)
