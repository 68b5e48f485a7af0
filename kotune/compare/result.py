"""Collects everything that is compared between the given runs. verdict.py decides which claims are
supported, and kotune.report writes the sentences."""

from collections import Counter
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
from kotune.compare.seeds import SEEDED, Runs, groups
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
    def groups(self) -> list[Runs]:
        """The runs of each recipe, as in kotune.compare.seeds.groups()."""
        return groups(self.runs)

    @cached_property
    def models(self) -> dict[Path, str]:
        """The displayed name of each run's model, by the run's folder. Seeds of one recipe have the
        same name."""
        return {
            run.folder: self._labels[group[0].folder].text()
            for group in self.groups
            for run in group
        }

    @cached_property
    def names(self) -> dict[Path, str]:
        """The displayed name of each run, by its folder: the name of its model, and its seed if
        other seeds of the same recipe are among the runs."""
        return {run.folder: self.name_of((run,)) for run in self.runs}

    def name_of(self, runs: Sequence[Finished]) -> str:
        """The displayed name of some runs of one recipe, with their seeds if the recipe has several
        among the runs of this result."""
        group = next(group for group in self.groups if runs[0] in group)
        seeds = ", ".join(f"{run.record.seed}" for run in runs)
        return self._labels[runs[0].folder].text(f"seed={seeds}" if len(group) > 1 else "")

    @cached_property
    def _labels(self) -> dict[Path, "_Label"]:
        """The label of each run, by its folder."""
        return _labels(self.groups)

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


class _Label(NamedTuple):
    """The name of a run's model, and what tells it from other models with this name: the adapter,
    and the name of the run's folder. Both are empty if they are not needed."""

    model: str
    adapter: str = ""
    folder: str = ""

    def text(self, seeds: str = "") -> str:
        details = ", ".join(filter(None, (self.adapter, self.folder, seeds)))
        return f"{self.model} ({details})" if details else self.model


def _labels(grouped: Sequence[Runs]) -> dict[Path, _Label]:
    """The label of each run, by its folder. The name of a model is the last part of its id or path,
    or all of it if several ids end with this part. The adapter is added if models with the same
    name have several, and the folder if models are still alike."""
    models = dict.fromkeys(group[0].recipe.model for group in grouped)
    ends = Counter(Path(model).name for model in models)
    names = {model: model if ends[Path(model).name] > 1 else Path(model).name for model in models}
    groups_of: dict[str, list[Runs]] = {}
    for group in grouped:
        groups_of.setdefault(group[0].recipe.model, []).append(group)
    labels = {}
    for model, alike in groups_of.items():
        titles = Counter(title_of(group[0]) for group in alike)
        for group in alike:
            adapter = _adapter(group[0]) if len(titles) > 1 else ""
            is_clear = titles[title_of(group[0])] == 1
            for run in group:
                folder = "" if is_clear else run.name
                labels[run.folder] = _Label(names[model], adapter, folder)
    return labels


def title_of(run: Finished) -> str:
    """The model and the adapter of a run, for example `quickstart-llama, LoRA`. Without an adapter,
    the model."""
    return ", ".join(filter(None, (run.recipe.model, _adapter(run))))


def _adapter(run: Finished) -> str:
    """The adapter of a run as reports show it; empty for a model without an adapter."""
    adapter = run.recipe.adapter
    return ADAPTERS.get(adapter, adapter) if run.is_tuned else ""


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
