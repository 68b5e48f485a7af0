"""Collects everything that is compared between the given runs. verdict.py decides which claims are
supported, and kotune.report writes the sentences."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

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
            {run.folder: _differences(grouped, run) for run in runs[1:]},
            price,
            against(runs),
            list(breakdowns(compared)),
            [gain for gain in family if isinstance(gain, GainComparison)],
            label_parts(compared),
            list(healths(runs)),
        )

    @cached_property
    def models(self) -> dict[Path, str]:
        """The displayed name of each run's model, by the run's folder. Seeds of one recipe have the
        same name."""
        return {folder: name.with_details() for folder, name in _names(self.runs).items()}

    @cached_property
    def names(self) -> dict[Path, str]:
        """The displayed name of each run, by its folder: the name of its model, and its seed if
        other seeds of the same recipe are among the runs."""
        return {run.folder: self.name_of((run,)) for run in self.runs}

    def name_of(self, runs: Sequence[Finished]) -> str:
        """The displayed name of some runs of one recipe, with their seeds if the recipe has several
        among the runs of this result."""
        group = next(group for group in groups(self.runs) if runs[0] in group)
        seeds = ", ".join(f"{run.record.seed}" for run in runs)
        details = [f"seed={seeds}"] if len(group) > 1 else []
        return _names(self.runs)[runs[0].folder].with_details(*details)

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


class _Name(NamedTuple):
    """The displayed name of a model. `folder`: the name of a run's folder, if models with the same
    name are told apart by it. Otherwise empty."""

    model: str
    folder: str

    def with_details(self, *details: str) -> str:
        shown = ", ".join(filter(None, (self.folder, *details)))
        return f"{self.model} ({shown})" if shown else self.model


def _names(runs: Sequence[Finished]) -> dict[Path, _Name]:
    """The name of each run's model, by the run's folder. It is the last part of the model's id or
    path. If several models have this name, the adapter is added if that tells any of them apart,
    and the folder of the first run if they are still not told apart."""
    grouped = groups(runs)
    firsts = [group[0] for group in grouped]
    short = [Path(run.recipe.model).name for run in firsts]
    full = [Path(title_of(run)).name for run in firsts]
    adapters = {name: {f for s, f in zip(short, full, strict=True) if s == name} for name in short}
    names = [
        other if len(adapters[name]) > 1 else name for name, other in zip(short, full, strict=True)
    ]
    return {
        run.folder: _Name(name, first.name if names.count(name) > 1 else "")
        for name, first, group in zip(names, firsts, grouped, strict=True)
        for run in group
    }


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
