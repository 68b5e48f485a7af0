"""Makes the tables of a preview, with their notes. The terminal and the page show the same
tables."""

from collections.abc import Iterator

from kotune.display.phrases import Phrases
from kotune.display.table import Row, Table
from kotune.models.notes import notes as notes_of_model
from kotune.parity.lengths import SAMPLE
from kotune.preview.gather import PreparedData, Seen
from kotune.report import data_tables
from kotune.report.lines import not_scored
from kotune.template import words


def tables(sets: list[PreparedData], phrases: Phrases) -> Iterator[Table]:
    """One table with the tokens of all recipes, and one with the findings about their chat
    templates, if there are any. Then, for each set of prepared data, tables of its labels, dropped
    rows and leaks. `sets`: the result of gather()."""
    yield _tokens(sets, phrases)
    yield from _templates(sets, phrases)
    for data in sets:
        recipes = f": {', '.join(seen.recipe for seen in data.seen)}" if len(sets) > 1 else ""
        yield data_tables.labels(data.manifest, phrases, recipes)
        dropped = data_tables.dropped(data.manifest, phrases, recipes)
        dropped.notes.extend(not_scored(data.manifest, phrases))
        yield dropped
        yield data_tables.leaks(data.manifest, phrases, recipes)


def _tokens(sets: list[PreparedData], phrases: Phrases) -> Table:
    every = [seen for data in sets for seen in data.seen]
    keys = (
        "model",
        "template",
        "per_character",
        "median",
        "p95",
        "longest",
        "sequence_len",
        "over",
    )
    rows = list(zip(map(phrases, keys), *(_figures(seen, phrases) for seen in every), strict=True))
    notes = [phrases("other_data")] if len(sets) > 1 else []
    notes += [note for data in sets for note in _costs(data, phrases)]
    notes += [note for seen in every for note in _too_long(seen, phrases)]
    notes += [phrases("definition", sample=f"{SAMPLE:,}")]
    for model in dict.fromkeys(seen.model for seen in every):
        notes += notes_of_model(model, phrases)
    return Table(
        phrases("tokens_title"),
        (phrases("recipe"), *(seen.recipe for seen in every)),
        rows,
        1,
        notes,
    )


def _templates(sets: list[PreparedData], phrases: Phrases) -> Iterator[Table]:
    """A table without rows, whose notes are the findings about the chat templates."""
    every = [(seen, one) for data in sets for seen in data.seen for one in seen.tokens.findings]
    notes = [f"{seen.recipe}: {words.sentence(one, phrases)}" for seen, one in every]
    if notes:
        alert = any(one.state == "fix" for _, one in every)
        yield Table(phrases("template_table"), (), (), 0, notes, alert)


def _figures(seen: Seen, phrases: Phrases) -> Row:
    """The column of one recipe in the table of tokens. Its order is that of `keys` in _tokens()."""
    spread = seen.tokens.examples
    over = phrases("over_of", n=f"{spread.too_long:,}", number=f"{spread.number:,}")
    values = (spread.median, spread.p95, spread.longest, spread.sequence_len)
    return (
        seen.model,
        seen.template,
        f"{seen.per_character:.3f}",
        *(f"{length:,g}" for length in values),
        over,
    )


def _costs(data: PreparedData, phrases: Phrases) -> Iterator[str]:
    """A note for each recipe whose model is not the cheapest recipe's: how many times as many
    tokens it needs."""
    other = data.cheapest.model
    for seen, ratio in data.costs():
        times = f"{ratio:.2f}"
        if seen.model != other:
            yield phrases(
                "costs_alike" if times == "1.00" else "costs",
                model=seen.model,
                other=other,
                times=times,
            )


def _too_long(seen: Seen, phrases: Phrases) -> Iterator[str]:
    """A note if examples are longer than sequence_len."""
    spread = seen.tokens.examples
    if spread.too_long:
        numbers = {
            "n": f"{spread.too_long:,}",
            "limit": f"{spread.sequence_len:,}",
            "longest": spread.longest,
        }
        strategy = spread.excess_length_strategy
        yield phrases.phrase("too_long", strategy, recipe=seen.recipe, **numbers)
