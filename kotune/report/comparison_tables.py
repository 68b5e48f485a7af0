"""Tables of comparisons in English or Korean, for the `compare` command and for reports. The dict
`numbers` of several functions has each run's number in the list of runs, by the run's folder."""

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
from kotune.compare.shares import is_share
from kotune.display.figures import NOTHING, change, interval, level
from kotune.display.phrases import Phrases
from kotune.display.table import Row, Table
from kotune.display.words import p_text
from kotune.runs.finished import Finished
from kotune.runs.records import UNDEFINED, FewShot
from kotune_tasks.card import CRITERIA, cards

# The phrases of the column headings over the numbers of a comparison.
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
SHOWN = 40  # the maximum number of characters that are shown of a value that differs between runs


def criteria(result: Result, phrases: Phrases) -> list[Table]:
    """A table for each criterion that was measured. A note under the last table lists the criteria
    that were not measured. If there are several runs, the tables show each run's number.

    `result` must have at least one comparison."""
    numbers = {run.folder: place for place, run in enumerate(result.runs, 1)}
    words = ("task", "compared", "metric") if len(numbers) > 1 else ("task", "metric")
    head, tables = _headings((*words, *FIGURES), result, phrases), []
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
    absent = ", ".join(phrases.word("criteria", name) for name in CRITERIA if name not in measured)
    if tables and absent:
        tables[-1].notes.append(phrases("not_asked", criteria=absent))
    return tables


def _headings(names: Sequence[str], result: Result, phrases: Phrases) -> Row:
    """The column headings with these names. If only base and tuned models are compared, the columns
    `from` and `to` are headed `before` and `after`."""
    is_tuning = all(comparison.is_tuning for comparison in result.comparisons)
    renamed = {"from": "before", "to": "after"} if is_tuning else {}
    return tuple(phrases(renamed.get(name, name)) for name in names)


def _is_void(comparison: Comparison) -> bool:
    """Whether the value of a or of b is undefined."""
    return not (
        math.isfinite(comparison.paired.value_a) and math.isfinite(comparison.paired.value_b)
    )


def _without_value(
    comparisons: Sequence[Comparison], numbers: dict[Path, int], phrases: Phrases
) -> Iterator[str]:
    """A note for each task and each two compared models. The note lists the metrics for which one
    of the models has no value. Yields nothing if all values are defined."""
    metrics: dict[tuple[str, str], list[str]] = {}
    for comparison in filter(_is_void, comparisons):
        compared = f" ({sides(comparison, numbers, phrases)})" if len(numbers) > 1 else ""
        metrics.setdefault((comparison.task, compared), []).append(comparison.metric)
    for (task, compared), names in metrics.items():
        yield phrases("no_value", task=task, compared=compared, names=", ".join(names))


def _named(comparison: Comparison, numbers: dict[Path, int], phrases: Phrases) -> Row:
    """The text cells of a comparison: task, compared models if there are several runs, and metric.
    `*` marks a primary metric, and `↓` a metric of which lower values are better."""
    marks = ("*" if comparison.is_primary else "") + (" ↓" if comparison.is_lower_better else "")
    compared = (sides(comparison, numbers, phrases),) if len(numbers) > 1 else ()
    return comparison.task, *compared, comparison.metric + marks


def sides(comparison: Comparison, numbers: dict[Path, int], phrases: Phrases) -> str:
    """The two compared models, for example `1 base → 2 tuned`. The run numbers are left out if
    there is a single run. Runs with several seeds are joined, for example `1+2 tuned`."""
    named = [phrases.word("variants", side.variant) for side in (comparison.a, comparison.b)]
    if len(numbers) > 1:
        named = [
            f"{_run_numbers(side, numbers)} {name}"
            for side, name in zip((comparison.a, comparison.b), named, strict=True)
        ]
    return " → ".join(named).replace(" ", "\u00a0")  # no line break in a narrow cell


def _run_numbers(side: Side, numbers: dict[Path, int]) -> str:
    return "+".join(str(numbers[run.folder]) for run in side.runs)


def seeds(result: Result, phrases: Phrases) -> Iterator[Table]:
    """A table of the tuned models' primary metrics, for recipes with several seeds. It has each
    seed's value, and the mean, standard deviation and range of the values. Yields nothing if every
    recipe has a single seed."""
    numbers = {run.folder: place for place, run in enumerate(result.runs, 1)}
    tuned = [
        comparison
        for comparison in result.comparisons
        if comparison.is_primary and comparison.is_tuning and comparison.b.others
    ]
    rows = [
        (
            _run_numbers(comparison.b, numbers),
            comparison.task,
            comparison.metric,
            *_spread(comparison, phrases),
        )
        for comparison in tuned
    ]
    if rows:
        head = ("runs", "task", "metric", "each_seed", "mean", "deviation", "range")
        yield Table(
            phrases("seeds_title"), tuple(map(phrases, head)), rows, 4, [phrases("seeds_note")]
        )


def _spread(comparison: Comparison, phrases: Phrases) -> Row:
    """The cells with the value of each seed of the tuned model, and with the mean, standard
    deviation and range of these values."""
    values, share = comparison.values[1], comparison.is_share
    texts = (
        f"{run.record.seed}: {level(value, share)}"
        for run, value in zip(comparison.b.runs, values, strict=True)
    )
    ends = f"{level(min(values), share)} ~ {level(max(values), share)}"
    deviation = change(stdev(values), share, phrases, sign="")
    return ", ".join(texts), level(mean(values), share), deviation, ends


def _figures(comparison: Comparison, phrases: Phrases) -> Row:
    """The number cells of a comparison, in the order of FIGURES."""
    paired, chance = comparison.paired, cards()[comparison.task].chance.get(comparison.metric)
    share = comparison.is_share
    ends = interval(paired.ci_low, paired.ci_high, share)
    return (
        level(paired.value_a, share),
        level(paired.value_b, share),
        change(paired.difference, share, phrases),
        phrases("alike") if paired.is_alike else ends,
        p_text(paired.p_value),
        p_text(comparison.p_holm),
        p_text(paired.p_mcnemar),
        f"{paired.n:,} / {paired.groups:,}",
        change(paired.detectable, share, phrases, sign=""),
        level(chance, share),
    )


def references(result: Result, phrases: Phrases) -> Table:
    """A table of the baselines for the tuned model's primary metric on each task. Baselines are
    chance, classifiers trained on the run's own rows, human answers, and published figures. A note
    gives the reason if a task has no baseline computed here."""
    has_several = len(result.runs) > 1
    rows, notes = [], [phrases("references_note")]
    for place, run in enumerate(result.runs, 1):
        for task, entry in run.scores.items():
            named = (f"{place}", task) if has_several else (task,)
            rows += [
                (*named, cards()[task].primary, *cells)
                for cells in _baseline_cells(result, run, task, phrases)
            ]
            notes += _examples(entry.few_shot, result.names[run.folder], task, phrases)
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


def _examples(few_shot: FewShot | None, run: str, task: str, phrases: Phrases) -> list[str]:
    """A note on the examples in the base model's prompt, or on the reason why there are none."""
    if few_shot is None:
        return []
    if few_shot.absent:
        why = phrases.word("no_example", few_shot.absent)
        return [phrases("no_examples", run=run, task=task, why=why)]
    return [phrases("examples", run=run, task=task, guids=", ".join(few_shot.guids))]


def _baseline_cells(result: Result, run: Finished, task: str, phrases: Phrases) -> Iterator[Row]:
    """The cells of each baseline of a task's primary metric:

    - the baseline's name and value
    - the tuned model's value minus the baseline's, with the confidence interval and the adjusted
      p-value
    - the number of items and clusters
    - the source of the baseline

    Chance and published figures are not compared, so they have no difference."""
    primary, blank = cards()[task].primary, (NOTHING,) * 4
    share = cards()[task].is_share
    if primary in (chance := run.scores[task].chance):
        yield phrases("chance"), level(chance[primary], share), *blank, NOTHING
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
            yield phrases.word("lines", figure.name), level(figure.value, share), *blank, source


def signals(result: Result, phrases: Phrases) -> Iterator[Table]:
    """A table of the signals of natural Korean in the answers. It also has the values of the same
    signals in native and in translated text. Yields nothing if no task has a value."""
    kinds, rows = reference_values(), []
    for place, run in enumerate(result.runs, 1):
        for task, entry in run.scores.items():
            named = (f"{place}", task) if len(result.runs) > 1 else (task,)
            for name in entry.base:
                if name in kinds["native"] and name in SIGNALS:
                    values = [entry.base[name].value, entry.tuned.get(name, UNDEFINED).value]
                    beside = [kind.get(name) for kind in kinds.values()]
                    share = is_share(task, name)
                    shown = (level(value, share) for value in (*values, *beside))
                    rows += [(*named, name, *shown)] if values != [None, None] else []
    head = (*(("run", "task") if len(result.runs) > 1 else ("task",)), "metric")
    if rows:
        full_head = (
            *map(phrases, head),
            *(phrases.word("variants", name) for name in ("base", "tuned")),
            *map(phrases, kinds),
        )
        yield Table(phrases("signals_title"), full_head, rows, len(head), [phrases("signals_note")])


def breakdowns(result: Result, phrases: Phrases) -> Iterator[Table]:
    """A table for each task and metric, with comparisons over parts of the items. The parts are
    formed by text source, by question length, and by agreement of annotators."""
    numbers = {run.folder: place for place, run in enumerate(result.runs, 1)}
    words = (
        ("compared", "kind_of_item", "items_with")
        if len(numbers) > 1
        else ("kind_of_item", "items_with")
    )
    head = _headings((*words, "n", "from", "to", "difference", "interval"), result, phrases)
    tables: dict[tuple[str, str], list[Row]] = {}
    for breakdown in result.breakdowns:
        named = (
            sides(breakdown.comparison, numbers, phrases),
            phrases.word("item_kinds", breakdown.kind),
            breakdown.value,
        )
        tables.setdefault((breakdown.comparison.task, breakdown.metric), []).append(
            (*named[-len(words) :], *_part(breakdown.part, phrases))
        )
    for (task, metric), rows in tables.items():
        yield Table(
            phrases("breakdown", task=task, metric=metric),
            head,
            rows,
            len(words),
            [phrases("breakdown_note")],
        )


def _part(part: Slice, phrases: Phrases) -> Row:
    """The number cells of a part: items and clusters, both shares of right answers, their
    difference, and its interval."""
    values = (level(part.value_a, True), level(part.value_b, True))
    difference = change(part.difference, True, phrases)
    ends = interval(part.ci_low, part.ci_high, True)
    return f"{part.n:,} / {part.groups:,}", *values, difference, ends


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
        gained = (gain.paired.value_a, gain.paired.value_b)
        rows.append(
            (
                *_named(gain, numbers, phrases),
                *(level(base, gain.is_share) for base in gain.bases),
                *(change(points, gain.is_share, phrases) for points in gained),
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
        titles = _headings(head, result, phrases)
        yield Table(phrases("parts_title"), titles, rows, 4, [phrases("parts_note")])


def not_the_same(result: Result, phrases: Phrases) -> Iterator[Table]:
    """A table for each run after the first, with the differences between this run and the first run
    (Result.differences). A table that lists differences is marked as an alert. Without differences,
    its title says that the runs are alike."""
    a = result.names[result.runs[0].folder]
    seeds_of_first = [run.folder for run in result.groups[0]]
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
    """A value as text, shortened to at most SHOWN characters."""
    if value is None:
        return phrases("none")
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}..."
