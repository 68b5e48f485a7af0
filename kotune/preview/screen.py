"""A preview on the terminal: trained tokens in colour and underlined, or in [[ ]] where there is no
colour."""

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

BAR = "▏"  # stands in no Korean text, as · does
NEWLINE = "↵"
BREAKS = re.compile("\n+")
SMALL = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
TRAINED, READ, SPECIAL = "bold underline green", "", "italic"  # rich styles


def waiting(say: Phrases) -> Status:
    """What a person at a terminal sees until the preview is there; a log sees nothing."""
    return terminal(stderr=True).status(say("working"))


def show(sets: list[PreparedData], say: Phrases, console: Console | None = None) -> None:
    """Print the tables and then the examples."""
    console = table.unbroken(console)
    for found in tables(sets, say):
        table.show(found, console)
    console.print(Text(say("examples_title"), "bold"))
    console.print(_legend(say, _is_plain(console)))
    for number, sides in enumerate(examples(sets), 1):
        _print_example(number, sides, say, console)


def _is_plain(console: Console) -> bool:
    return not console.is_terminal or console.no_color or console.color_system is None


def _legend(say: Phrases, plain: bool) -> Text:
    lines = [
        say("legend_bar", bar=BAR),
        say("legend_newline", newline=NEWLINE),
        say("legend_pieces"),
    ]
    if plain:
        return Text("\n".join([say("legend_brackets"), *lines]))
    styled = (
        (say("legend_trained"), TRAINED),
        (say("legend_context"), READ),
        (say("legend_special"), SPECIAL),
    )
    return Text("\n").join([*(Text(*line) for line in styled), *map(Text, lines)])


def _print_example(number: int, sides: list[SeenExample], say: Phrases, console: Console) -> None:
    first = sides[0].example
    named = say("example", number=number, guid=first.guid, source=first.source, form=first.form)
    console.print(Text(f"\n{named}", "bold"))
    for seen, example in sides:
        console.print(Text(headline(seen, example, say)))
        console.print(written(example.pieces, _is_plain(console)))


def headline(seen: Seen, example: Shown, say: Phrases) -> str:
    """Whose tokens these are, how many of them are trained, and whether they fit."""
    limit = seen.tokens.examples.sequence_len
    whole = sum(piece.tokens for piece in example.pieces)
    trained = sum(piece.tokens for piece in example.pieces if piece.trained)
    told = say(
        "tokens_of",
        recipe=seen.recipe,
        model=seen.model,
        tokens=f"{whole:,}",
        trained=f"{trained:,}",
    )
    return f"{told}; {say('too_long_here', limit=f'{limit:,}')}" if whole > limit else told


def visible(text: str) -> tuple[str, str]:
    """The text of a piece with its line breaks to be seen, and the break that follows the piece."""
    shown = BREAKS.sub(lambda found: NEWLINE * len(found[0]) + "\n", text)
    return (shown[:-1], "\n") if shown.endswith("\n") else (shown, "")


def written(pieces: Iterable[Piece], plain: bool) -> Text:
    """The pieces of an example as text; without styles where `plain`."""
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
