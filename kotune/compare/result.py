"""Everything that is found between runs, gathered. What may be claimed of it: verdict.py; how that
is worded: kotune.report."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kotune.compare.breakdowns import Breakdown, breakdowns
from kotune.compare.comparison import (
    Comparison,
    Difference,
    JsonRow,
    against,
    comparisons,
    differences,
)
from kotune.compare.efficiency import Efficiency, Price, efficiency
from kotune.compare.seeds import SEEDED, groups
from kotune.display.words import ADAPTERS
from kotune.runs.finished import Finished


@dataclass(frozen=True)
class Result:
    """Runs and all that was found between them. `names`: how a person calls each run, by its
    folder; `differences`: what is not the same between the first run and each other one, by the
    other's folder; `lines`: tuned models against reference lines; `broken_down`: what was found, by
    kinds of items."""

    runs: Sequence[Finished]
    found: Sequence[Comparison]
    names: dict[Path, str]
    differences: dict[Path, list[Difference]]
    price: Price | None = None
    lines: Sequence[Comparison] = ()
    broken_down: Sequence[Breakdown] = ()

    @classmethod
    def of(cls, runs: Sequence[Finished], price: Price | None = None) -> "Result":
        """Compare the runs."""
        grouped = groups(runs)
        unlike = {run.folder: _unlike(grouped, run) for run in runs[1:]}
        found = comparisons(runs)
        return cls(runs, found, titles(runs), unlike, price, against(runs), list(breakdowns(found)))

    def efficiency(self) -> list[Efficiency]:
        return [efficiency(run, self.found, self.price) for run in self.runs]

    def as_json(self) -> JsonRow:
        """What --json prints. `value_a` and `value_b` of a difference are what the two runs
        have."""
        unlike = [
            {
                "a": self.runs[0].name,
                "b": run.name,
                "what": row.what,
                "value_a": row.a,
                "value_b": row.b,
            }
            for run in self.runs[1:]
            for row in self.differences[run.folder]
        ]
        return {
            "comparisons": [one.row() for one in self.found],
            "references": [one.row() for one in self.lines],
            "breakdowns": [one.row() for one in self.broken_down],
            "efficiency": [facts.row() for facts in self.efficiency()],
            "differences": unlike,
        }


def titles(runs: Sequence[Finished]) -> dict[Path, str]:
    """How a person calls each run, by its folder: model and adapter, its seed where others of the
    recipe are there, and the run's name where that is not enough."""
    grouped = groups(runs)
    every = [title_of(group[0]) for group in grouped]
    named = {}
    for title, group in zip(every, grouped, strict=True):
        for run in group:
            seed = f"{title} (seed={run.record.seed})" if len(group) > 1 else title
            named[run.folder] = f"{title} ({run.name})" if every.count(title) > 1 else seed
    return {run.folder: named[run.folder] for run in runs}


def title_of(run: Finished) -> str:
    adapter = run.recipe.adapter
    return f"{run.recipe.model}, {ADAPTERS.get(adapter, adapter)}"


def _unlike(grouped: Sequence[tuple[Finished, ...]], run: Finished) -> list[Difference]:
    """What is not the same between the first run and this one, beside their seeds where both were
    run with the same ones."""
    first, own = grouped[0], next(group for group in grouped if run in group)
    seeds = [{one.record.seed for one in group} for group in (first, own)]
    expected = (
        SEEDED if own is first else SEEDED[:2] if len(own) > 1 and seeds[0] == seeds[1] else ()
    )
    return [row for row in differences(first[0], run) if row.what not in expected]
