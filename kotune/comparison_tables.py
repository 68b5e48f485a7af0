"""Comparisons as tables in a reader's language: one piece for `compare` and for reports."""

import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from kotune.compare import Comparison
from kotune.phrases import Phrases
from kotune.table import Row, Table
from kotune.verdict import Result, p_text
from tasks.card import CRITERIA, cards

FIGURES = ("from", "to", "difference", "interval", "p", "p_holm", "p_mcnemar", "n", "detectable", "chance")
NOTHING = "-"
SHOWN = 40  # characters of a value that is not the same


def criteria(result: Result, say: Phrases) -> list[Table]:
    """A table for each of the four criteria, with a note alone where no task answers it. Runs go by their place in the list
    of runs; where there is one only, it is not named."""
    numbers = {run.folder: place for place, run in enumerate(result.runs, 1)}
    return [_criterion(name, result.found, numbers, say) for name in CRITERIA]


def _criterion(name: str, found: Sequence[Comparison], numbers: dict[Path, int], say: Phrases) -> Table:
    ours = [one for one in found if cards()[one.task].criterion == name]
    several = len(numbers) > 1
    words = ("task", "metric", "compared") if several else ("task", "metric")
    rows = [(*_named(one, numbers, say)[: len(words)], *_figures(one)) for one in ours]
    return Table(
        say.word("criteria", name),
        tuple(map(say, (*words, *FIGURES))),
        rows,
        len(words),
        [] if rows else [say("not_asked")],
    )


def _named(one: Comparison, numbers: dict[Path, int], say: Phrases) -> Row:
    marks = ("*" if one.p_holm is not None else "") + (" ↓" if one.is_lower_better else "")
    return one.task, one.metric + marks, sides(one, numbers, say)


def sides(one: Comparison, numbers: dict[Path, int], say: Phrases) -> str:
    """What is compared with what, as in `1 base → 1 tuned`."""
    named = (f"{numbers[side.run.folder]} {say.word('variants', side.variant)}" for side in (one.a, one.b))
    return " → ".join(named).replace(" ", "\u00a0")  # it stands in narrow cells


def _figures(one: Comparison) -> Row:
    told, chance = one.found, cards()[one.task].chance.get(one.metric)
    interval = f"{number(told.ci_low, '+.3f')} ~ {number(told.ci_high, '+.3f')}"
    return (
        number(told.value_a), number(told.value_b), number(told.difference, "+.3f"),
        NOTHING if math.isnan(told.ci_low) else interval, p_text(told.p_value), p_text(one.p_holm), p_text(told.p_mcnemar),
        f"{told.n:,} / {told.groups:,}", number(told.detectable), number(chance),
    )  # fmt: skip


def number(value: float | None, form: str = ".3f") -> str:
    """A figure as text; a dash where there is none."""
    return NOTHING if value is None or not math.isfinite(value) else f"{value:{form}}"


def not_the_same(result: Result, say: Phrases) -> Iterator[Table]:
    """What differs between the first run and each other one beside the models; a table in red for each that differs."""
    a = result.names[result.runs[0].folder]
    for folder, unlike in result.differences.items():
        b = result.names[folder]
        rows = [(row["what"], _short(row["a"]), _short(row["b"])) for row in unlike]
        yield Table(
            say("not_the_same" if rows else "all_the_same", a=a, b=b), (say("what"), a, b), rows, 3, alert=bool(rows)
        )


def _short(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}..."
