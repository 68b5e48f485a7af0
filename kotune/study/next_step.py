"""Lists further data sets to train on. These are the data sets of kodata that have training data
and that the study does not use. Each has its size, licence, leaks and predicted cost. The list is
not a recommendation."""

from collections import Counter, deque
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

import kodata
from kodata.card import Card
from kodata.control_text import records_of
from kodata.errors import DataError, UserError
from kodata.prepare.leak_guard import LeakGuard
from kotune.compare.efficiency import Price
from kotune.plan import counting, plan
from kotune.plan.plan import Plan
from kotune.recipe.schema import Data, Recipe
from kotune.runs.folder import Run
from kotune.runs.job import Job
from kotune.study.file import Cell, Study
from kotune.study.sizes import is_here


@dataclass(frozen=True)
class Step:
    """A further data set.

    - `leaks`: for each scored task, the number of the data set's training rows that occur in the
      task's test text; None as in _leaks()
    - `plan`: the plan for the study's first recipe with this whole data set added
    - `alone`: the plan for that recipe without this data set

    `plan` is None if a recipe must give the data set's `path`. Both plans are None if the model is
    missing."""

    card: Card
    leaks: dict[str, int] | None
    plan: Plan | None
    alone: Plan | None

    @property
    def tokens(self) -> float | None:
        """The number of tokens that the data set adds to an epoch; None if a plan is None."""
        return (
            self.plan.counted.tokens - self.alone.counted.tokens
            if self.plan and self.alone
            else None
        )

    @property
    def training_steps(self) -> int | None:
        """The number of training steps that the data set adds; None if a plan is None. It is 0 if
        the recipe sets the number of steps."""
        return (
            self.plan.schedule.steps - self.alone.schedule.steps
            if self.plan and self.alone
            else None
        )

    @property
    def seconds(self) -> float | None:
        """The number of seconds that the data set adds on the chosen GPU; None if a plan is None or
        no GPU is chosen."""
        if not (self.plan and self.alone) or len(self.plan.gpu_plans) != 1:
            return None
        return self.plan.gpu_plans[0].total - self.alone.gpu_plans[0].total


def steps(study: Study, gpu: str | None, price: Price | None) -> list[Step]:
    """All data sets that have training data and are not used by a recipe of the study. `gpu`: the
    name of the GPU to predict for; None for none."""
    used = {entry.source for cell in study.cells for entry in cell.resolved.data}
    names = [
        name
        for name, source in kodata.SOURCES.items()
        if "train" in source.SPLITS and name not in used
    ]
    # Of the first recipe's cells, one with the largest size.
    cell = max(
        study.cells,
        key=lambda cell: (cell.recipe == study.cells[0].recipe, cell.samples or float("inf")),
    )
    alone = _plan(cell, None, gpu, price)
    return [
        Step(
            kodata.SOURCES[name].CARD,
            _leaks(cell.resolved, name),
            _plan(cell, name, gpu, price),
            alone,
        )
        for name in names
    ]


def _plan(cell: Cell, name: str | None, gpu: str | None, price: Price | None) -> Plan | None:
    """The plan for a cell's recipe, with the data set `name` added unless it is None. The tokens
    are estimated. None if a recipe must give the data set's `path`, or if the model is missing."""
    try:
        more = (Data(source=name),) if name else ()
        data = cell.resolved.model_copy(update={"data": (*cell.resolved.data, *more)})
        counted = counting.estimate(data, "one set is not counted")
        return plan.make(cell.recipe, cell.overrides, (gpu,) if gpu else (), price, counted)
    except (ValidationError, UserError):
        return None


def _leaks(recipe: Recipe, name: str) -> dict[str, int] | None:
    """For each scored task, the number of training rows of the data set `name` that occur in the
    task's test text. Tasks whose data are not on this machine are omitted.

    None if the data set is not on this machine or cannot be read, or if no task remains."""
    places = {entry.source: entry.location for entry in recipe.data if entry.location} | dict(
        recipe.data_path
    )
    if not is_here(name, places):
        return None
    try:
        scored = Job(recipe, Run(Path()), "cpu", None).scored().tasks
        tasks = {task: place for task, place in scored.items() if is_here(place.source, places)}
        if not tasks:
            return None
        guard, source = LeakGuard(tasks, "keep"), kodata.SOURCES[name]
        rows = (("train", row) for row in records_of(source.read("train", places.get(name))))
        deque(guard.without_leaks(rows, source, Counter()), maxlen=0)
    except DataError:  # for example, a folder that has only the test split
        return None
    leaks = guard.verdict(())["found"]
    return {task: sum(leak["rows"] for leak in leaks if leak["task"] == task) for task in tasks}
