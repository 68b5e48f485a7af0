"""Studies whose cells are written runs: what a model scores follows a law of its size."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

from kotune.runs.finished import Finished
from kotune.runs.folder import read_json, write_json, write_text
from kotune.study.file import Cell, Study
from kotune.study.running import ScoredCell
from tests.finished import Made, finished

MODELS = {"llama": "quickstart-llama", "deepseek": "quickstart-deepseek"}


class Grid(NamedTuple):
    """Which cells there are. A rate follows from the size: llama learns more from much, deepseek
    from little."""

    sizes: tuple[int | None, ...] = (250, 1000, 4000)
    seeds: tuple[int, ...] = (1, 2)
    arms: tuple[str, ...] = ("llama", "deepseek")
    rates: tuple[
        float, ...
    ] = ()  # learning rates to choose from; the lower, the lower the validation loss
    premises: int = 60


def rate(arm: str, rows: int) -> float:
    """How often a tuned model is right."""
    limit, height, exponent = {"llama": (0.95, 6.0, 0.5)}.get(arm, (0.72, 1.0, 0.4))
    return limit - height * rows**-exponent


def made(folder: Path, grid: Grid) -> tuple[Study, list[ScoredCell]]:
    """The study with all of its cells scored."""
    scored: list[ScoredCell] = []
    recipe = Path("recipes/quickstart_llama.yml")
    for arm in grid.arms:
        for samples in grid.sizes:
            for seed in grid.seeds:
                for learning in grid.rates or (None,):
                    choice = () if learning is None else (("axolotl.learning_rate", learning),)
                    name = f"{arm} data.0.samples={samples} seed={seed} {learning or ''}".strip()
                    resolved: Any = RESOLVED
                    cell = Cell(recipe, (), name, arm, 0, samples, seed, choice, resolved)
                    run = written(folder / name.replace(" ", "_"), cell, grid.premises)
                    scored.append(ScoredCell(cell, Finished(run)))
    cells = tuple(cell for cell, _ in scored)
    return Study(Path("recipes/studies/made.yml"), cells, None, "nli_sample_ko"), scored


def written(folder: Path, cell: Cell, premises: int) -> Path:
    """The run of a cell."""
    rows = cell.samples or 16_000
    adapter = "qlora" if cell.arm.endswith("qlora") else "lora"
    spent = {"inputs": {}, "seconds": 60.0 + rows / 10, "finished": 1}
    model = MODELS.get(cell.arm.split()[0], "quickstart-llama")
    stages = dict.fromkeys(("prepare", "render", "train", "score"), spent)
    what = Made(
        model=model,
        adapter=adapter,
        seed=cell.seed * 1000 + rows,
        premises=premises,
        rates=(0.35, rate(cell.arm, rows)),
        lines=("hypothesis_only",),
        record={"seed": cell.seed, "stages": stages},
    )
    finished(folder, what)
    manifest = read_json(folder / "data" / "manifest.json")
    manifest["entries"][0].update(samples=cell.samples, kept={"train": rows, "validation": 40})
    write_json(folder / "data" / "manifest.json", manifest)
    if cell.choice:
        path = folder / "metrics.jsonl"
        loss = 0.2 + 100 * float(str(dict(cell.choice)["axolotl.learning_rate"]))
        write_text(
            path,
            path.read_text(encoding="utf-8").replace('"eval_loss": 0.25', f'"eval_loss": {loss}'),
        )
    return folder


RESOLVED = SimpleNamespace(data=())
