"""Reads rows of .csv, .tsv and .txt text. The first line names the columns; all values are strings.

Text is read in pieces, row by row, so memory does not grow with the file. Errors are FaultErrors,
to which files.rows() adds file and row."""

import csv
from collections.abc import Iterator, Sequence

from kodata.errors import FaultError, shown

# The maximum length of a row, in characters. A longer row means that the file is damaged. It would
# not fit into a language model's context either.
MAX_ROW = 4_000_000
CUT_SHORT = "the file is cut short here; download or copy it again"

Row = dict[str, str]


def lines(pieces: Iterator[str]) -> Iterator[str]:
    """The lines of a text that arrives in pieces, without their "\\n". Raises FaultError for a
    line of over MAX_ROW characters."""
    rest, blank = "", 0
    for piece in pieces:
        blank = blank + len(piece) if piece.isspace() else 0
        if blank > MAX_ROW:  # hundreds of megabytes would take minutes and give no row
            raise FaultError(
                f"over {MAX_ROW:,} characters of white space only; download or copy it again"
            )
        *whole, rest = (rest + piece).split("\n")
        yield from whole
        if len(rest) > MAX_ROW:
            raise FaultError(f"over {MAX_ROW:,} characters without an end of line")
    if rest:
        yield rest


def tab_separated(pieces: Iterator[str], names: Sequence[str] = ()) -> Iterator[Row]:
    """The rows of tab-separated text: one row per line, without quoting. Blank lines are skipped.
    `names` are the columns if the first line is already a row."""
    text_lines = lines(pieces)
    names = names or require_unique_names(next(text_lines, "").removesuffix("\r").split("\t"))
    last = names[-1]
    for line in text_lines:
        line = line.removesuffix("\r")
        values = line.split("\t")
        if len(values) != len(names):
            if not line.strip():
                continue
            raise FaultError(_columns(values, names))
        if values[-1] == last:  # rarely true; calling for every row would take 10% more time
            refuse_repeated_header(values, names)
        # The lengths are known to be equal; strict= would take 10% more time.
        yield dict(zip(names, values))  # noqa: B905


def comma_separated(pieces: Iterator[str]) -> Iterator[Row]:
    """The rows of comma-separated text as spreadsheets and pandas write it: a quoted field may
    contain commas and newlines."""
    size = 0  # characters of the current row, which may span many lines

    def counted() -> Iterator[str]:
        nonlocal size
        for line in lines(pieces):
            size += len(line) + 1
            if size > MAX_ROW:
                raise FaultError(
                    f"a row of over {MAX_ROW:,} characters: is a closing quote missing? mend or"
                    " remove the row"
                )
            yield line + "\n"

    reader = csv.reader(counted(), strict=True)
    try:
        names = require_unique_names(next(reader, []))
        size = 0
        for values in reader:
            size = 0
            if len(values) == len(names):
                refuse_repeated_header(values, names)
                yield dict(zip(names, values, strict=True))
            elif values:
                raise FaultError(_columns(values, names))
    except csv.Error as error:
        raise FaultError(_reason(str(error), reader.line_num)) from None


def require_unique_names(names: list[str]) -> list[str]:
    """The column names unchanged. Raises FaultError if one occurs twice, since one column's values
    would be lost."""
    if repeated := next((name for name in names if names.count(name) > 1), None):
        raise FaultError(
            f"column {shown(repeated)} occurs twice in the first line; rename or remove one"
        )
    return names


def refuse_repeated_header(values: Sequence[str], names: Sequence[str]) -> None:
    """Raises FaultError for a row that repeats the column names, as in concatenated files."""
    if values[-1:] == names[-1:] and [value.strip("\ufeff ") for value in values] == [
        name.strip() for name in names
    ]:
        raise FaultError(
            f"the row repeats the column names ({', '.join(names):.80}); remove the row"
        )


def _columns(values: list[str], names: Sequence[str]) -> str:
    columns = ", ".join(names)[:80]
    return (
        f"{len(values)} columns instead of {len(names)} ({columns}): the row is damaged or the file"
        " is cut short here; download it again or mend the row"
    )


def _reason(error: str, line: int) -> str:
    if error == "unexpected end of data":
        return f"{CUT_SHORT} (a quoted field has no end)"
    if "field limit" in error:
        return (
            f"a field over {csv.field_size_limit():,} characters up to line {line}: is a closing"
            " quote missing? mend the row"
        )
    return f"not valid CSV at line {line} ({error}); mend or remove the row"
