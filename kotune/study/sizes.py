"""How many training rows a study's data hold, counted before anything is written or listed, where
that needs no network."""

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import kodata
from kodata.errors import DataError, SizeError
from kotune.errors import RecipeError
from kotune.recipe.schema import Recipe
from kotune.runs.folder import Run
from kotune.runs.job import Job
from kotune.study.file import Cell, Study, refuse, the_same
from kotune_tasks.card import cards


def check(study: Study) -> None:
    """RecipeError for a size above what the data hold, or that is all of them beside `all`. Nothing
    where they are not here."""
    whole: list[Cell] = []
    for seed in dict.fromkeys(
        cell.seed for cell in study.cells if any(entry.samples for entry in cell.resolved.data)
    ):
        cells = [cell for cell in study.cells if cell.seed == seed]
        if rows := _rows(cells[0].resolved):
            whole += [_as_whole(study, cell, rows) for cell in cells]
    refuse(study.file, list(the_same(whole)))


def too_large(study: Study, cell: Cell, error: SizeError) -> RecipeError:
    """What is said of a size above what the data hold."""
    return RecipeError(f"{study.file}: {cell.name}: {error}")


def is_here(source: str, places: Mapping[str, Path]) -> bool:
    """Whether a source can be read without the network: it is shipped, or a folder of it is
    named."""
    if source in places:
        return places[source].is_dir()
    return kodata.SOURCES[source].CARD.hub_id is None


def _as_whole(study: Study, cell: Cell, rows: list[int]) -> Cell:
    """A cell whose entries say `all` where they ask for all rows that there are."""
    data = []
    for entry, there in zip(cell.resolved.data, rows, strict=True):
        if entry.samples and entry.samples > there:
            raise too_large(study, cell, SizeError(entry.source, entry.samples, there))
        data.append(entry.model_copy(update={"samples": None}) if entry.samples == there else entry)
    return replace(cell, resolved=cell.resolved.model_copy(update={"data": tuple(data)}))


def _rows(recipe: Recipe) -> list[int]:
    """Training rows of each entry with the recipe's seed, by the very preparation that a run makes;
    empty where they cannot be counted here. What is wrong with the data is told by the runs."""
    places = {entry.source: entry.place for entry in recipe.data if entry.place} | dict(
        recipe.data_path
    )
    sources = {entry.source for entry in recipe.data} | {
        cards()[task].source for task in recipe.tasks
    }
    # The light install.
    if not find_spec("datasketch") or not all(is_here(source, places) for source in sources):
        return []
    entries = tuple(
        entry.model_copy(update={"samples": None, "weight": 1.0}) for entry in recipe.data
    )
    with tempfile.TemporaryDirectory(prefix="kotune-study-") as folder:
        job = Job(recipe.model_copy(update={"data": entries}), Run(Path(folder)), "cpu", None)
        try:
            found = job.prepare()
        except DataError:
            return []
    return [entry["kept"]["train"] for entry in found["entries"]]
