"""All that kotune itself says on a terminal goes through here: lines by echo(), tables and bars by
a Terminal. Names, values and logs of a stranger's may hold what a terminal acts upon;
kodata.errors.visible spells it out."""

import io
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from kodata.errors import visible

if TYPE_CHECKING:
    from rich.console import Console


def never_fail_to_write() -> None:
    """What a terminal or pipe that is not UTF-8 has no sign for is written as \\uXXXX: a run of
    hours would end with an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def echo(text: object, err: bool = False, nl: bool = True, colour: str | None = None) -> None:
    """click.echo() of something that may hold a stranger's words. JSON stays what it is: its
    strings may have such escapes."""
    click.secho(visible(str(text)), fg=colour, err=err, nl=nl)


def terminal(**settings: Any) -> "Console":
    """rich's console, all of whose text is made visible when it is drawn; the codes of its own
    styles and bars are not text."""
    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.segment import Segment

    class Terminal(Console):
        def render(
            self, renderable: RenderableType, options: ConsoleOptions | None = None
        ) -> Iterable[Segment]:
            for piece in super().render(renderable, options):
                yield piece if piece.control else Segment(visible(piece.text), piece.style)

    return Terminal(highlight=False, **settings)
