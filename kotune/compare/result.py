"""Collects all comparisons of some runs. verdict.py decides which claims are supported.
kotune.report writes the sentences."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kotune.compare.breakdowns import Breakdown, breakdowns
from kotune.compare.comparison import Comparison, adjusted, against, comparisons
from kotune.compare.differences import Difference, differences
from kotune.compare.efficiency import Efficiency, Price, efficiency
from kotune.compare.gains import GainComparison, gains
from kotune.compare.labels import LabelPart, label_parts
from kotune.compare.seeds import SEEDED, groups
from kotune.display.json_rows import JsonRow
from kotune.display.words import ADAPTERS
from kotune.runs.finished import Finished


@dataclass(frozen=True)
class Result:
    """Runs and their comparisons.

    - `names`: the displayed name of each run, by the run's folder
    - `differences`: for each run except the first, by its folder, the properties in which it
      differs from the first run
    - `baselines`: comparisons of tuned models with their baselines
    - `breakdowns`: comparisons by kind of item
    - `gains`: comparisons of how much two models gained by tuning. Their p-values are adjusted
      together with those of `comparisons`.
    - `label_parts`: significant comparisons, by label
    """

    runs: Sequence[Finished]
    comparisons: Sequence[Comparison]
    names: dict[Path, str]
    differences: dict[Path, list[Difference]]
    price: Price | None = None
    baselines: Sequence[Comparison] = ()
    breakdowns: Sequence[Breakdown] = ()
    gains: Sequence[GainComparison] = ()
    label_parts: Sequence[LabelPart] = ()

    @classmethod
    def of(
        cls, runs: Sequence[Finished], price: Price | None = None, known: Sequence[Finished] = ()
    ) -> "Result":
        """Compare the runs. `known`: as in comparisons()."""
        grouped, unadjusted = groups(runs), comparisons(runs, known)
        family = adjusted([*unadjusted, *gains(runs, known)])
        compared = family[: len(unadjusted)]
        return cls(
            runs,
            compared,
            titles(runs),
            {run.folder: _differences(grouped, run) for run in runs[1:]},
            price,
            against(runs),
            list(breakdowns(compared)),
            [gain for gain in family if isinstance(gain, GainComparison)],
            label_parts(compared),
        )

    def efficiency(self) -> list[Efficiency]:
        return [efficiency(run, self.comparisons, self.price) for run in self.runs]

    def as_json(self) -> JsonRow:
        """The output of --json. In a difference, `value_a` and `value_b` are the values of the two
        runs."""
        differences = [
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
            "comparisons": [comparison.row() for comparison in self.comparisons],
            "gains": [gain.row() for gain in self.gains],
            "label_parts": [part.row() for part in self.label_parts],
            "references": [comparison.row() for comparison in self.baselines],
            "breakdowns": [breakdown.row() for breakdown in self.breakdowns],
            "efficiency": [facts.row() for facts in self.efficiency()],
            "differences": differences,
        }


def titles(runs: Sequence[Finished]) -> dict[Path, str]:
    """The displayed name of each run, by its folder.

    The name has the model and the adapter. The seed is added if the given runs include other seeds
    of the same recipe. If other runs have the same model and adapter, the run's own name is added
    instead."""
    grouped = groups(runs)
    all_titles = [title_of(group[0]) for group in grouped]
    names = {}
    for title, group in zip(all_titles, grouped, strict=True):
        for run in group:
            seed = f"{title} (seed={run.record.seed})" if len(group) > 1 else title
            names[run.folder] = f"{title} ({run.name})" if all_titles.count(title) > 1 else seed
    return {run.folder: names[run.folder] for run in runs}


def title_of(run: Finished) -> str:
    adapter = run.recipe.adapter
    return f"{run.recipe.model}, {ADAPTERS.get(adapter, adapter)}"


def _differences(grouped: Sequence[tuple[Finished, ...]], run: Finished) -> list[Difference]:
    """The properties in which this run differs from the first run. Properties that differ only
    because of the seeds are left out (SEEDED)."""
    first, own = grouped[0], next(group for group in grouped if run in group)
    seeds = [{one.record.seed for one in group} for group in (first, own)]
    expected = (
        SEEDED if own is first else SEEDED[:2] if len(own) > 1 and seeds[0] == seeds[1] else ()
    )
    return [row for row in differences(first[0], run) if row.what not in expected]
