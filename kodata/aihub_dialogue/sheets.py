"""The rows of a workbook's sheets, one at a time, as dicts by the names in the first row."""

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

from kodata.aihub_dialogue.archive import MAX_XLSX, check, told
from kodata.errors import DataError, brief

Row = dict[str, Any]
MAX_ROWS = 1_048_576  # of a sheet, as Excel has it


def sheets(handle: BinaryIO, place: str) -> Iterator[tuple[str, list[str], Iterator[tuple[int, Row]]]]:
    """Each sheet that is not empty: its name, its columns and its numbered rows; use each before the next."""
    _check(handle, place)
    try:
        import openpyxl
    except ImportError:
        raise DataError(f"{place}: reading .xlsx needs openpyxl: pip install openpyxl") from None
    with _whole(place):
        worksheets = openpyxl.load_workbook(handle, read_only=True, data_only=True).worksheets
    for sheet in worksheets:
        sheet.reset_dimensions()  # what a file says of its own size is often wrong
        lines = _lines(sheet, f"{place}: sheet {sheet.title}")
        names = next((_names(cells) for _, cells in lines if any(cells)), None)
        if names:
            yield sheet.title, names, _rows(lines, names)


@contextmanager
def _whole(place: str) -> Iterator[None]:
    """openpyxl has no error of its own for a damaged workbook: whatever it raises is told as one."""
    try:
        yield
    except Exception as error:
        raise DataError(f"{place}: not a whole workbook ({brief(error)}); download it again") from None


def _lines(sheet: Any, place: str) -> Iterator[tuple[int, tuple[Any, ...]]]:
    """The numbered rows of a sheet. A row number past the last that there can be would bring as many empty rows."""
    with _whole(place):
        for number, cells in enumerate(sheet.iter_rows(max_row=MAX_ROWS + 1, values_only=True), 1):
            if number > MAX_ROWS:
                raise ValueError(f"a row past row {MAX_ROWS:,}")
            yield number, cells


def _check(handle: BinaryIO, place: str) -> None:
    """A workbook is a zip too."""
    with told(place), zipfile.ZipFile(handle) as archive:
        for info in archive.infolist():
            check(info, f"{place}: {info.filename}", MAX_XLSX)
    handle.seek(0)


def _names(cells: tuple[Any, ...]) -> list[str]:
    return ["" if cell is None else str(cell).strip() for cell in cells]


def _rows(lines: Iterator[tuple[int, tuple[Any, ...]]], names: list[str]) -> Iterator[tuple[int, Row]]:
    for number, cells in lines:
        row = {name: cell for name, cell in zip(names, cells, strict=False) if name and cell is not None}
        if row:
            yield number, row
