"""Reads the rows of a workbook's sheets one at a time. A row is a dict whose keys are the column
names, which are in the sheet's first row that is not empty."""

import zipfile
from collections.abc import Iterator
from itertools import groupby, zip_longest
from operator import itemgetter
from typing import IO, Any

from kodata.aihub_dialogue.archive import MAX_XLSX, check, explained
from kodata.card import Row
from kodata.errors import DataError, FaultError
from kodata.reading import columns
from kodata.reading.delimited import refuse_repeated_header, require_unique_names

Line = tuple[int, str, int, tuple[Any, ...]]  # see kodata.reading.column_rows._xlsx


def sheets(
    handle: IO[bytes], where: str
) -> Iterator[tuple[str, list[str], Iterator[tuple[int, Row]]]]:
    """Yields (title, column names, numbered rows) of each sheet that is not empty. The caller must
    consume the rows of a sheet before it requests the next sheet. `handle` is the open workbook.
    `where` names it in errors.

    Raises DataError for a damaged workbook, a column name that occurs twice, and a row that repeats
    the column names."""
    _check(handle, where)
    for (_, title), lines in groupby(_lines(handle, where), key=itemgetter(0, 1)):
        names = next((_names(cells) for *_, cells in lines if any(cells)), None)
        if names:
            _require_unique(names, f"{where}: sheet {title}")
            yield (
                title,
                names,
                _rows(lines, names, f"{where}: sheet {title}"),  # noqa: B031
            )


def _lines(handle: IO[bytes], where: str) -> Iterator[Line]:
    """The rows of all sheets. Raises DataError for a damaged workbook."""
    current = where
    try:
        for line in columns.read(handle, "xlsx"):
            current = f"{where}: sheet {line[1]}"
            yield line
    except FaultError as fault:
        raise DataError(f"{current}: {fault}") from None


def _check(handle: IO[bytes], where: str) -> None:
    """Raises DataError if the workbook, which is a zip, has a member that is encrypted or
    implausibly large."""
    with explained(where), zipfile.ZipFile(handle) as archive:
        for info in archive.infolist():
            check(info, f"{where}: {info.filename}", MAX_XLSX)
    handle.seek(0)


def _names(cells: tuple[Any, ...]) -> list[str]:
    """The cells as column names; "" for an empty cell."""
    return ["" if cell is None else str(cell).strip() for cell in cells]


def _trimmed(names: list[str]) -> list[str]:
    """The names without empty ones at the end. Two rows may have different numbers of them."""
    return names[: max((end for end, name in enumerate(names, 1) if name), default=0)]


def _require_unique(names: list[str], where: str) -> None:
    """Raises DataError if a column name occurs twice."""
    try:
        require_unique_names([name for name in names if name])
    except FaultError as fault:
        raise DataError(f"{where}: {fault}") from None


def _rows(lines: Iterator[Line], names: list[str], where: str) -> Iterator[tuple[int, Row]]:
    """Yields (number, row) for the rows below the column names. The name of a column without one is
    `column` and its number, so that its values are reported as not read. Raises DataError for a row
    that repeats the column names."""
    for _, _, number, cells in lines:
        try:
            refuse_repeated_header(_trimmed(_names(cells)), _trimmed(names))
        except FaultError as fault:
            raise DataError(f"{where}: row {number}: {fault}") from None
        row = {
            name or f"column {column}": cell
            for column, (name, cell) in enumerate(zip_longest(names, cells), 1)
            if cell is not None
        }
        if row:
            yield number, row
