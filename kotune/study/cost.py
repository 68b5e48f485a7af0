"""What a study takes before it is paid for: its cells, which are done, and what `plan` predicts for
those that are missing."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from kotune.compare.efficiency import Price, cost
from kotune.display import table
from kotune.display.table import Row, Table
from kotune.errors import RecipeError
from kotune.plan import counting, plan
from kotune.plan.counting import Counted
from kotune.plan.plan import On, Plan
from kotune.plan.screen import PREDICTED
from kotune.study.file import Cell, Study
from kotune.study.running import is_done

BLIND = (
    "Time and cost are predicted for a GPU alone, not for a CPU: give --gpu NAME and --price WON."
)
ONCE = (
    "What a base model answers is counted in the first missing cell that asks it; the others take"
    " it over (docs/study.md)."
)
EACH = "What the base model answers is counted in each cell: none takes it over from another."


@dataclass(frozen=True)
class Listed:
    """A cell with the folder of its run. `plan`: for the GPU that was asked for, where the cell is
    missing; `asks_base`: whether it asks the base model itself."""

    cell: Cell
    folder: Path
    is_done: bool
    plan: Plan | None = None
    asks_base: bool = True

    @property
    def on(self) -> On | None:
        return self.plan.on[0] if self.plan else None

    @property
    def seconds(self) -> float:
        """Predicted, 0 where nothing is."""
        return self.on.total - (0 if self.asks_base else self.on.base) if self.on else 0.0


def predict(study: Study, runs_dir: Path, gpu: str | None, at_once: bool = False) -> list[Listed]:
    """Every cell; RecipeError for an unknown GPU. `at_once`: all missing cells are started at the
    same time."""
    found = [
        Listed(cell, study.folder(cell, runs_dir), is_done(study, cell, runs_dir))
        for cell in study.cells
    ]
    if gpu is None:
        return found
    predicted, asked = _Predicted(study, gpu), set[str]()
    for at, one in enumerate(found):
        if not one.is_done:
            made = predicted.of(one.cell)
            found[at] = replace(one, plan=made, asks_base=at_once or _base(made) not in asked)
            asked.add(_base(made))
    return found


def _base(plan: Plan) -> str:
    """What base_answers tells base models apart by, as far as the cells of a study can differ in
    it."""
    told = plan.recipe.axolotl
    return json.dumps(
        [
            plan.recipe.model,
            plan.recipe.template,
            plan.method.bits,
            told.get("bf16"),
            told.get("fp16"),
        ]
    )


class _Predicted:
    """Plans, each made once: a seed changes none. Data are counted once for a model, in their
    largest size, because that takes seconds; a smaller size is its beginning."""

    def __init__(self, study: Study, gpu: str) -> None:
        self.study, self.gpu = study, gpu
        self.plans: dict[str, Plan] = {}
        self.counts: dict[str, Counted] = {}

    def of(self, cell: Cell) -> Plan:
        key = cell.arm + json.dumps([cell.samples, cell.choice])
        if key not in self.plans:
            made = plan.make(cell.recipe, cell.overrides, (self.gpu,), counted=self._counted(cell))
            self.plans[key] = plan.limited(made, self.study.limit)
        return self.plans[key]

    def _counted(self, cell: Cell) -> Counted:
        if len(cell.resolved.data) > 1:  # which of the rows are whose cannot be told from the count
            return counting.count(cell.resolved)
        (entry,) = cell.resolved.data
        key = json.dumps([cell.resolved.model, cell.resolved.template, entry.weight])
        if key not in self.counts:
            largest = max(self.study.cells, key=lambda other: other.samples or float("inf"))
            whole = entry.model_copy(update={"samples": largest.samples})
            self.counts[key] = counting.count(cell.resolved.model_copy(update={"data": (whole,)}))
        counted = self.counts[key]
        rows = round(entry.samples * entry.weight) if entry.samples else counted.rows
        return replace(counted, rows=min(rows, counted.rows))


def check(study: Study, found: Sequence[Listed], budget: float, price: Price | None) -> None:
    """RecipeError where the missing cells are predicted to cost more than `budget` won, or nobody
    can tell."""
    missing = [one for one in found if not one.is_done]
    if not missing:
        return
    if price is None or not all(one.on for one in missing):
        raise RecipeError(
            f"--budget {budget:g}: needs --gpu NAME and --price WON, for which the cost is"
            " predicted"
        )
    if small := [one.cell.name for one in missing if one.on and not one.on.micro]:
        raise RecipeError(
            f"{study.file}: {len(small)} cells do not fit on this GPU ({small[0]}, ...); take a"
            " larger one"
        )
    won = _won(missing, price)
    if not won <= budget:
        told = (
            f"its {len(missing)} missing cells are predicted to cost {won:,.0f} won, more than"
            f" --budget {budget:,.0f}"
        )
        raise RecipeError(f"{study.file}: {told}; vary less, or allow more")


def show(
    study: Study, found: Sequence[Listed], price: Price | None, console: Console | None = None
) -> None:
    """Print the list."""
    missing = [one for one in found if not one.is_done]
    total: Row = (f"{len(found)} cells, {len(missing)} of them missing", "", "")
    rows = [
        *(_words(one) + _figures([one], price) for one in found),
        total + _figures(missing, price),
    ]
    head: Row = ("cell", "", "folder", "minutes", "won")
    notes = [PREDICTED, EACH if all(one.asks_base for one in missing) else ONCE, *_doubts(missing)]
    if not any(one.on for one in missing):
        rows, head, notes = [row[:3] for row in rows], head[:3], [BLIND] if missing else []
    table.show(Table(study.name, head, rows, 3, notes), table.unbroken(console))


def _doubts(found: Sequence[Listed]) -> list[str]:
    """What is estimated in these plans, or not counted at all, each once."""
    plans = [one.plan for one in found if one.plan]
    told = [f"Tokens are ESTIMATED: {one.counted.why}." for one in plans if not one.counted.exact]
    told += [
        f"Not in the time: {work.task}, whose items cannot be counted yet."
        for one in plans
        for work in one.works
        if work.items is None
    ]
    return list(dict.fromkeys(told))


def _words(one: Listed) -> Row:
    state = "done" if one.is_done else "does not fit" if one.on and not one.on.micro else "missing"
    return one.cell.name, state, str(one.folder)


def _figures(found: Sequence[Listed], price: Price | None) -> Row:
    """Minutes and won of those that are predicted."""
    if not any(one.on for one in found):
        return "", ""
    return (
        f"{sum(one.seconds for one in found) / 60:,.1f}",
        f"{_won(found, price):,.0f}" if price else "",
    )


def _won(found: Sequence[Listed], price: Price | None) -> float:
    spent = cost(sum(one.seconds for one in found), price)
    return spent.won if spent else 0.0
