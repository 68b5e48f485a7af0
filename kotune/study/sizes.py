"""Checks the sizes of a study against the number of training rows in its data, before anything is
listed or written. The rows are counted only if all data are on this machine."""

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
from kotune.study.file import Cell, Study, duplicates, refuse
from kotune_tasks.card import cards


def check(study: Study) -> None:
    """Raise RecipeError for a size above the number of rows. If `all` is a size of the study, also
    raise RecipeError for a size equal to the number of rows, because both are the same run.

    Nothing is checked if the data are not on this machine."""
    whole: list[Cell] = []
    for seed in dict.fromkeys(
        cell.seed for cell in study.cells if any(entry.samples for entry in cell.resolved.data)
    ):
        cells = [cell for cell in study.cells if cell.seed == seed]
        if rows := _rows(cells[0].resolved):
            whole += [_as_whole(study, cell, rows) for cell in cells]
    refuse(study.file, list(duplicates(whole)))


def too_large(study: Study, cell: Cell, error: SizeError) -> RecipeError:
    """The error for a cell whose size is above the number of rows."""
    return RecipeError(f"{study.file}: {cell.name}: {error}")


def is_here(source: str, places: Mapping[str, Path]) -> bool:
    """Whether a data source can be read without the network. If `places` has a path for the source,
    the path must be an existing folder. Otherwise, the source must not come from the hub."""
    if source in places:
        return places[source].is_dir()
    return kodata.SOURCES[source].CARD.hub_id is None


def _as_whole(study: Study, cell: Cell, rows: list[int]) -> Cell:
    """The cell, with `all` instead of a size that equals the number of rows. `rows`: the number of
    rows of each data entry. Raises RecipeError for a size above it."""
    data = []
    for entry, most in zip(cell.resolved.data, rows, strict=True):
        if entry.samples and entry.samples > most:
            raise too_large(study, cell, SizeError(entry.source, entry.samples, most))
        data.append(entry.model_copy(update={"samples": None}) if entry.samples == most else entry)
    return replace(cell, resolved=cell.resolved.model_copy(update={"data": tuple(data)}))


def _rows(recipe: Recipe) -> list[int]:
    """The number of training rows of each data entry, with the recipe's seed. The rows are prepared
    in a temporary folder in the same way as in a run.

    Empty if the rows cannot be counted on this machine. The runs will report errors in the data."""
    places = {entry.source: entry.location for entry in recipe.data if entry.location} | dict(
        recipe.data_path
    )
    sources = {entry.source for entry in recipe.data} | {
        cards()[task].source for task in recipe.tasks
    }
    # The light installation has no datasketch.
    if not find_spec("datasketch") or not all(is_here(source, places) for source in sources):
        return []
    entries = tuple(
        entry.model_copy(update={"samples": None, "weight": 1.0}) for entry in recipe.data
    )
    with tempfile.TemporaryDirectory(prefix="kotune-study-") as folder:
        job = Job(recipe.model_copy(update={"data": entries}), Run(Path(folder)), "cpu", None)
        try:
            manifest = job.prepare()
        except DataError:
            return []
    return [entry.kept.train for entry in manifest.entries]
