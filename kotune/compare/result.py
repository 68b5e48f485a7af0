"""Collects everything that is compared between the given runs. verdict.py decides which claims are
supported, and kotune.report writes the sentences."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kotune.compare.breakdowns import Breakdown, breakdowns
from kotune.compare.comparison import Comparison, adjusted, against, comparisons
from kotune.compare.differences import Difference, differences
from kotune.compare.efficiency import Efficiency, Price, efficiency
from kotune.compare.gains import GainComparison, gains
from kotune.compare.health import TaskHealth, healths
from kotune.compare.labels import LabelPart, label_parts
from kotune.compare.seeds import SEEDED, groups
from kotune.display.json_rows import JsonRow
from kotune.display.words import ADAPTERS
from kotune.runs.finished import Finished


@dataclass(frozen=True)
class Result:
    """Runs and their comparisons.

    - `comparisons`: the comparisons of models, as in comparisons()
    - `names`: the displayed name of each run, by the run's folder
    - `differences`: the properties in which each later run differs from the first run, by the later
      run's folder
    - `price`: the price for the costs; None if the user gave none
    - `baselines`: the comparisons of tuned models with their baselines, as in against()
    - `breakdowns`: the comparisons by kind of item, as in breakdowns()
    - `gains`: the comparisons of how much two models gained by tuning. Their p-values are adjusted
      together with those of `comparisons`
    - `label_parts`: the significant comparisons, by label (kotune.compare.labels)
    - `healths`: the health of generated answers (kotune.compare.health)
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
    healths: Sequence[TaskHealth] = ()

    @classmethod
    def of(
        cls, runs: Sequence[Finished], price: Price | None = None, known: Sequence[Finished] = ()
    ) -> "Result":
        """Compare the runs. `known`: runs that are not compared, but show the variation of seeds,
        as in comparisons(). Raises KotuneError if two runs have no item in common."""
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
            list(healths(runs)),
        )

    def efficiency(self) -> list[Efficiency]:
        """The cost of each run."""
        return [efficiency(run, self.comparisons, self.price) for run in self.runs]

    def as_json(self) -> JsonRow:
        """The object that `compare --json` prints. The comparisons with baselines have the key
        `references`."""
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
            "health": [each.row() for each in self.healths],
            "efficiency": [facts.row() for facts in self.efficiency()],
            "differences": differences,
        }


def titles(runs: Sequence[Finished]) -> dict[Path, str]:
    """The displayed name of each run, by its folder.

    The name has the model and the adapter. If the given runs include other seeds of the same
    recipe, the seed is added. If runs of another recipe have the same model and adapter, the name
    of the run's folder is added instead of the seed."""
    grouped = groups(runs)
    all_titles = [title_of(group[0]) for group in grouped]
    names = {}
    for title, group in zip(all_titles, grouped, strict=True):
        for run in group:
            seed = f"{title} (seed={run.record.seed})" if len(group) > 1 else title
            names[run.folder] = f"{title} ({run.name})" if all_titles.count(title) > 1 else seed
    return {run.folder: names[run.folder] for run in runs}


def title_of(run: Finished) -> str:
    """The model and the adapter of a run, for example `quickstart-llama, LoRA`. Without an adapter,
    the model."""
    adapter = run.recipe.adapter
    if not run.is_tuned:
        return run.recipe.model
    return f"{run.recipe.model}, {ADAPTERS.get(adapter, adapter)}"


def _differences(grouped: Sequence[tuple[Finished, ...]], run: Finished) -> list[Difference]:
    """The properties in which this run differs from the first run of all.

    `grouped`: all runs, as in seeds.groups(). Differences that the seeds explain are left out. If
    the run belongs to the first group, they are all SEEDED properties. If its group has the same
    seeds as the first group, they are the seed itself but not the training data."""
    first, own = grouped[0], next(group for group in grouped if run in group)
    seeds = [{member.record.seed for member in group} for group in (first, own)]
    expected = (
        SEEDED if own is first else SEEDED[:2] if len(own) > 1 and seeds[0] == seeds[1] else ()
    )
    return [row for row in differences(first[0], run) if row.what not in expected]
