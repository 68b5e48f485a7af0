"""Groups the cells of a study into points. A point is an arm at a size, with one run for each seed.
A size is a number of training rows. The module also calculates the points' scores on the items that
all runs share.

A choice is a set of values for the settings that a study chooses, for example a learning rate. Of
several choices at an arm and size, the one with the lowest mean validation loss is used. The mean
is over the seeds that all choices have. If none of them has a finite mean loss, there is no point.
The test scores of the other choices are not used."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import mean
from typing import TYPE_CHECKING, NamedTuple

from kodata.metrics.metrics import MEAN, METRICS
from kodata.metrics.resampling import is_known, vectors
from kotune.compare import paired
from kotune.compare.comparison import Side
from kotune.compare.differences import shared_items
from kotune.errors import KotuneError
from kotune.runs.finished import Finished
from kotune.study import curves
from kotune.study.curves import Measured
from kotune.study.file import ARMS, Value
from kotune.study.running import ScoredCell
from kotune_tasks.card import cards

if TYPE_CHECKING:
    from kotune.study.curves import Array

Choice = tuple[tuple[str, Value], ...]


@dataclass(frozen=True)
class Tried:
    """A choice at an arm and a size.

    - `rows`: the size
    - `runs`: one run for each seed, in the order of the seeds
    - `losses`: the last validation loss of each seed; NaN if none was logged
    - `is_chosen`: whether the choice is the best or the only one
    """

    arm: str
    rows: int
    choice: Choice
    runs: tuple[Finished, ...]
    losses: dict[int, float]
    is_chosen: bool = False


@dataclass(frozen=True)
class Point:
    """An arm at a size (`rows`), with one run for each seed."""

    arm: str
    rows: int
    runs: tuple[Finished, ...]

    @cached_property
    def variant(self) -> Side:
        """The tuned models of the point, as one variant of a comparison."""
        return Side(self.runs[0], "tuned", self.runs[1:])

    @property
    def seconds(self) -> float:
        """The mean seconds of the training stage, over the seeds."""
        return float(mean(run.record.train.seconds for run in self.runs))


def tried(scored: Sequence[ScoredCell]) -> list[Tried]:
    """Every choice at every arm and size. Arms are in the order of their first cells. Within an
    arm, sizes are in ascending order."""
    # For each arm, the number of training rows of its whole data set. Runs with different seeds
    # have slightly different numbers, because each seed splits off other validation rows. The
    # largest number is used for all of them.
    whole: dict[str, int] = {}
    for cell, run in scored:
        if cell.samples is None:
            kept = run.manifest.entries[cell.entry].kept.train
            whole[cell.arm] = max(kept, whole.get(cell.arm, 0))
    groups: dict[tuple[str, int], dict[Choice, dict[int, Finished]]] = {}
    for cell, run in scored:
        group = groups.setdefault((cell.arm, cell.samples or whole[cell.arm]), {})
        # A sample with as many rows as the whole data set is the whole data set. If two cells of
        # the same seed are the same for this reason, only the first is used.
        group.setdefault(cell.choice, {}).setdefault(cell.seed, run)
    every = [each for (arm, rows), choices in groups.items() for each in _tried(arm, rows, choices)]
    arms = list(dict.fromkeys(cell.arm for cell, _ in scored))
    return sorted(every, key=lambda each: (arms.index(each.arm), each.rows))


def _tried(arm: str, rows: int, choices: dict[Choice, dict[int, Finished]]) -> Iterator[Tried]:
    """Yields all choices at an arm and size. `choices`: for each choice, its run for each seed."""
    losses = {
        choice: {seed: _loss(run) for seed, run in sorted(runs.items())}
        for choice, runs in choices.items()
    }
    shared = set.intersection(*map(set, losses.values()))
    means = {
        choice: mean(by_seed[seed] for seed in shared)
        for choice, by_seed in losses.items()
        if shared
    }
    known = [choice for choice, loss in means.items() if math.isfinite(loss)]
    best = min(known, key=lambda choice: means[choice]) if known else None
    for choice, runs in choices.items():
        in_order = tuple(run for _, run in sorted(runs.items()))
        is_chosen = len(choices) == 1 or choice == best
        yield Tried(arm, rows, choice, in_order, losses[choice], is_chosen)


def _loss(run: Finished) -> float:
    """The last validation loss of a run; NaN if none was logged."""
    losses = (event.eval_loss for event in reversed(run.logs) if event.eval_loss is not None)
    return next(losses, math.nan)


def points(choices: Sequence[Tried]) -> list[Point]:
    """The points to report: one for each arm and size, with the runs of the chosen choice. Sizes at
    which none was chosen are omitted."""
    return [Point(each.arm, each.rows, each.runs) for each in choices if each.is_chosen]


@dataclass(frozen=True)
class Scores:
    """A task's primary metric at every point, on the items that all runs share.

    - `baselines`: the names of the baselines
    - `measured`: the values of the points, then of each arm's base model, then of the baselines.
      The baselines are those of the first arm's run on the most rows, because they were fitted to
      the most data.
    - `values`: for each index of `measured`, the value of each seed; NaN if there is no run
    - `n`, `groups`: the number of shared items, and of their clusters
    """

    task: str
    points: Sequence[Point]
    baselines: tuple[str, ...]
    values: "Array"
    measured: Measured
    n: int
    groups: int

    @property
    def metric(self) -> str:
        return cards()[self.task].primary

    @property
    def better(self) -> int:
        """1 if higher is better; -1 if lower is better."""
        return -1 if self.metric in cards()[self.task].lower_is_better else 1

    @cached_property
    def arms(self) -> dict[str, list[int]]:
        """The indices of each arm's points, in ascending order of size."""
        return {
            arm: [index for index, point in enumerate(self.points) if point.arm == arm]
            for arm in _arms(self.points)
        }

    @cached_property
    def kinds(self) -> dict[str, tuple[object, ...]]:
        """For each arm, the values of the keys file.ARMS in its recipe."""
        recipes = {
            arm: self.points[indices[0]].runs[0].recipe.as_json()
            for arm, indices in self.arms.items()
        }
        return {arm: tuple(recipe.get(key) for key in ARMS) for arm, recipe in recipes.items()}

    def base(self, arm: str) -> int:
        """The index of an arm's base model in `measured`."""
        return len(self.points) + [*self.arms].index(arm)

    def baseline(self, name: str) -> int:
        """The index of a baseline in `measured`."""
        return len(self.points) + len(self.arms) + self.baselines.index(name)

    def sizes(self, arm: str) -> list[int]:
        """The sizes of an arm, ascending."""
        return [self.points[index].rows for index in self.arms[arm]]

    def has_seeds(self, arm: str) -> bool:
        """Whether an arm has enough seeds for the variance between seeds (curves.are_enough)."""
        return curves.are_enough(self.values[self.arms[arm]])

    def sum(self, weights: dict[int, float]) -> "Array":
        """The weights of a weighted sum as an array, which is a row for Measured.through().
        `weights`: the weight of each point, base model or baseline, by its index in `measured`."""
        import numpy as np

        row = np.zeros(len(self.measured.means))
        for index, weight in weights.items():
            row[index] += weight
        return row


def _arms(points: Sequence[Point]) -> list[str]:
    return list(dict.fromkeys(point.arm for point in points))


def scores(task: str, points: Sequence[Point]) -> Scores:
    """A task's scores at these points. Raises KotuneError if the runs share no item that has the
    task's primary metric."""
    import numpy as np

    columns, baselines = _columns(task, points)
    places = list(dict.fromkeys(column.place for column in columns))
    seeds = list(dict.fromkeys(column.seed for column in columns))
    name = cards()[task].primary
    answers = [column.run.samples(task, column.kind) for column in columns]
    common = [
        key
        for key in shared_items(answers)
        if all(side[key].metrics.get(name) is not None for side in answers)
    ]
    if not common:
        raise KotuneError(
            f"{task}: the runs of this study share no item; run the cells that differ again"
        )
    metric, clusters = METRICS.get(name, MEAN), [answers[0][key].cluster for key in common]
    tables = [
        vectors(metric, [side[key].metrics[name] for key in common], clusters) for side in answers
    ]
    whole = np.full((len(places), len(seeds)), np.nan)
    drawn = np.full((len(paired.resampled(metric, tables[0])), *whole.shape), np.nan)
    for column, table in zip(columns, tables, strict=True):
        seed = seeds.index(column.seed)
        whole[column.place, seed] = metric.finish(table.sum(axis=0))
        drawn[:, column.place, seed] = _known(paired.resampled(metric, table))
    groups = len(tables[0])
    measured = curves.measured(whole, drawn, _slices(points), groups)
    return Scores(task, points, baselines, whole, measured, len(common), groups)


class Column(NamedTuple):
    """The answers of one model to a task's items, which Scores is made from.

    - `place`: the index of the point, base model or baseline in Scores.measured
    - `run`: the run that has the answers
    - `kind`: `tuned`, `base` or the name of a baseline
    """

    place: int
    seed: int
    run: Finished
    kind: str


def _columns(task: str, points: Sequence[Point]) -> tuple[list[Column], tuple[str, ...]]:
    """The columns in the order of Scores.measured, and the names of the baselines. Base models and
    baselines have no seed and are listed under the first seed."""
    columns = [
        Column(place, run.record.seed, run, "tuned")
        for place, point in enumerate(points)
        for run in point.runs
    ]
    first = columns[0].seed
    bases = [next(point for point in points if point.arm == arm).runs[0] for arm in _arms(points)]
    largest = max(
        (point for point in points if point.arm == points[0].arm), key=lambda point: point.rows
    ).runs[0]
    baselines = tuple(largest.scores[task].references.lines)
    others = [Column(0, first, run, "base") for run in bases]
    others += [Column(0, first, largest, name) for name in baselines]
    placed = (column._replace(place=place) for place, column in enumerate(others, len(points)))
    return [*columns, *placed], baselines


def _slices(points: Sequence[Point]) -> list[slice]:
    """For each arm, the slice with the indices of its points, which are contiguous."""
    counts = [sum(point.arm == arm for point in points) for arm in _arms(points)]
    return [slice(sum(counts[:index]), sum(counts[: index + 1])) for index in range(len(counts))]


def _known(values: "Array") -> "Array":
    """The values of a metric in the bootstrap samples, with NaN replaced by the mean of the other
    values. If too many are NaN (is_known), all of them become NaN."""
    import numpy as np

    return (
        np.where(np.isnan(values), np.nanmean(values), values)
        if is_known(values)
        else np.full_like(values, np.nan)
    )
