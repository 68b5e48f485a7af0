"""Comparisons as tables in English or Korean, for `compare` and for reports."""

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
from kotune.compare.seeds import groups
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
SHOWN = 40  # maximum characters of a value that differs between runs


def criteria(result: Result, phrases: Phrases) -> list[Table]:
    """A table for each criterion that has a task. A note under the last table lists the other
    criteria. If several runs are compared, the tables identify each run by its number in the list
    of runs."""
    numbers = {run.folder: place for place, run in enumerate(result.runs, 1)}
    words = ("task", "compared", "metric") if len(numbers) > 1 else ("task", "metric")
    head, tables = tuple(map(phrases, (*words, *FIGURES))), []
    for name in CRITERIA:
        compared = [
            comparison
            for comparison in result.comparisons
            if cards()[comparison.task].criterion == name
        ]
        rows = [
            (*_named(comparison, numbers, phrases), *_figures(comparison, phrases))
            for comparison in compared
            if not _is_void(comparison)
        ]
        notes = list(_without_value(compared, numbers, phrases))
        if name == "naturalness":
            notes.append(phrases("not_judged_by_people"))
        tables += (
            [Table(phrases.word("criteria", name), head, rows, len(words), notes)]
            if compared
            else []
        )
    measured = {cards()[comparison.task].criterion for comparison in result.comparisons}
    if absent := ", ".join(
        phrases.word("criteria", name) for name in CRITERIA if name not in measured
    ):
        tables[-1].notes.append(phrases("not_asked", criteria=absent))
    return tables


def _is_void(comparison: Comparison) -> bool:
    return not (
        math.isfinite(comparison.paired.value_a) and math.isfinite(comparison.paired.value_b)
    )


def _without_value(
    comparisons: Sequence[Comparison], numbers: dict[Path, int], phrases: Phrases
) -> Iterator[str]:
    """A note for each task and pair of variants. The note lists the metrics for which one of the
    two variants has no value."""
    metrics: dict[tuple[str, str], list[str]] = {}
    for comparison in filter(_is_void, comparisons):
        compared = f" ({sides(comparison, numbers, phrases)})" if len(numbers) > 1 else ""
        metrics.setdefault((comparison.task, compared), []).append(comparison.metric)
    for (task, compared), names in metrics.items():
        yield phrases("no_value", task=task, compared=compared, names=", ".join(names))


def _named(comparison: Comparison, numbers: dict[Path, int], phrases: Phrases) -> Row:
    marks = ("*" if comparison.is_primary else "") + (" ↓" if comparison.is_lower_better else "")
    compared = (sides(comparison, numbers, phrases),) if len(numbers) > 1 else ()
    return comparison.task, *compared, comparison.metric + marks


def sides(comparison: Comparison, numbers: dict[Path, int], phrases: Phrases) -> str:
    """The two compared variants, as in `1 base → 1 tuned`, or `base → tuned` for a single run."""
    named = [phrases.word("variants", side.variant) for side in (comparison.a, comparison.b)]
    if len(numbers) > 1:
        named = [
            f"{_places(side, numbers)} {name}"
            for side, name in zip((comparison.a, comparison.b), named, strict=True)
        ]
    return " → ".join(named).replace(" ", "\u00a0")  # prevents a line break in a narrow cell


def _places(side: Side, numbers: dict[Path, int]) -> str:
    return "+".join(str(numbers[run.folder]) for run in side.runs)


def seeds(result: Result, phrases: Phrases) -> Iterator[Table]:
    """A table of the primary metrics for recipes with several seeds: each seed's value, and the
    spread of the values. There is no table if every recipe has a single seed."""
    numbers = {run.folder: place for place, run in enumerate(result.runs, 1)}
    tuned = [
        comparison
        for comparison in result.comparisons
        if comparison.is_primary and comparison.is_tuning and comparison.b.others
    ]
    rows = [
        (_places(comparison.b, numbers), comparison.task, comparison.metric, *_spread(comparison))
        for comparison in tuned
    ]
    if rows:
        head = ("runs", "task", "metric", "each_seed", "mean", "deviation", "range")
        yield Table(
            phrases("seeds_title"), tuple(map(phrases, head)), rows, 4, [phrases("seeds_note")]
        )


def _spread(comparison: Comparison) -> Row:
    """Each seed's value of the tuned model, their mean, standard deviation and range."""
    values = comparison.values[1]
    texts = (
        f"{run.record.seed}: {number(value)}"
        for run, value in zip(comparison.b.runs, values, strict=True)
    )
    ends = f"{number(min(values))} ~ {number(max(values))}"
    return ", ".join(texts), number(mean(values)), number(stdev(values)), ends


def _figures(comparison: Comparison, phrases: Phrases) -> Row:
    paired, chance = comparison.paired, cards()[comparison.task].chance.get(comparison.metric)
    return (
        number(paired.value_a),
        number(paired.value_b),
        number(paired.difference, "+.3f"),
        phrases("alike") if paired.is_alike else _interval(paired.ci_low, paired.ci_high),
        p_text(paired.p_value),
        p_text(comparison.p_holm),
        p_text(paired.p_mcnemar),
        f"{paired.n:,} / {paired.groups:,}",
        number(paired.detectable),
        number(chance),
    )


def references(result: Result, phrases: Phrases) -> Table:
    """The baselines with which each tuned model is compared on the primary metrics. They are
    chance, classifiers trained on the run's own rows, human answers, and published figures."""
    has_several = len(result.runs) > 1
    rows, notes = [], [phrases("references_note")]
    for place, run in enumerate(result.runs, 1):
        for task, entry in run.scores.items():
            named = (f"{place}", task) if has_several else (task,)
            rows += [
                (*named, cards()[task].primary, *cells)
                for cells in _lines(result, run, task, phrases)
            ]
            if absent := entry.references.absent:
                why = phrases.word("no_line", absent)
                notes.append(phrases("no_lines", run=result.names[run.folder], task=task, why=why))
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
        phrases("references_title"),
        tuple(map(phrases, head[not has_several :])),
        rows,
        3 + has_several,
        notes,
    )


def _lines(result: Result, run: Finished, task: str, phrases: Phrases) -> Iterator[Row]:
    """A row for each baseline of a task's primary metric. The row has the baseline's name and
    value, the difference between the tuned model and the baseline, the confidence interval and
    p-value of the difference, the number of items, and the source."""
    primary, blank = cards()[task].primary, (NOTHING,) * 4
    if primary in (chance := run.scores[task].chance):
        yield phrases("chance"), number(chance[primary]), *blank, NOTHING
    for comparison in result.baselines:
        if comparison.a.run is run and comparison.task == task:
            cells = _figures(comparison, phrases)
            source = phrases(
                "own_items" if comparison.a.variant in cards()[task].lines else "own_rows"
            )
            yield (
                phrases.word("lines", comparison.a.variant),
                cells[0],
                cells[2],
                cells[3],
                cells[5],
                cells[7],
                source,
            )
    for figure in run.scores[task].published:
        if figure.metric == primary:
            source = f"{figure.source} ({figure.split})"
            yield phrases.word("lines", figure.name), number(figure.value), *blank, source


def signals(result: Result, phrases: Phrases) -> Iterator[Table]:
    """A table of the signals of natural Korean in the answers, next to the values of the same
    signals in native and in translated text. There is no table if no task has a value."""
    kinds, rows = reference_values(), []
    for place, run in enumerate(result.runs, 1):
        for task, entry in run.scores.items():
            named = (f"{place}", task) if len(result.runs) > 1 else (task,)
            for name in entry.base:
                if name in kinds["native"] and name in SIGNALS:
                    values = [entry.base[name].value, entry.tuned[name].value]
                    beside = [kind.get(name) for kind in kinds.values()]
                    rows += (
                        [(*named, name, *map(number, (*values, *beside)))]
                        if values != [None, None]
                        else []
                    )
    head = (*(("run", "task") if len(result.runs) > 1 else ("task",)), "metric")
    if rows:
        full_head = (
            *map(phrases, head),
            *(phrases.word("variants", name) for name in ("base", "tuned")),
            *map(phrases, kinds),
        )
        yield Table(phrases("signals_title"), full_head, rows, len(head), [phrases("signals_note")])


def breakdowns(result: Result, phrases: Phrases) -> Iterator[Table]:
    """A table for each task and metric: comparisons for parts of the items. The parts are formed by
    text source, by length of the question, and by agreement of the annotators."""
    numbers = {run.folder: place for place, run in enumerate(result.runs, 1)}
    words = (
        ("compared", "kind_of_item", "items_with")
        if len(numbers) > 1
        else ("kind_of_item", "items_with")
    )
    head = tuple(map(phrases, (*words, "n", "from", "to", "difference", "interval")))
    tables: dict[tuple[str, str], list[Row]] = {}
    for breakdown in result.breakdowns:
        named = (
            sides(breakdown.comparison, numbers, phrases),
            phrases.word("item_kinds", breakdown.kind),
            breakdown.value,
        )
        tables.setdefault((breakdown.comparison.task, breakdown.metric), []).append(
            (*named[-len(words) :], *_part(breakdown.part))
        )
    for (task, metric), rows in tables.items():
        yield Table(
            phrases("breakdown", task=task, metric=metric),
            head,
            rows,
            len(words),
            [phrases("breakdown_note")],
        )


def _part(part: Slice) -> Row:
    figures = (number(part.value_a), number(part.value_b), number(part.difference, "+.3f"))
    return f"{part.n:,} / {part.groups:,}", *figures, _interval(part.ci_low, part.ci_high)


def gains(result: Result, phrases: Phrases) -> Iterator[Table]:
    """A table of the comparisons of gains. There is no table if no gains are compared."""
    numbers = {run.folder: place for place, run in enumerate(result.runs, 1)}
    head = (
        *("task", "compared", "metric", "base_a", "base_b", "gain_a", "gain_b", "difference"),
        *("interval", "p", "p_holm", "n", "detectable"),
    )
    rows = []
    for gain in result.gains:
        figures = dict(zip(FIGURES, _figures(gain, phrases), strict=True))
        values = (*gain.bases, gain.paired.value_a, gain.paired.value_b)
        forms = (".3f", ".3f", "+.3f", "+.3f")
        rows.append(
            (
                *_named(gain, numbers, phrases),
                *(number(of, form) for of, form in zip(values, forms, strict=True)),
                *(figures[name] for name in head[7:]),
            )
        )
    if rows:
        yield Table(
            phrases("gains_title"), tuple(map(phrases, head)), rows, 3, [phrases("gains_note")]
        )


def label_parts(result: Result, phrases: Phrases) -> Iterator[Table]:
    """A table of the significant comparisons by label. There is no table if there are no parts."""
    numbers = {run.folder: place for place, run in enumerate(result.runs, 1)}
    head = (
        *("task", "compared", "part", "labels", "from", "to", "difference", "interval"),
        *("p", "p_holm", "n", "detectable"),
    )
    rows = []
    for each in result.label_parts:
        figures = dict(zip(FIGURES, _figures(each.part, phrases), strict=True))
        mark = phrases("opposite_mark") if each.is_opposite else ""
        part = phrases.word("part_kinds", each.part.metric) + mark
        compared = sides(each.part, numbers, phrases)
        shown = (figures[name] for name in head[4:])
        rows.append((each.part.task, compared, part, ", ".join(each.labels), *shown))
    if rows:
        titles = tuple(map(phrases, head))
        yield Table(phrases("parts_title"), titles, rows, 4, [phrases("parts_note")])


def _interval(low: float, high: float) -> str:
    return NOTHING if math.isnan(low) else f"{number(low, '+.3f')} ~ {number(high, '+.3f')}"


def number(value: float | None, form: str = ".3f") -> str:
    """A number as text; a dash for None, NaN and infinity."""
    return NOTHING if value is None or not math.isfinite(value) else f"{value:{form}}"


def not_the_same(result: Result, phrases: Phrases) -> Iterator[Table]:
    """For each run after the first, a table of the ways in which the run differs from the first
    run, except the models. A table that lists differences is marked as an alert."""
    a = result.names[result.runs[0].folder]
    seeds_of_first = [run.folder for run in groups(result.runs)[0]]
    for folder, differences in result.differences.items():
        b, same = (
            result.names[folder],
            "all_but_seed" if folder in seeds_of_first else "all_the_same",
        )
        rows = [(row.what, _short(row.a, phrases), _short(row.b, phrases)) for row in differences]
        yield Table(
            phrases("not_the_same" if rows else same, a=a, b=b),
            (phrases("what"), a, b),
            rows,
            3,
            alert=bool(rows),
        )


def _short(value: object, phrases: Phrases) -> str:
    if value is None:
        return phrases("none")
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}..."
