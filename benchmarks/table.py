"""Prints figures as a table with their bounds, and exits with 1 if one misses its bound."""

import sys
from typing import NamedTuple

from rich.console import Console
from rich.table import Table


class Figure(NamedTuple):
    """A measured value and its bound: at most `most`, at least `least`, or none."""

    name: str
    value: float
    unit: str = ""
    most: float | None = None
    least: float | None = None

    @property
    def kept(self) -> bool:
        return (self.most is None or self.value <= self.most) and (
            self.least is None or self.value >= self.least
        )

    @property
    def bound(self) -> str:
        return (
            f"<= {self.most:g}"
            if self.most is not None
            else f">= {self.least:g}"
            if self.least is not None
            else ""
        )


def show(title: str, figures: list[Figure]) -> None:
    """Print the figures as a table and exit with 1 if one misses its bound."""
    table = Table(title=title, title_justify="left")
    for column in ("figure", "measured", "bound", ""):
        table.add_column(column)
    for figure in figures:
        verdict = "" if not figure.bound else "kept" if figure.kept else "MISSED"
        table.add_row(
            figure.name, f"{figure.value:,.3f} {figure.unit}".strip(), figure.bound, verdict
        )
    Console(width=110).print(table)
    sys.exit(not all(figure.kept for figure in figures))
