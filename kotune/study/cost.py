"""Predicts the cost of a study. The list of its cells shows which are done. For each missing cell,
it has the time and cost that `plan` predicts."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from kodata.errors import Translatable
from kotune.compare.efficiency import Price, cost
from kotune.display import table
from kotune.display.phrases.translation import ENGLISH
from kotune.display.table import Row, Table
from kotune.errors import RecipeError
from kotune.plan import counting, plan
from kotune.plan.counting import Counted
from kotune.plan.plan import GpuPlan, Plan
from kotune.plan.screen import PREDICTED
from kotune.study.file import Cell, Study
from kotune.study.running import is_done

BLIND = Translatable(
    "Time and cost are predicted for a GPU, not for a CPU: give --gpu NAME and --price WON."
)
ONCE = Translatable(
    "A base model's answers are counted in the first missing cell that needs them; the other cells"
    " reuse them (docs/study.md)."
)
EACH = Translatable(
    "The base model's answers are counted in each cell: no cell reuses those of another."
)


@dataclass(frozen=True)
class Listed:
    """A cell with the folder of its run.

    - `is_done`: whether the cell has been scored; if not, it is missing
    - `plan`: the plan for the chosen GPU; None for a cell that is done, or if no GPU is chosen
    - `asks_base`: whether the cell scores the base model itself; if not, it copies the base
      model's answers from another cell
    """

    cell: Cell
    folder: Path
    is_done: bool
    plan: Plan | None = None
    asks_base: bool = True

    @property
    def on(self) -> GpuPlan | None:
        """The prediction for the chosen GPU; None without a plan."""
        return self.plan.gpu_plans[0] if self.plan else None

    @property
    def seconds(self) -> float:
        """The predicted seconds of the run; 0 if there is no prediction."""
        return self.on.total - (0 if self.asks_base else self.on.base) if self.on else 0.0


def predict(study: Study, runs_dir: Path, gpu: str | None, at_once: bool = False) -> list[Listed]:
    """All cells of a study, in order. If `gpu` is given, each missing cell has a plan for that GPU.
    Raises RecipeError for an unknown GPU.

    `at_once`: whether all missing cells start at the same time. Then no cell can copy the base
    model's answers from another one."""
    cells = [
        Listed(cell, study.folder(cell, runs_dir), is_done(study, cell, runs_dir))
        for cell in study.cells
    ]
    if gpu is None:
        return cells
    plans, scored = _Plans(study, gpu), set[str]()
    for index, listed in enumerate(cells):
        if not listed.is_done:
            made = plans.of(listed.cell)
            asks_base = at_once or _base(made) not in scored
            cells[index] = replace(listed, plan=made, asks_base=asks_base)
            scored.add(_base(made))
    return cells


def _base(plan: Plan) -> str:
    """A key for the base model's answers: cells with the same key can share the answers
    (kotune.score.base_answers). It consists of the settings that affect these answers and can
    differ between cells."""
    block = plan.recipe.axolotl
    return json.dumps(
        [
            plan.recipe.model,
            plan.recipe.template,
            plan.method.bits,
            block.get("bf16"),
            block.get("fp16"),
        ]
    )


class _Plans:
    """The plans of cells. Cells that differ only in their seeds share a plan, because a seed does
    not change the plan.

    Counting the tokens of the data takes seconds. So they are counted only once for each model,
    template and weight, for the largest size of the study. A smaller size has the first of these
    rows."""

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
        """The counted tokens of a cell's data."""
        # A count of several entries does not show which entry a row belongs to.
        if len(cell.resolved.data) > 1:
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


def check(study: Study, cells: Sequence[Listed], budget: float, price: Price | None) -> None:
    """Raise RecipeError if the predicted cost of the missing cells is above `budget` won, if a cell
    does not fit on the GPU, or if the cost cannot be predicted."""
    missing = [cell for cell in cells if not cell.is_done]
    if not missing:
        return
    if price is None or not all(cell.on for cell in missing):
        raise RecipeError(
            f"--budget {budget:g}: needs --gpu NAME and --price WON to predict the cost"
        )
    if too_large := [listed.cell.name for listed in missing if listed.on and not listed.on.micro]:
        raise RecipeError(
            f"{study.file}: {len(too_large)} cells do not fit on this GPU ({too_large[0]}, ...);"
            " take a larger one"
        )
    won = _won(missing, price)
    if not won <= budget:
        raise RecipeError(
            f"{study.file}: its {len(missing)} missing cells are predicted to cost {won:,.0f} won,"
            f" more than --budget {budget:,.0f}; vary less, or allow more"
        )


def show(
    study: Study,
    cells: Sequence[Listed],
    price: Price | None,
    console: Console | None = None,
    language: str = ENGLISH,
) -> None:
    """Print the cells with their predicted minutes and won. Without a GPU, print the cells
    alone."""
    missing = [cell for cell in cells if not cell.is_done]
    told = Translatable("{n} cells, {missing} of them missing", n=len(cells), missing=len(missing))
    total: Row = (told, "", "")
    rows = [
        *(_words(cell) + _figures([cell], price) for cell in cells),
        total + _figures(missing, price),
    ]
    head: Row = (
        Translatable("cell"),
        "",
        Translatable("folder"),
        Translatable("minutes"),
        Translatable("won"),
    )
    is_each = all(cell.asks_base for cell in missing)
    notes = [PREDICTED, EACH if is_each else ONCE, *_caveats(missing)]
    if not any(cell.on for cell in missing):
        rows, head, notes = [row[:3] for row in rows], head[:3], [BLIND] if missing else []
    made = Table(study.name, head, rows, 3, notes)
    table.show(table.translated(made, language), table.unbroken(console))


def _caveats(cells: Sequence[Listed]) -> list[str]:
    """Notes about estimated or missing numbers in the cells' plans. Each note occurs once."""
    plans = [cell.plan for cell in cells if cell.plan]
    notes = [
        Translatable("Tokens are ESTIMATED: {why}.", why=made.counted.why)
        for made in plans
        if not made.counted.exact
    ]
    notes += [
        Translatable("Not in the time: {task}, whose items cannot be counted yet.", task=work.task)
        for made in plans
        for work in made.works
        if work.items is None
    ]
    return list(dict.fromkeys(notes))


def _words(listed: Listed) -> Row:
    """The name, the state and the folder of a cell, as table cells."""
    is_too_large = listed.on is not None and not listed.on.micro
    state = Translatable(
        "done" if listed.is_done else "does not fit" if is_too_large else "missing"
    )
    return listed.cell.name, state, str(listed.folder)


def _figures(cells: Sequence[Listed], price: Price | None) -> Row:
    """The predicted minutes and won of all these cells together, as two table cells; both are empty
    if there is no prediction."""
    if not any(cell.on for cell in cells):
        return "", ""
    return (
        f"{sum(cell.seconds for cell in cells) / 60:,.1f}",
        f"{_won(cells, price):,.0f}" if price else "",
    )


def _won(cells: Sequence[Listed], price: Price | None) -> float:
    """The predicted won of all these cells together; 0 without a price."""
    spent = cost(sum(cell.seconds for cell in cells), price)
    return spent.won if spent else 0.0
