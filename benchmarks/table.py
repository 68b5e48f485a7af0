"""One way to show and judge figures: a row each, with its bound, and an exit status."""

import sys
from typing import NamedTuple

from rich.console import Console
from rich.table import Table


class Figure(NamedTuple):
    """A measured value and the bound that it must keep: at most `most`, at least `least`, or
    neither."""

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
    """Print the figures as a table and exit with 1 when one is not kept."""
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
