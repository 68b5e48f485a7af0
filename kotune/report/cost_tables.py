"""A table of the costs of runs, in English or Korean. Each run has a column."""

from collections.abc import Iterator, Sequence

from kotune.compare.efficiency import Efficiency
from kotune.compare.result import Result
from kotune.display.figures import NOTHING, number
from kotune.display.phrases import Phrases
from kotune.display.table import Table

# Fields of Efficiency with the number format of each: first costs, then gains by tuning.
FORMS = {
    "tokens_per_second": ",.0f",
    "samples_per_second": ",.1f",
    "peak_memory_gib": ",.2f",
    "trainable_parameters": ",d",
    "steps": ",d",
    "samples": ",d",
    "tokens": ",d",
    "padding": ".2f",
    "tokens_per_character": ".3f",
}
GAINS = {
    "points_per_minute": "+,.1f",
    "points_per_won": "+,.4g",
    "points_per_thousand_samples": "+,.2f",
}


def costs(result: Result, phrases: Phrases) -> Table:
    """A table of each run's time, memory and tokens. It also shows how many points a run gained by
    tuning: per minute, per Korean won and per thousand examples. Costs in won and dollars are shown
    only if the user gave a price."""
    facts = result.efficiency()
    columns = [dict(_cost(fact, phrases)) for fact in facts]
    rows = [(name, *(column.get(name, NOTHING) for column in columns)) for name in _union(columns)]
    reused = zip(result.names.values(), (fact.base_from for fact in facts), strict=True)
    base_from = [
        phrases("base_from", run=name, others=", ".join(others))
        for name, others in reused
        if others
    ]
    given = [result.names[run.folder] for run in result.runs if not run.record.trained]
    not_trained = [phrases("not_trained_here", run=name) for name in given]
    notes = [phrases("costs_note"), *not_trained, *base_from, _price(result, phrases)]
    return Table(phrases("costs_title"), ("", *result.names.values()), rows, 1, notes)


def _cost(facts: Efficiency, phrases: Phrases) -> Iterator[tuple[str, str]]:
    """The cells in the column of a run, as pairs of the row's name and the cell's text."""
    for stage, seconds in facts.seconds.items():
        yield phrases("seconds_of", stage=phrases.word("stages", stage)), number(seconds, ",.1f")
    for key, form in FORMS.items() if facts.trained else ():
        yield phrases(key), number(getattr(facts, key), form)
    if facts.cost:
        yield phrases("cost_won"), number(facts.cost.won, ",.0f")
        yield phrases("cost_dollars"), number(facts.cost.dollars, ",.2f")
    for key, form in GAINS.items():
        for task, points in getattr(facts, key).items():
            yield phrases(key, task=task), number(points, form)


def _price(result: Result, phrases: Phrases) -> str:
    """A note with the price and the exchange rate, or on how to give them."""
    if result.price is None:
        return phrases("no_price")
    hour, rate = result.price
    text = phrases("price", won=f"{hour:,g}")
    return f"{text} " + (phrases("no_rate") if rate is None else phrases("rate", won=f"{rate:,g}"))


def _union(columns: Sequence[dict[str, str]]) -> list[str]:
    """The names of the rows of all columns, each once."""
    return list(dict.fromkeys(name for column in columns for name in column))
