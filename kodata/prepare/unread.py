"""Finds files in a source's folder that kotune does not read. They are reported, because the user
may expect them to be used."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from kodata.aihub_dialogue import archive
from kodata.card import Source
from kodata.errors import DataError, on_one_line
from kodata.reading import hub

# The maximum number of names in the result. A longer list would not help a user who gave a home
# folder as `path` by mistake.
MAX_NAMES = 1_000
MAX_EXAMINED = 20_000  # files and folders


def unread_files(source: Source, path: str | Path | None) -> list[str]:
    """The paths of files in the folder `path` that kotune does not read, without hidden files. They
    are relative to the folder. A member of a .zip is ZIP/MEMBER. Empty for data on the hub or
    shipped with kotune."""
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
    name = file.relative_to(folder).as_posix()
    if is_read and file.suffix.lower() == ".zip":
        yield from (f"{name}/{member}" for member in archive.others(file))
    elif not is_read and not file.is_dir():  # includes broken links
        yield name


def _files(source: Source, split: str, folder: Path) -> list[Path]:
    try:
        return source.files(split, folder)
    except DataError:  # a missing split is reported where it is needed
        return []


def _is_hidden(name: Path) -> bool:
    return any(part.startswith((".", "~$", "__MACOSX")) for part in name.parts)
