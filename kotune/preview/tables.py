"""What a preview counts, as tables with their notes in a reader's language: one piece for the
terminal and for the page."""

from collections.abc import Iterator

from kotune.display.phrases import Phrases
from kotune.display.table import Row, Table
from kotune.parity import lengths
from kotune.preview.gather import PreparedData, Seen
from kotune.report import data_tables
from kotune.report.lines import not_scored


def tables(sets: list[PreparedData], say: Phrases) -> Iterator[Table]:
    """The tokens of all recipes, then for each set of data its labels, what was left out, and
    leaks."""
    yield _tokens(sets, say)
    for data in sets:
        whose = f": {', '.join(seen.recipe for seen in data.seen)}" if len(sets) > 1 else ""
        yield data_tables.labels(data.manifest, say, whose)
        dropped = data_tables.dropped(data.manifest, say, whose)
        dropped.notes.extend(not_scored(data.manifest, say))
        yield dropped
        yield data_tables.leaks(data.manifest, say, whose)


def _tokens(sets: list[PreparedData], say: Phrases) -> Table:
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
    rows = list(zip(map(say, keys), *(_figures(seen, say) for seen in every), strict=True))
    notes = [say("other_data")] if len(sets) > 1 else []
    notes += [note for data in sets for note in _costs(data, say)]
    notes += [note for seen in every for note in _too_long(seen, say)]
    notes += [say("definition", sample=f"{lengths.SAMPLE:,}")]
    return Table(
        say("tokens_title"), (say("recipe"), *(seen.recipe for seen in every)), rows, 1, notes
    )


def _figures(seen: Seen, say: Phrases) -> Row:
    of = seen.tokens.examples
    over = say("over_of", n=f"{of.too_long:,}", number=f"{of.number:,}")
    spread = (f"{length:,g}" for length in (of.median, of.p95, of.longest, of.sequence_len))
    return seen.model, seen.template, f"{seen.per_character:.3f}", *spread, over


def _costs(data: PreparedData, say: Phrases) -> Iterator[str]:
    other = data.cheapest.model
    for seen, ratio in data.costs():
        times = f"{ratio:.2f}"
        if seen.model != other:
            yield say(
                "costs_alike" if times == "1.00" else "costs",
                model=seen.model,
                other=other,
                times=times,
            )


def _too_long(seen: Seen, say: Phrases) -> Iterator[str]:
    of = seen.tokens.examples
    if of.too_long:
        numbers = {
            "n": f"{of.too_long:,}",
            "limit": f"{of.sequence_len:,}",
            "longest": of.longest,
        }
        yield say.told("too_long", of.excess_length_strategy, recipe=seen.recipe, **numbers)
