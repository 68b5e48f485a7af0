"""Prints all terminal output of kotune. echo() prints lines; terminal() prints tables and bars.

Text from untrusted files may contain terminal control characters. kodata.errors.visible replaces
them with visible escapes."""

import io
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from kodata.errors import visible

if TYPE_CHECKING:
    from rich.console import Console


def never_fail_to_write() -> None:
    """Make stdout and stderr write \\uXXXX for characters that they cannot encode. Otherwise, a run
    of hours could end with an encoding error on a terminal or pipe that is not UTF-8."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def echo(text: object, err: bool = False, nl: bool = True, colour: str | None = None) -> None:
    """Print text that may come from an untrusted file, as click.echo() does. Control characters are
    replaced by escapes. JSON stays valid, because its strings may contain these escapes."""
    click.secho(visible(str(text)), fg=colour, err=err, nl=nl)


def terminal(**settings: Any) -> "Console":
    """A rich console that replaces control characters in all text. The control codes of rich's own
    styles and bars are kept. `settings`: arguments of rich's Console."""
    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.segment import Segment

    class Terminal(Console):
        def render(
            self, renderable: RenderableType, options: ConsoleOptions | None = None
        ) -> Iterable[Segment]:
            for piece in super().render(renderable, options):
                yield piece if piece.control else Segment(visible(piece.text), piece.style)

    return Terminal(highlight=False, **settings)
