"""Comparisons as tables in a reader's language: one piece for `compare` and for reports."""

import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import mean, stdev

from kodata.metrics.naturalness.references import reference_values
from kodata.metrics.naturalness.signals import SIGNALS
from kotune.compare.breakdowns import Slice
from kotune.compare.comparison import Comparison, Side
from kotune.compare.result import Result
from kotune.display.phrases import Phrases
from kotune.display.table import Row, Table
from kotune.display.words import p_text
from kotune.runs.finished import Finished
from kotune_tasks.card import CRITERIA, cards

FIGURES = (
    "from",
    "to",
    "difference",
    "interval",
    "p",
    "p_holm",
    "p_mcnemar",
    "n",
    "detectable",
    "chance",
)
NOTHING = "-"
SHOWN = 40  # characters of a value that is not the same


def criteria(result: Result, say: Phrases) -> list[Table]:
    """A table for each of the four criteria that a task answers; the last one says which none does.
    Runs go by their place in the list of runs; where there is one only, it is not named."""
    numbers = {run.folder: place for place, run in enumerate(result.runs, 1)}
    words = ("task", "compared", "metric") if len(numbers) > 1 else ("task", "metric")
    head, tables = tuple(map(say, (*words, *FIGURES))), []
    for name in CRITERIA:
        ours = [one for one in result.found if cards()[one.task].criterion == name]
        rows = [(*_named(one, numbers, say), *_figures(one)) for one in ours if not _is_void(one)]
        notes = list(_without_value(ours, numbers, say))
        if name == "naturalness":
            notes.append(say("not_judged_by_people"))
        tables += [Table(say.word("criteria", name), head, rows, len(words), notes)] if ours else []
    asked = {cards()[one.task].criterion for one in result.found}
    if absent := ", ".join(say.word("criteria", name) for name in CRITERIA if name not in asked):
        tables[-1].notes.append(say("not_asked", criteria=absent))
    return tables


def _is_void(one: Comparison) -> bool:
    return not (math.isfinite(one.found.value_a) and math.isfinite(one.found.value_b))


def _without_value(
    ours: Sequence[Comparison], numbers: dict[Path, int], say: Phrases
) -> Iterator[str]:
    """A line for each comparison of a task, with all its metrics that have no value on one side."""
    found: dict[tuple[str, str], list[str]] = {}
    for one in filter(_is_void, ours):
        compared = f" ({sides(one, numbers, say)})" if len(numbers) > 1 else ""
        found.setdefault((one.task, compared), []).append(one.metric)
    for (task, compared), names in found.items():
        yield say("no_value", task=task, compared=compared, names=", ".join(names))


def _named(one: Comparison, numbers: dict[Path, int], say: Phrases) -> Row:
    marks = ("*" if one.p_holm is not None else "") + (" ↓" if one.is_lower_better else "")
    compared = (sides(one, numbers, say),) if len(numbers) > 1 else ()
    return one.task, *compared, one.metric + marks


def sides(one: Comparison, numbers: dict[Path, int], say: Phrases) -> str:
    """What is compared with what, as in `1 base → 1 tuned`; of one run alone, as in `base →
    tuned`."""
    named = [say.word("variants", side.variant) for side in (one.a, one.b)]
    if len(numbers) > 1:
        named = [
            f"{_places(side, numbers)} {name}"
            for side, name in zip((one.a, one.b), named, strict=True)
        ]
    return " → ".join(named).replace(" ", "\u00a0")  # it stands in narrow cells


def _places(side: Side, numbers: dict[Path, int]) -> str:
    return "+".join(str(numbers[run.folder]) for run in side.runs)


def seeds(result: Result, say: Phrases) -> Iterator[Table]:
    """The judged values of each seed where a recipe was run with several, and how far they spread;
    no table where none was."""
    numbers = {run.folder: place for place, run in enumerate(result.runs, 1)}
    tuned = [
        one
        for one in result.found
        if one.p_holm is not None and one.a.run is one.b.run and one.b.others
    ]
    rows = [(_places(one.b, numbers), one.task, one.metric, *_spread(one)) for one in tuned]
    if rows:
        head = ("runs", "task", "metric", "each_seed", "mean", "deviation", "range")
        yield Table(say("seeds_title"), tuple(map(say, head)), rows, 4, [say("seeds_note")])


def _spread(one: Comparison) -> Row:
    """Each seed's value of the tuned model, their mean, standard deviation, and the lowest and
    highest."""
    values = one.values[1]
    told = (
        f"{run.record['seed']}: {number(value)}"
        for run, value in zip(one.b.runs, values, strict=True)
    )
    ends = f"{number(min(values))} ~ {number(max(values))}"
    return ", ".join(told), number(mean(values)), number(stdev(values)), ends


def _figures(one: Comparison) -> Row:
    told, chance = one.found, cards()[one.task].chance.get(one.metric)
    return (
        number(told.value_a),
        number(told.value_b),
        number(told.difference, "+.3f"),
        _interval(told.ci_low, told.ci_high),
        p_text(told.p_value),
        p_text(one.p_holm),
        p_text(told.p_mcnemar),
        f"{told.n:,} / {told.groups:,}",
        number(told.detectable),
        number(chance),
    )


def references(result: Result, say: Phrases) -> Table:
    """What each run's tuned models are to be held against: guessing, what the run's own training
    rows tell without a language model, people, and figures that others published; the judged
    metrics alone."""
    several = len(result.runs) > 1
    rows, notes = [], [say("references_note")]
    for place, run in enumerate(result.runs, 1):
        for task, entry in run.scores.items():
            named = (f"{place}", task) if several else (task,)
            rows += [
                (*named, cards()[task].primary, *cells) for cells in _lines(result, run, task, say)
            ]
            if absent := entry.get("references", {}).get("absent"):
                why = say.word("no_line", absent)
                notes.append(say("no_lines", run=result.names[run.folder], task=task, why=why))
    head = (
        "run",
        "task",
        "metric",
        "line",
        "value",
        "tuned_minus",
        "interval",
        "p_holm",
        "n",
        "reference_source",
    )
    return Table(
        say("references_title"), tuple(map(say, head[not several :])), rows, 3 + several, notes
    )


def _lines(result: Result, run: Finished, task: str, say: Phrases) -> Iterator[Row]:
    """The lines of a task's judged metric: name, value, what the tuned model has more, its
    interval, p, items, source."""
    primary, blank = cards()[task].primary, (NOTHING,) * 4
    if primary in (chance := run.scores[task]["chance"]):
        yield say("chance"), number(chance[primary]), *blank, NOTHING
    for one in result.lines:
        if one.a.run is run and one.task == task:
            cells = _figures(one)
            made_of = say("own_items" if one.a.variant in cards()[task].lines else "own_rows")
            yield (
                say.word("lines", one.a.variant),
                cells[0],
                cells[2],
                cells[3],
                cells[5],
                cells[7],
                made_of,
            )
    for told in run.scores[task].get("published", ()):
        if told["metric"] == primary:
            where = f"{told['source']} ({told['split']})"
            yield say.word("lines", told["name"]), number(told["value"]), *blank, where


def signals(result: Result, say: Phrases) -> Iterator[Table]:
    """The signals of natural Korean beside those of native and translated text; no table where no
    task has a value of any."""
    kinds, rows = reference_values(), []
    for place, run in enumerate(result.runs, 1):
        for task, entry in run.scores.items():
            named = (f"{place}", task) if len(result.runs) > 1 else (task,)
            for name in entry["base"]:
                if name in kinds["native"] and name in SIGNALS:
                    found = [entry[variant][name]["value"] for variant in ("base", "tuned")]
                    beside = [kind.get(name) for kind in kinds.values()]
                    rows += (
                        [(*named, name, *map(number, (*found, *beside)))]
                        if found != [None, None]
                        else []
                    )
    head = (*(("run", "task") if len(result.runs) > 1 else ("task",)), "metric")
    if rows:
        told = (
            *map(say, head),
            *(say.word("variants", name) for name in ("base", "tuned")),
            *map(say, kinds),
        )
        yield Table(say("signals_title"), told, rows, len(head), [say("signals_note")])


def breakdowns(result: Result, say: Phrases) -> Iterator[Table]:
    """A table a task: its comparisons by text source, length of the question and annotators'
    agreement."""
    numbers = {run.folder: place for place, run in enumerate(result.runs, 1)}
    words = (
        ("compared", "kind_of_item", "items_with")
        if len(numbers) > 1
        else ("kind_of_item", "items_with")
    )
    head = tuple(map(say, (*words, "n", "from", "to", "difference", "interval")))
    tables: dict[tuple[str, str], list[Row]] = {}
    for told in result.broken_down:
        named = (sides(told.one, numbers, say), say.word("item_kinds", told.kind), told.value)
        tables.setdefault((told.one.task, told.metric), []).append(
            (*named[-len(words) :], *_part(told.part))
        )
    for (task, metric), rows in tables.items():
        yield Table(
            say("breakdown", task=task, metric=metric),
            head,
            rows,
            len(words),
            [say("breakdown_note")],
        )


def _part(part: Slice) -> Row:
    figures = (number(part.value_a), number(part.value_b), number(part.difference, "+.3f"))
    return f"{part.n:,} / {part.groups:,}", *figures, _interval(part.ci_low, part.ci_high)


def _interval(low: float, high: float) -> str:
    return NOTHING if math.isnan(low) else f"{number(low, '+.3f')} ~ {number(high, '+.3f')}"


def number(value: float | None, form: str = ".3f") -> str:
    """A figure as text; a dash where there is none."""
    return NOTHING if value is None or not math.isfinite(value) else f"{value:{form}}"


def not_the_same(result: Result, say: Phrases) -> Iterator[Table]:
    """What differs between the first run and each other one beside the models; a table in red for
    each that differs."""
    a = result.names[result.runs[0].folder]
    for folder, unlike in result.differences.items():
        b = result.names[folder]
        rows = [(row["what"], _short(row["a"], say), _short(row["b"], say)) for row in unlike]
        yield Table(
            say("not_the_same" if rows else "all_the_same", a=a, b=b),
            (say("what"), a, b),
            rows,
            3,
            alert=bool(rows),
        )


def _short(value: object, say: Phrases) -> str:
    if value is None:
        return say("none")
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}..."
