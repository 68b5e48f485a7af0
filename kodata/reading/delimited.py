"""Reads rows of .csv, .tsv and .txt text. The first line names the columns; all values are strings.

Text arrives in pieces, which are shorter than the file, so memory does not grow with the file.
Errors are FaultErrors, to which files.rows() adds file and row."""

import csv
from collections.abc import Iterator, Sequence

from kodata.errors import FaultError, Translatable, shown

# The maximum length of a row, in characters. If a row is longer, the file is damaged. No language
# model could read such a row anyway.
MAX_ROW = 4_000_000
CUT_SHORT = "the file is cut short here; download or copy it again"

Row = dict[str, str]


def lines(pieces: Iterator[str]) -> Iterator[str]:
    """The lines of a text that arrives in pieces, without their "\\n". Raises FaultError for a line
    of over MAX_ROW characters, and for more than MAX_ROW characters of white space."""
    rest, blank = "", 0
    for piece in pieces:
        blank = blank + len(piece) if piece.isspace() else 0
        # Reading hundreds of megabytes of blank lines would take minutes and give no row.
        if blank > MAX_ROW:
            raise FaultError(
                f"over {MAX_ROW:,} characters of white space only; download or copy it again"
            )
        *whole, rest = (rest + piece).split("\n")
        yield from whole
        if len(rest) > MAX_ROW:
            raise FaultError(
                f"over {MAX_ROW:,} characters without an end of line; is this a text file of rows?"
            )
    if rest:
        yield rest


def tab_separated(pieces: Iterator[str], names: Sequence[str] = ()) -> Iterator[Row]:
    """The rows of tab-separated text: one row per line, without quoting. Blank lines are skipped.
    `names` are the column names. If empty, the first line has them.

    Raises FaultError for a row with another number of columns, a column name that occurs twice, and
    a row that repeats the column names."""
    text_lines = lines(pieces)
    names = names or require_unique_names(next(text_lines, "").removesuffix("\r").split("\t"))
    last = names[-1]
    for line in text_lines:
        line = line.removesuffix("\r")
        values = line.split("\t")
        if len(values) != len(names):
            if not line.strip():
                continue
            raise FaultError(_wrong_columns(values, names))
        # This check is rarely true. Without it, the call for every row would take 10% more time.
        if values[-1] == last:
            refuse_repeated_header(values, names)
        # The lengths are equal, as checked above. `strict=True` would take 10% more time.
        yield dict(zip(names, values))  # noqa: B905


def comma_separated(pieces: Iterator[str]) -> Iterator[Row]:
    """The rows of comma-separated text as spreadsheets and pandas write it: a quoted field may
    contain commas and newlines.

    Raises FaultError for invalid CSV, a row of over MAX_ROW characters, and in the same cases as
    tab_separated()."""
    size = 0  # characters of the current row, which may have many lines

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
                raise FaultError(_wrong_columns(values, names))
    except csv.Error as error:
        raise FaultError(_reason(str(error), reader.line_num)) from None


def require_unique_names(names: list[str]) -> list[str]:
    """The column names unchanged. Raises FaultError if a name occurs twice, because a row could
    keep the values of only one of the two columns."""
    if repeated := next((name for name in names if names.count(name) > 1), None):
        raise FaultError(
            f"column {shown(repeated)} occurs twice in the first line; rename or remove one"
        )
    return names


def refuse_repeated_header(values: Sequence[str], names: Sequence[str]) -> None:
    """Raises FaultError if the values of a row are the column names, as in files that were joined
    with their headers."""
    if values[-1:] == names[-1:] and [value.strip("\ufeff ") for value in values] == [
        name.strip() for name in names
    ]:
        raise FaultError(
            f"the row repeats the column names ({', '.join(names):.80}); remove the row"
        )


def _wrong_columns(values: list[str], names: Sequence[str]) -> str:
    """The error message for a row with another number of values than there are column names."""
    columns = ", ".join(names)[:80]
    return Translatable(
        "{found} columns instead of {expected} ({columns}): the row is damaged or the"
        " file is cut short here; download it again or mend the row",
        found=len(values),
        expected=len(names),
        columns=columns,
    )


def _reason(error: str, line: int) -> str:
    """The error message for an error of the csv module at a line of the file."""
    if error == "unexpected end of data":
        return f"{CUT_SHORT} (a quoted field has no end)"
    if "field limit" in error:
        return (
            f"a field over {csv.field_size_limit():,} characters long, at line {line}: is a closing"
            " quote missing? mend the row"
        )
    return f"not valid CSV at line {line} ({error}); mend or remove the row"
