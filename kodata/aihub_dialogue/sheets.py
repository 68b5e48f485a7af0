"""The rows of a workbook's sheets, one at a time, as dicts by the names in the first row."""

import zipfile
from collections.abc import Iterator
from itertools import groupby, zip_longest
from operator import itemgetter
from typing import IO, Any

from kodata.aihub_dialogue.archive import MAX_XLSX, check, told
from kodata.card import Row
from kodata.errors import DataError, FaultError
from kodata.reading import columns
from kodata.reading.delimited import once, refuse_names

Line = tuple[int, str, int, tuple[Any, ...]]  # as kodata.reading.column_rows has it


def sheets(
    handle: IO[bytes], place: str
) -> Iterator[tuple[str, list[str], Iterator[tuple[int, Row]]]]:
    """Each sheet that is not empty: its name, its columns and its numbered rows; use each before
    the next."""
    _check(handle, place)
    for (_, title), lines in groupby(_lines(handle, place), key=itemgetter(0, 1)):
        names = next((_names(cells) for *_, cells in lines if any(cells)), None)
        if names:
            _once(names, f"{place}: sheet {title}")
            yield (
                title,
                names,
                _rows(lines, names, f"{place}: sheet {title}"),  # noqa: B031
            )


def _lines(handle: IO[bytes], place: str) -> Iterator[Line]:
    at = place
    try:
        for line in columns.read(handle, "xlsx"):
            at = f"{place}: sheet {line[1]}"
            yield line
    except FaultError as fault:
        raise DataError(f"{at}: {fault}") from None


def _check(handle: IO[bytes], place: str) -> None:
    """A workbook is a zip too."""
    with told(place), zipfile.ZipFile(handle) as archive:
        for info in archive.infolist():
            check(info, f"{place}: {info.filename}", MAX_XLSX)
    handle.seek(0)


def _names(cells: tuple[Any, ...]) -> list[str]:
    return ["" if cell is None else str(cell).strip() for cell in cells]


def _filled(names: list[str]) -> list[str]:
    """Without the empty ones at the end, of which a row has as many as it likes."""
    return names[: max((at for at, name in enumerate(names, 1) if name), default=0)]


def _once(names: list[str], place: str) -> None:
    try:
        once([name for name in names if name])
    except FaultError as fault:
        raise DataError(f"{place}: {fault}") from None


def _rows(lines: Iterator[Line], names: list[str], place: str) -> Iterator[tuple[int, Row]]:
    """Columns without a name have their number for one, so that what stands in them is told as not
    read."""
    for _, _, number, cells in lines:
        try:
            refuse_names(_filled(_names(cells)), _filled(names))
        except FaultError as fault:
            raise DataError(f"{place}: row {number}: {fault}") from None
        told = zip_longest(names, cells)
        row = {
            name or f"column {at}": cell
            for at, (name, cell) in enumerate(told, 1)
            if cell is not None
        }
        if row:
            yield number, row
