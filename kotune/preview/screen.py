"""Prints a preview on the terminal. Trained tokens are bold, green and underlined. If the output
has no colours, they are in [[ ]]."""

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

BAR = "▏"  # separates pieces; unlike ·, it does not occur in Korean text
NEWLINE = "↵"
BREAKS = re.compile("\n+")
SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
# Styles of rich for trained, untrained and special tokens.
TRAINED, UNTRAINED, SPECIAL = "bold underline green", "", "italic"


def waiting(phrases: Phrases) -> Status:
    """A status line, to be used as a context manager while the preview is made. It is shown only on
    a terminal, not in logs."""
    return terminal(stderr=True).status(phrases("working"))


def show(sets: list[PreparedData], phrases: Phrases, console: Console | None = None) -> None:
    """Print the tables and then the examples. `sets`: the result of gather(); `console`: where to
    print, None for the terminal."""
    console = table.unbroken(console)
    for part in tables(sets, phrases):
        table.show(part, console)
    console.print(Text(phrases("examples_title"), "bold"))
    console.print(_legend(phrases, _is_plain(console)))
    for number, example in enumerate(examples(sets), 1):
        _print_example(number, example, phrases, console)


def _is_plain(console: Console) -> bool:
    """Whether the console shows no styles."""
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
        (phrases("legend_context"), UNTRAINED),
        (phrases("legend_special"), SPECIAL),
    )
    return Text("\n").join([*(Text(*line) for line in styled), *map(Text, lines)])


def _print_example(
    number: int, example: list[SeenExample], phrases: Phrases, console: Console
) -> None:
    """Print an example once for each recipe that trains on it."""
    first = example[0].example
    title = phrases("example", number=number, guid=first.guid, source=first.source, form=first.form)
    console.print(Text(f"\n{title}", "bold"))
    for seen, shown in example:
        console.print(Text(headline(seen, shown, phrases)))
        console.print(_marked(shown.pieces, _is_plain(console)))


def headline(seen: Seen, example: Shown, phrases: Phrases) -> str:
    """The heading of an example for one recipe: recipe, model, number of tokens, number of trained
    tokens, and a note if the example is longer than sequence_len."""
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
    """The text of a piece with NEWLINE for each line break, and what to print after the piece. This
    is a line break if the text ends with one, otherwise nothing."""
    # Several line breaks in a row become as many marks, but only one line break.
    shown = BREAKS.sub(lambda match: NEWLINE * len(match[0]) + "\n", text)
    return (shown[:-1], "\n") if shown.endswith("\n") else (shown, "")


def _marked(pieces: Iterable[Piece], plain: bool) -> Text:
    """The text of an example with BAR between its pieces. A piece of several tokens is followed by
    their number as a subscript. Trained pieces are styled, or in [[ ]] if `plain` is true."""
    line, between = Text(), ""
    for trained, group in groupby(pieces, key=lambda piece: piece.trained):
        line.append(between, "dim")
        between = "[[" if plain and trained else ""
        for text, tokens, _, special in group:
            shown, after = visible(text)
            number = str(tokens).translate(SUBSCRIPTS) if tokens > 1 else ""
            style = f"{TRAINED if trained else UNTRAINED} {SPECIAL if special else ''}"
            line.append(between, "dim")
            line.append(shown + number, style.strip())
            between = BAR + after
        line.append("]]" if plain and trained else "")
    return Text(line.plain) if plain else line
