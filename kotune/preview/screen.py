"""Prints a preview on the terminal. Trained tokens are coloured and underlined. On a terminal
without colour, they are in [[ ]]."""

import re
from collections.abc import Iterable
from itertools import groupby

from rich.console import Console
from rich.status import Status
from rich.text import Text

from kotune.display import table
from kotune.display.phrases import Phrases
from kotune.display.terminal import terminal
from kotune.preview.gather import PreparedData, Seen, SeenExample, examples
from kotune.preview.tables import tables
from kotune.preview.tokens import Piece, Shown

BAR = "▏"  # does not occur in Korean text, whereas · does
NEWLINE = "↵"
BREAKS = re.compile("\n+")
SMALL = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
TRAINED, READ, SPECIAL = "bold underline green", "", "italic"  # rich styles


def waiting(phrases: Phrases) -> Status:
    """A status line that a terminal shows until the preview is ready. It is not written to logs."""
    return terminal(stderr=True).status(phrases("working"))


def show(sets: list[PreparedData], phrases: Phrases, console: Console | None = None) -> None:
    """Print the tables and then the examples."""
    console = table.unbroken(console)
    for part in tables(sets, phrases):
        table.show(part, console)
    console.print(Text(phrases("examples_title"), "bold"))
    console.print(_legend(phrases, _is_plain(console)))
    for number, views in enumerate(examples(sets), 1):
        _print_example(number, views, phrases, console)


def _is_plain(console: Console) -> bool:
    return not console.is_terminal or console.no_color or console.color_system is None


def _legend(phrases: Phrases, plain: bool) -> Text:
    lines = [
        phrases("legend_bar", bar=BAR),
        phrases("legend_newline", newline=NEWLINE),
        phrases("legend_pieces"),
    ]
    if plain:
        return Text("\n".join([phrases("legend_brackets"), *lines]))
    styled = (
        (phrases("legend_trained"), TRAINED),
        (phrases("legend_context"), READ),
        (phrases("legend_special"), SPECIAL),
    )
    return Text("\n").join([*(Text(*line) for line in styled), *map(Text, lines)])


def _print_example(
    number: int, views: list[SeenExample], phrases: Phrases, console: Console
) -> None:
    first = views[0].example
    title = phrases("example", number=number, guid=first.guid, source=first.source, form=first.form)
    console.print(Text(f"\n{title}", "bold"))
    for seen, example in views:
        console.print(Text(headline(seen, example, phrases)))
        console.print(written(example.pieces, _is_plain(console)))


def headline(seen: Seen, example: Shown, phrases: Phrases) -> str:
    """The heading of an example: recipe, model, number of tokens, number of trained tokens, and a
    note if the example is too long."""
    limit = seen.tokens.examples.sequence_len
    length = sum(piece.tokens for piece in example.pieces)
    trained = sum(piece.tokens for piece in example.pieces if piece.trained)
    line = phrases(
        "tokens_of",
        recipe=seen.recipe,
        model=seen.model,
        tokens=f"{length:,}",
        trained=f"{trained:,}",
    )
    return f"{line}; {phrases('too_long_here', limit=f'{limit:,}')}" if length > limit else line


def visible(text: str) -> tuple[str, str]:
    """The text of a piece with visible marks for line breaks, and the line break to print after the
    piece."""
    shown = BREAKS.sub(lambda match: NEWLINE * len(match[0]) + "\n", text)
    return (shown[:-1], "\n") if shown.endswith("\n") else (shown, "")


def written(pieces: Iterable[Piece], plain: bool) -> Text:
    """The pieces of an example as text. `plain`: whether to omit styles."""
    line, between = Text(), ""
    for trained, run in groupby(pieces, key=lambda piece: piece.trained):
        line.append(between, "dim")
        between = "[[" if plain and trained else ""
        for text, tokens, _, special in run:
            shown, after = visible(text)
            number = str(tokens).translate(SMALL) if tokens > 1 else ""
            line.append(between, "dim")
            line.append(
                shown + number,
                f"{TRAINED if trained else READ} {SPECIAL if special else READ}".strip(),
            )
            between = BAR + after
        line.append("]]" if plain and trained else "")
    return Text(line.plain) if plain else line
