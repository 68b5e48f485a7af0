"""The cells of a study as points: an arm at a size, its runs with several seeds, and what they
scored on the items that all share.

Choices (a learning rate, epochs) are made here, on validation loss alone: an arm at a size is the
runs of the choice with the lowest mean over the seeds that all its choices have, none where no
choice has such a loss. Test scores of the others are not looked at."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import mean
from typing import TYPE_CHECKING, Any

from kodata.metrics.metrics import MEAN, METRICS
from kodata.metrics.resampling import is_known, vectors
from kotune.compare import paired
from kotune.compare.comparison import Side
from kotune.errors import KotuneError
from kotune.runs.finished import Finished
from kotune.study import curves
from kotune.study.curves import Measured
from kotune.study.file import ARMS, Cell, Value
from kotune_tasks.card import cards

if TYPE_CHECKING:
    from kotune.study.curves import Array

Choice = tuple[tuple[str, Value], ...]
# Of an item: its ingredient of the metric, and its cluster.
Ingredients = dict[tuple[str, str, str], tuple[Any, Any]]


@dataclass(frozen=True)
class Tried:
    """A choice of an arm at a size, with the last validation loss of each seed; NaN where none was
    logged."""

    arm: str
    rows: int
    choice: Choice
    runs: tuple[Finished, ...]
    losses: dict[int, float]
    is_chosen: bool = False


@dataclass(frozen=True)
class Point:
    """An arm at a size, `rows` of training data: a run a seed."""

    arm: str
    rows: int
    runs: tuple[Finished, ...]

    @cached_property
    def side(self) -> Side:
        return Side(self.runs[0], "tuned", self.runs[1:])

    @property
    def seconds(self) -> float:
        """Of the training stage, the mean over the seeds."""
        return float(mean(run.record["stages"]["train"]["seconds"] for run in self.runs))


def tried(scored: Sequence[tuple[Cell, Finished]]) -> list[Tried]:
    """Every choice at every arm and size, arms in the order of the cells, sizes rising."""
    whole: dict[
        str, int
        # rows of all of an arm's data: the most of any run, for seeds cut validation differently
    ] = {}
    for cell, run in scored:
        if cell.samples is None:
            kept = run.manifest["entries"][cell.entry]["kept"]["train"]
            whole[cell.arm] = max(kept, whole.get(cell.arm, 0))
    groups: dict[tuple[str, int], dict[Choice, dict[int, Finished]]] = {}
    for cell, run in scored:
        seeds = groups.setdefault((cell.arm, cell.samples or whole[cell.arm]), {}).setdefault(
            cell.choice, {}
        )
        seeds.setdefault(cell.seed, run)  # a sample of all rows and all of them are the same
    found = [one for (arm, rows), choices in groups.items() for one in _tried(arm, rows, choices)]
    arms = list(dict.fromkeys(cell.arm for cell, _ in scored))
    return sorted(found, key=lambda one: (arms.index(one.arm), one.rows))


def _tried(arm: str, rows: int, choices: dict[Choice, dict[int, Finished]]) -> Iterator[Tried]:
    losses = {
        choice: {seed: _loss(run) for seed, run in sorted(runs.items())}
        for choice, runs in choices.items()
    }
    common = set.intersection(*(set(told) for told in losses.values()))
    worth = {
        choice: mean(told[seed] for seed in common) for choice, told in losses.items() if common
    }
    known = [choice for choice, loss in worth.items() if math.isfinite(loss)]
    best = min(known, key=lambda choice: worth[choice]) if known else None
    for choice, runs in choices.items():
        is_chosen = len(choices) == 1 or choice == best
        yield Tried(
            arm,
            rows,
            choice,
            tuple(run for _, run in sorted(runs.items())),
            losses[choice],
            is_chosen,
        )


def _loss(run: Finished) -> float:
    return float(
        next((event["eval_loss"] for event in reversed(run.logs) if "eval_loss" in event), math.nan)
    )


def points(found: Sequence[Tried]) -> list[Point]:
    """What is reported: the runs of each choice that was made."""
    return [Point(one.arm, one.rows, one.runs) for one in found if one.is_chosen]


@dataclass(frozen=True)
class Scores:
    """A task's judged metric at every point, over the items that all runs were asked. In `measured`
    stand the points, then each arm's base model, then reference lines: those of the first arm's run
    on the most rows, which knows most."""

    task: str
    points: Sequence[Point]
    lines: tuple[str, ...]
    values: "Array"
    measured: Measured
    n: int
    groups: int

    @property
    def metric(self) -> str:
        return cards()[self.task].primary

    @property
    def better(self) -> int:
        """1, or -1 where lower is better."""
        return -1 if self.metric in cards()[self.task].lower_is_better else 1

    @cached_property
    def arms(self) -> dict[str, list[int]]:
        """The places of each arm's points."""
        return {
            arm: [at for at, one in enumerate(self.points) if one.arm == arm]
            for arm in _arms(self.points)
        }

    @cached_property
    def kinds(self) -> dict[str, tuple[Any, ...]]:
        """What each arm's recipe says of what studies compare (file.ARMS)."""
        return {
            arm: tuple(self.points[at[0]].runs[0].recipe.get(key) for key in ARMS)
            for arm, at in self.arms.items()
        }

    def base(self, arm: str) -> int:
        """The place of an arm's base model."""
        return len(self.points) + [*self.arms].index(arm)

    def line(self, name: str) -> int:
        """The place of a reference line."""
        return len(self.points) + len(self.arms) + self.lines.index(name)

    def sizes(self, arm: str) -> list[int]:
        return [self.points[at].rows for at in self.arms[arm]]

    def sum(self, weights: dict[int, float]) -> "Array":
        """A row of weights for Measured.through: of the points at these places."""
        import numpy as np

        row = np.zeros(len(self.measured.means))
        for at, weight in weights.items():
            row[at] += weight
        return row


def _arms(found: Sequence[Point]) -> list[str]:
    return list(dict.fromkeys(one.arm for one in found))


def scores(task: str, found: Sequence[Point]) -> Scores:
    """KotuneError where the runs share no item of the task."""
    import numpy as np

    sides, lines = _sides(task, found)
    places, columns = (
        list(dict.fromkeys(keys)) for keys in zip(*(side[:2] for side in sides), strict=True)
    )
    asked = [_ingredients(run, task, kind) for _, _, run, kind in sides]
    common = [key for key in asked[0] if all(key in other for other in asked)]
    if not common:
        raise KotuneError(
            f"{task}: the runs of this study share no item; run the cells that differ again"
        )
    metric, clusters = (
        METRICS.get(cards()[task].primary, MEAN),
        [asked[0][key][1] for key in common],
    )
    tables = [vectors(metric, [side[key][0] for key in common], clusters) for side in asked]
    whole = np.full((len(places), len(columns)), np.nan)
    drawn = np.full((len(paired.resampled(metric, tables[0])), *whole.shape), np.nan)
    for (at, seed, _, _), table in zip(sides, tables, strict=True):
        whole[at, columns.index(seed)] = metric.finish(table.sum(axis=0))
        drawn[:, at, columns.index(seed)] = _known(paired.resampled(metric, table))
    groups = len(tables[0])
    return Scores(
        task,
        found,
        lines,
        whole,
        curves.measured(whole, drawn, _slices(found), groups),
        len(common),
        groups,
    )


def _sides(
    task: str, found: Sequence[Point]
) -> tuple[list[tuple[int, int, Finished, str]], tuple[str, ...]]:
    """What answered, as Scores.measured has it: its place, its seed, the run whose samples it
    stands in and their kind. And the names of the lines."""
    sides = [
        (at, int(run.record["seed"]), run, "tuned")
        for at, one in enumerate(found)
        for run in one.runs
    ]
    firsts = [next(one for one in found if one.arm == arm).runs[0] for arm in _arms(found)]
    largest = max((one for one in found if one.arm == found[0].arm), key=lambda one: one.rows).runs[
        0
    ]
    lines = tuple(largest.scores[task].get("references", {}).get("lines", ()))
    others = [*((run, "base") for run in firsts), *((largest, line) for line in lines)]
    return sides + [(at, sides[0][1], *other) for at, other in enumerate(others, len(found))], lines


def _slices(found: Sequence[Point]) -> list[slice]:
    """The places of each arm's points, which follow each other."""
    counts = [sum(one.arm == arm for one in found) for arm in _arms(found)]
    return [slice(sum(counts[:at]), sum(counts[: at + 1])) for at in range(len(counts))]


def _known(found: "Array") -> "Array":
    """Resamples of a metric, all unknown where too many are, and where few are the mean of the
    others in their place."""
    import numpy as np

    return (
        np.where(np.isnan(found), np.nanmean(found), found)
        if is_known(found)
        else np.full_like(found, np.nan)
    )


def _ingredients(run: Finished, task: str, kind: str) -> Ingredients:
    name = cards()[task].primary
    return {
        (key, sample["question_hash"], sample["target_hash"]): (
            sample["metrics"][name],
            sample["cluster"],
        )
        for key, sample in run.samples(task, kind).items()
        if sample["metrics"].get(name) is not None
    }
