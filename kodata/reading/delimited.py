"""Rows of .csv and of .tsv / .txt text, with the columns that the first line names; all values are
strings.

Read row by row from pieces of text: memory does not grow with the file. Faults are told as
files.rows() tells them."""

import csv
from collections.abc import Iterator, Sequence

from kodata.errors import FaultError, shown

# Characters; a longer row is a fault of the file, and would not fit a model either.
MAX_ROW = 4_000_000
CUT_SHORT = "the file is cut short here; download or copy it again"

Row = dict[str, str]


def lines(pieces: Iterator[str]) -> Iterator[str]:
    """The lines of a text that comes in pieces, without their "\\n"."""
    rest, blank = "", 0
    for piece in pieces:
        blank = blank + len(piece) if piece.isspace() else 0
        if blank > MAX_ROW:  # hundreds of megabytes of it would take minutes and give no row
            raise FaultError(
                f"over {MAX_ROW:,} characters of nothing but white space; download or copy it again"
            )
        *whole, rest = (rest + piece).split("\n")
        yield from whole
        if len(rest) > MAX_ROW:
            raise FaultError(f"over {MAX_ROW:,} characters without an end of line")
    if rest:
        yield rest


def tab_separated(pieces: Iterator[str], names: Sequence[str] = ()) -> Iterator[Row]:
    """One row a line, no quoting: a `"` is text like any other. Blank lines are passed over.
    `names` stand for a first line that does not name the columns."""
    named = lines(pieces)
    names = names or once(next(named, "").removesuffix("\r").split("\t"))
    last = names[-1]
    for line in named:
        line = line.removesuffix("\r")
        values = line.split("\t")
        if len(values) != len(names):
            if not line.strip():
                continue
            raise FaultError(_columns(values, names))
        if values[-1] == last:  # of hardly any row; the call costs a tenth of the time
            refuse_names(values, names)
        # Of equal length already; strict= costs a tenth of the time.
        yield dict(zip(names, values))  # noqa: B905


def comma_separated(pieces: Iterator[str]) -> Iterator[Row]:
    """Comma-separated values as spreadsheets and pandas write them: a quoted field may hold commas
    and newlines."""
    size = 0  # of a record, which may go over as many lines as the file has

    def counted() -> Iterator[str]:
        nonlocal size
        for line in lines(pieces):
            size += len(line) + 1
            if size > MAX_ROW:
                raise FaultError(
                    f"a row of over {MAX_ROW:,} characters: a quote without an end? mend or"
                    " remove it"
                )
            yield line + "\n"

    found = csv.reader(counted(), strict=True)
    try:
        names = once(next(found, []))
        size = 0
        for values in found:
            size = 0
            if len(values) == len(names):
                refuse_names(values, names)
                yield dict(zip(names, values, strict=True))
            elif values:
                raise FaultError(_columns(values, names))
    except csv.Error as error:
        raise FaultError(_reason(str(error), found.line_num)) from None


def once(names: list[str]) -> list[str]:
    """The names of columns, of which none stands there twice: the values of one would be lost."""
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise FaultError(
            f"column {shown(twice)} stands twice in the first line; rename or remove one"
        )
    return names


def refuse_names(values: Sequence[str], names: Sequence[str]) -> None:
    """FaultError for a row that has the names of the columns again, as where files were put one
    after another."""
    if values[-1:] == names[-1:] and [value.strip("\ufeff ") for value in values] == [
        name.strip() for name in names
    ]:
        raise FaultError(
            f"the names of the columns stand here again ({', '.join(names):.80}); remove the row"
        )


def _columns(values: list[str], names: Sequence[str]) -> str:
    wanted = ", ".join(names)[:80]
    return (
        f"{len(values)} columns, not these {len(names)} ({wanted}): the row is damaged or the file"
        " cut short here; download it again or mend the row"
    )


def _reason(error: str, line: int) -> str:
    if error == "unexpected end of data":
        return f"{CUT_SHORT} (a quoted field has no end)"
    if "field limit" in error:
        return (
            f"a field over {csv.field_size_limit():,} characters up to line {line}: a quote without"
            " an end? mend it"
        )
    return f"not valid CSV at line {line} ({error}); mend or remove the row"
