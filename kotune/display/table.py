"""A table with notes, for a terminal, Markdown or a page. Its cells are formatted text."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import TYPE_CHECKING

from kodata.errors import visible
from kotune.display.phrases.translation import translate
from kotune.display.terminal import terminal

if TYPE_CHECKING:
    from rich.console import Console

Row = tuple[str, ...]
LOG_WIDTH = 200  # columns of a table in a log file
MARKS = re.compile(r"[\\|<*`\[]")  # underscores inside a word need no escape in Markdown
BEGINS = re.compile(r"^(#{1,6}(?= )|>|[-+](?= ))")  # line starts of a heading, quotation or list


@dataclass(frozen=True)
class Table:
    """A table. Its first `words` columns are text, and the others are numbers. A table without rows
    shows only its title and notes. If `alert` is true, it reports a problem and is shown in red."""

    title: str
    head: Row
    rows: Sequence[Row]
    words: int
    notes: list[str] = field(default_factory=list)
    alert: bool = False

    def visible(self) -> "Table":
        """The table with control characters replaced by visible escapes. This is done before column
        widths are computed."""
        head, *rows = (tuple(map(visible, row)) for row in (self.head, *self.rows))
        return replace(
            self, title=visible(self.title), head=head, rows=rows, notes=[*map(visible, self.notes)]
        )

    def grouped(self) -> list[tuple[Row, list[Row]]]:
        """The rows grouped by equal leading text columns, as (shared cells, rows). The shared cells
        can then be shown once per group. The rows still include them.

        There are at most half as many groups as rows, and as many shared columns as this allows. If
        it allows none, there is one group without shared cells."""
        for shared in range(self.words - 1, 0, -1):
            groups = [(key, [*rows]) for key, rows in groupby(self.rows, lambda row: row[:shared])]  # noqa: B023
            if 2 * len(groups) <= len(self.rows):
                return groups
        return [((), [*self.rows])]


def translated(table: Table, language: str) -> Table:
    """The table in a language. Only its Translatables change."""
    title, *notes = (translate(text, language) for text in (table.title, *table.notes))
    head, *rows = (
        tuple(translate(cell, language) for cell in row) for row in (table.head, *table.rows)
    )
    return replace(table, title=title, head=head, rows=rows, notes=notes)


def unbroken(console: "Console | None" = None) -> "Console":
    """A console that does not wrap lines unless it is a terminal: `console`, or a new one if it is
    None. If it is not a terminal, its width is set to LOG_WIDTH."""
    console = console or terminal()
    if not console.is_terminal:
        console.soft_wrap, console.width = True, LOG_WIDTH
    return console


def show(table: Table, console: "Console") -> None:
    """Print a table and its notes."""
    from rich import box
    from rich.table import Column
    from rich.table import Table as RichTable
    from rich.text import Text

    style = "red" if table.alert else ""
    table = table.visible()
    console.print(Text(table.title, f"bold {style}".strip()))
    if table.rows:
        for places in _pieces(table, console.width):
            columns = [
                Column(
                    Text(table.head[at]),
                    justify="left" if at < table.words else "right",
                    overflow="fold",
                )
                for at in places
            ]
            made = RichTable(*columns, box=box.SIMPLE, pad_edge=False, style=style)
            for row in table.rows:
                made.add_row(*(Text(row[at], style) for at in places))
            console.print(made)
    for note in table.notes:
        console.print(Text(note))
    console.print()


def _pieces(table: Table, width: int) -> list[list[int]]:
    """The column indices, split into pieces that fit a screen of `width`. Each piece starts with
    the text columns. The table is not split if the text columns leave no room for a number."""
    from rich.cells import cell_len

    widths = [max(map(cell_len, cells)) + 3 for cells in zip(table.head, *table.rows, strict=True)]
    words = [*range(table.words)]
    room = width - sum(widths[: table.words])
    if sum(widths) <= width + 1 or room < max(widths[table.words :], default=0):
        return [[*range(len(widths))]]
    pieces: list[list[int]] = [[]]
    for at in range(table.words, len(widths)):
        if pieces[-1] and sum(widths[other] for other in (*pieces[-1], at)) > room + 1:
            pieces.append([])
        pieces[-1].append(at)
    return [words + piece for piece in pieces]


def markdown(table: Table) -> str:
    """The table as Markdown, under its heading."""
    lines = [f"## {escaped(table.title)}", ""]
    if table.rows:
        rule = ["---" if at < table.words else "---:" for at in range(len(table.head))]
        lines += [_line(table.head), _line(tuple(rule)), *map(_line, table.rows), ""]
    return "\n".join([*lines, *(f"- {escaped(note)}" for note in table.notes)]).strip()


def _line(cells: Row) -> str:
    return f"| {' | '.join(map(escaped, cells))} |"


def escaped(text: str) -> str:
    """The text on one line, with Markdown's special characters escaped. Control characters are
    replaced by visible escapes, because somebody may print the file on a terminal."""
    return BEGINS.sub(r"\\\g<0>", " ".join(MARKS.sub(r"\\\g<0>", visible(text)).split()))
