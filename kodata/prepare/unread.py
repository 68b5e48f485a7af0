"""Files that lie in a source's folder and that no reader opens: told, since somebody put them there
to be used."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from kodata.aihub_dialogue import archive
from kodata.card import Source
from kodata.errors import DataError, on_one_line
from kodata.reading import hub

MOST = 1_000  # names that are told; who gives a whole home as `path` need not read more
MOST_LOOKED_AT = 20_000


def unread_files(source: Source, path: str | Path | None) -> list[str]:
    """Names, as they lie in the folder `path`, of what is neither read nor hidden; members of a
    .zip after its name. None where the data are shipped or on the hub."""
    if path is None or hub.is_commit(path):
        return []
    folder = Path(path)
    read = {file for split in source.SPLITS for file in _files(source, split, folder)}
    every = (
        file
        for file in islice(folder.rglob("*"), MOST_LOOKED_AT)
        if not _is_hidden(file.relative_to(folder))
    )
    names = (name for file in every for name in _unread(file, folder, file in read))
    return sorted(map(on_one_line, islice(names, MOST)))


def _unread(file: Path, folder: Path, is_read: bool) -> Iterator[str]:
    name = file.relative_to(folder).as_posix()
    if is_read and file.suffix.lower() == ".zip":
        yield from (f"{name}/{member}" for member in archive.others(file))
    elif not is_read and not file.is_dir():  # a link to nothing, too
        yield name


def _files(source: Source, split: str, folder: Path) -> list[Path]:
    try:
        return source.files(split, folder)
    except DataError:  # a split that is not there: whoever needs it tells
        return []


def _is_hidden(name: Path) -> bool:
    return any(part.startswith((".", "~$", "__MACOSX")) for part in name.parts)
