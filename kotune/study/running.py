"""The cells of a study one after another, each an ordinary run: what is done is not done again, one
that fails stops no other, and a study that was stopped goes on. Nothing is kept but the runs."""

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from kodata.errors import HubDeniedError, HubError, SizeError, UserError
from kotune import pipeline, stages
from kotune.display.progress import Screen
from kotune.errors import FULL, UNREACHABLE, KotuneError, exit_code, os_error
from kotune.runs import guard
from kotune.runs.finished import Finished, made_of
from kotune.runs.folder import STAGES, Run
from kotune.runs.job import Job
from kotune.study import sizes
from kotune.study.file import Cell, Study
from kotune.worker import server
from kotune.worker.device import chosen, detect_device


class FailedCell(NamedTuple):
    """A cell that has no score, and why."""

    cell: Cell
    why: str


class ScoredCell(NamedTuple):
    """A cell with its run."""

    cell: Cell
    run: Finished


Failed = list[FailedCell]


def run(study: Study, options: pipeline.RunOptions, screen: Screen) -> Failed:
    """Run what is missing; the cells that failed, with what they said. What would stop every cell
    is raised: Ctrl-C, SIGTERM, a hub that is out of reach, a full disk, a size above what the data
    hold."""
    with chosen(options.device):
        _check_sizes(study, options, screen)
        with server.up():
            return _each(study, options, screen)


def _each(study: Study, options: pipeline.RunOptions, screen: Screen) -> Failed:
    failed = []
    for number, cell in enumerate(study.cells, 1):
        screen.title(f"{study.name} {number}/{len(study.cells)}: {cell.name}")
        if told := _failure(cell, options, screen):
            failed.append(FailedCell(cell, told))
            screen.say(f"failed, and the others go on: {told}")
    return failed


def _failure(cell: Cell, options: pipeline.RunOptions, screen: Screen) -> str:
    """What went wrong in a cell's run, empty where nothing did."""
    try:
        pipeline.run(cell.recipe, replace(options, overrides=cell.overrides), screen)
    except UserError as error:
        if exit_code(error) == UNREACHABLE:
            raise
        return str(error)
    except (
        OSError
    ) as error:  # a file where the run's folder should be, a folder that may not be written
        if error.errno in FULL:
            raise
        return os_error(error)
    return ""


def _check_sizes(study: Study, options: pipeline.RunOptions, screen: Screen) -> None:
    """Prepare the largest size of each seed first, so that one above what exists is told before
    anything is trained. What else is wrong with those cells is told in their turn."""
    sized = sorted(
        (cell for cell in study.cells if cell.samples), key=lambda cell: cell.samples or 0
    )
    largest = {cell.seed: cell for cell in sized}  # the last of each seed stays
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
    """Whether a cell is done up to a stage and nothing has changed since, whatever the machine that
    it ran on. A record that cannot be read or makes no sense is none."""
    try:
        job = _job(study, cell, runs_dir)
        return all(stages.is_done(job, stage) for stage in STAGES[: STAGES.index(until) + 1])
    except (KotuneError, OSError):
        return False


def _job(study: Study, cell: Cell, runs_dir: Path) -> Job:
    place = Run(study.folder(cell, runs_dir).absolute())
    guard.check_own(place.root)
    record = place.record()
    device, launcher = record.device or detect_device(), tuple(record.launcher or ())
    return Job(cell.resolved, place, device, study.limit, launcher=launcher)


def scored(
    study: Study, options: pipeline.RunOptions, failed: Failed
) -> tuple[list[ScoredCell], Failed]:
    """The cells that can be reported, and the others with the reason; `failed`: those whose reason
    is known."""
    told, found = dict(failed), []
    for cell in study.cells:
        folder = study.folder(cell, options.runs_dir)
        try:
            if cell not in told:
                with made_of(folder):
                    run = Finished(folder)
                    run.check()  # the report of the others is not to fall with this one
                found.append(ScoredCell(cell, run))
        except KotuneError as error:
            again = replace(options, overrides=cell.overrides).command(cell.recipe)
            told[cell] = str(error) if folder.exists() else f"not run yet: {again}"
    return found, [FailedCell(cell, told[cell]) for cell in study.cells if cell in told]


def failure(study: Study, failed: Failed) -> KotuneError:
    """What is said at the end where cells failed."""
    told = "".join(f"\n{cell.name}: {why}" for cell, why in failed)
    return KotuneError(
        f"{study.file}: {len(failed)} of {len(study.cells)} cells failed; the same command tries"
        f" them again{told}"
    )
