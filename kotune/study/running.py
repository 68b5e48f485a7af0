"""Runs the cells of a study one after another, each as an ordinary run.

Finished cells are skipped, so an interrupted study continues. A failed cell does not stop the
others. A study stores no state of its own: the run folders show which cells are finished."""

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from kodata.errors import (
    HubDeniedError,
    HubError,
    SizeError,
    Translatable,
    UserError,
    joined,
)
from kotune import pipeline, stages
from kotune.display.pace import left
from kotune.display.progress import Screen
from kotune.errors import FULL, UNREACHABLE, KotuneError, exit_code, os_error
from kotune.runs import guard
from kotune.runs.finished import Finished, explain_malformed
from kotune.runs.folder import STAGES, Run
from kotune.runs.job import Job
from kotune.study import sizes
from kotune.study.file import Cell, Study
from kotune.worker import server
from kotune.worker.device import chosen, detect_device


class FailedCell(NamedTuple):
    """A cell without a score, and the reason (`why`)."""

    cell: Cell
    why: str


class ScoredCell(NamedTuple):
    """A cell with its finished run."""

    cell: Cell
    run: Finished


Failed = list[FailedCell]


def run(study: Study, options: pipeline.RunOptions, screen: Screen) -> Failed:
    """Run every cell. Stages that are already finished are skipped. Returns the cells that failed,
    with their error messages.

    An error that would stop every cell is raised. These errors are Ctrl-C, SIGTERM, an unreachable
    hub, a full disk, and a size above the number of rows."""
    with chosen(options.device):
        _check_sizes(study, options, screen)
        with server.up():
            return _each(study, options, screen)


def _each(study: Study, options: pipeline.RunOptions, screen: Screen) -> Failed:
    failed: Failed = []
    todo = {cell for cell in study.cells if _is_pending(study, cell, options.runs_dir)}
    total, begun = len(todo), screen.clock()
    for number, cell in enumerate(study.cells, 1):
        done = total - len(todo)
        title = f"{study.name} {number}/{len(study.cells)}: {cell.name}"
        eta = [" (", left(len(todo), done, screen.clock() - begun), ")"] if done and todo else []
        screen.title(joined("", [title, *eta]))
        todo.discard(cell)
        if message := _failure(cell, options, screen):
            failed.append(FailedCell(cell, message))
            screen.say(Translatable("failed; the other cells continue: {message}", message=message))
    return failed


def _is_pending(study: Study, cell: Cell, runs_dir: Path) -> bool:
    """Whether a cell is still to be run. An error in its data is reported when it runs."""
    try:
        return not is_done(study, cell, runs_dir)
    except UserError:
        return True


def _failure(cell: Cell, options: pipeline.RunOptions, screen: Screen) -> str:
    """Run a cell and return its error message; empty if it succeeded. Raises the errors that would
    stop every cell."""
    try:
        pipeline.run(cell.recipe, replace(options, overrides=cell.overrides), screen)
    except UserError as error:
        if exit_code(error) == UNREACHABLE:
            raise
        return str(error)
    except OSError as error:  # for example, the run's folder is a file, or is not writable
        if error.errno in FULL:
            raise
        return os_error(error)
    return ""


def _check_sizes(study: Study, options: pipeline.RunOptions, screen: Screen) -> None:
    """For each seed, prepare the data of the cell with the largest size. So a size above the number
    of rows is reported before any training.

    Raises RecipeError for such a size. Errors of the hub and of a full disk are raised too. Other
    errors are ignored here, because they will be reported when the cells run."""
    sized = sorted(
        (cell for cell in study.cells if cell.samples), key=lambda cell: cell.samples or 0
    )
    largest = {cell.seed: cell for cell in sized}  # of each seed, the last and largest cell remains
    first = replace(options, until="prepare")
    for cell in largest.values():
        if is_done(study, cell, options.runs_dir, first.until):
            continue
        try:
            pipeline.run(cell.recipe, replace(first, overrides=cell.overrides), screen)
        except (HubError, HubDeniedError):
            raise
        except SizeError as error:
            raise sizes.too_large(study, cell, error) from None
        except (UserError, OSError) as error:
            if getattr(error, "errno", None) in FULL:
                raise


def is_done(study: Study, cell: Cell, runs_dir: Path, until: str = "score") -> bool:
    """Whether the run of a cell finished all stages up to `until`, and their inputs have not
    changed since. The run may have been made on another machine. False if its record cannot be
    read."""
    try:
        job = _job(study, cell, runs_dir)
        return all(stages.is_done(job, stage) for stage in STAGES[: STAGES.index(until) + 1])
    except (KotuneError, OSError):
        return False


def _job(study: Study, cell: Cell, runs_dir: Path) -> Job:
    """The job of a cell, with the device and the launcher of its recorded run. Raises KotuneError
    if the folder is not the user's own or its record cannot be read."""
    place = Run(study.folder(cell, runs_dir).absolute())
    guard.check_own(place.root)
    record = place.record()
    device, launcher = record.device or detect_device(), tuple(record.launcher or ())
    return Job(cell.resolved, place, device, study.limit, launcher=launcher)


def scored(
    study: Study, options: pipeline.RunOptions, failed: Failed
) -> tuple[list[ScoredCell], Failed]:
    """The cells that can be reported, and the other cells with the reason. `failed`: cells that
    failed just now, with their messages."""
    reasons, cells = dict(failed), []
    for cell in study.cells:
        folder = study.folder(cell, options.runs_dir)
        try:
            if cell not in reasons:
                with explain_malformed(folder):
                    run = Finished(folder)
                    run.check()  # so that a damaged file excludes only this cell from the report
                cells.append(ScoredCell(cell, run))
        except KotuneError as error:
            again = replace(options, overrides=cell.overrides).command(cell.recipe)
            reasons[cell] = str(error) if folder.exists() else f"not run yet: {again}"
    return cells, [FailedCell(cell, reasons[cell]) for cell in study.cells if cell in reasons]


def failure(study: Study, failed: Failed) -> KotuneError:
    """The error to raise at the end of a study with failed cells."""
    lines = "".join(f"\n{cell.name}: {why}" for cell, why in failed)
    return KotuneError(
        f"{study.file}: {len(failed)} of {len(study.cells)} cells failed; run the same command to"
        f" try them again{lines}"
    )
