"""What runs cost, as a table in a reader's language with a column a run."""

from collections.abc import Iterator, Sequence

from kotune.compare.efficiency import Efficiency
from kotune.compare.result import Result
from kotune.display.phrases import Phrases
from kotune.display.table import Table
from kotune.report.comparison_tables import NOTHING, number

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


def costs(result: Result, say: Phrases) -> Table:
    """All of it; money where a price was given."""
    facts = result.efficiency()
    columns = [dict(_cost(fact, say)) for fact in facts]
    rows = [(name, *(column.get(name, NOTHING) for column in columns)) for name in _union(columns)]
    taken = zip(result.names.values(), (fact.base_from for fact in facts), strict=True)
    told = [
        say("base_from", run=name, others=", ".join(others)) for name, others in taken if others
    ]
    notes = [say("costs_note"), *told, _price(result, say)]
    return Table(say("costs_title"), ("", *result.names.values()), rows, 1, notes)


def _cost(facts: Efficiency, say: Phrases) -> Iterator[tuple[str, str]]:
    """A run's column: the name and the text of each figure."""
    for stage, seconds in facts.seconds.items():
        yield say("seconds_of", stage=say.word("stages", stage)), number(seconds, ",.1f")
    for key, form in FORMS.items():
        yield say(key), number(getattr(facts, key), form)
    if facts.cost:
        yield say("cost_won"), number(facts.cost.won, ",.0f")
        yield say("cost_dollars"), number(facts.cost.dollars, ",.2f")
    for key, form in GAINS.items():
        for task, points in getattr(facts, key).items():
            yield say(key, task=task), number(points, form)


def _price(result: Result, say: Phrases) -> str:
    if result.price is None:
        return say("no_price")
    hour, rate = result.price
    told = say("price", won=f"{hour:,g}")
    return f"{told} " + (say("no_rate") if rate is None else say("rate", won=f"{rate:,g}"))


def _union(columns: Sequence[dict[str, str]]) -> list[str]:
    return list(dict.fromkeys(name for column in columns for name in column))
