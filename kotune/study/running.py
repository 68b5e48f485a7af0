"""The cells of a study one after another, each an ordinary run: what is done is not done again, one that fails stops no other,
and a study that was stopped goes on. Nothing is kept but the runs.
"""

from dataclasses import replace
from pathlib import Path

from kodata.errors import DataError, HubDeniedError, HubError
from kotune import pipeline, warm
from kotune.axolotl_config import detect_device
from kotune.errors import UNREACHABLE, KotuneError, RecipeError, exit_code
from kotune.finished import Finished
from kotune.job import Job
from kotune.phrases import LANGUAGES
from kotune.progress import Screen
from kotune.run import RUNS, STAGES, Run, command, said
from kotune.study.file import Cell, Study

Failed = list[tuple[Cell, str]]


def run(study: Study, runs_dir: Path, lang: str, screen: Screen) -> Failed:
    """Run what is missing; the cells that failed, with what they said. What would stop every cell is raised: Ctrl-C, SIGTERM,
    a hub that is out of reach, a size above what the data hold."""
    options = pipeline.Options(limit=study.limit, runs_dir=runs_dir, lang=lang)
    try:
        _check_sizes(study, options, screen)
        with warm.up():
            failed = _each(study, options, screen)
    except KeyboardInterrupt as stop:
        stop.__notes__ = [f"what is done is kept; go on with: {again(study, runs_dir, lang)}"]
        raise
    return failed


def _each(study: Study, options: pipeline.Options, screen: Screen) -> Failed:
    failed = []
    for number, cell in enumerate(study.cells, 1):
        screen.title(f"{study.name} {number}/{len(study.cells)}: {cell.name}")
        if told := _failure(cell, options, screen):
            failed.append((cell, told))
            screen.say(f"failed, and the others go on: {told}")
    return failed


def _failure(cell: Cell, options: pipeline.Options, screen: Screen) -> str:
    """What went wrong in a cell's run, empty where nothing did."""
    try:
        pipeline.run(cell.recipe, replace(options, overrides=cell.overrides), screen)
    except (KotuneError, DataError) as error:
        if exit_code(error) == UNREACHABLE:
            raise
        return str(error)
    return ""


def _check_sizes(study: Study, options: pipeline.Options, screen: Screen) -> None:
    """Prepare the largest size of each seed first, so that one above what exists is told before anything is trained."""
    sizes = sorted((cell for cell in study.cells if cell.samples), key=lambda cell: cell.samples or 0)
    largest = {cell.seed: cell for cell in sizes}  # the last of each seed stays
    for cell in largest.values():
        if _job(study, cell, options.runs_dir).is_done("prepare"):
            continue
        try:
            pipeline.run(cell.recipe, replace(options, overrides=cell.overrides, until="prepare"), screen)
        except (HubError, HubDeniedError):
            raise
        except DataError as error:
            raise RecipeError(f"{study.file}: {cell.name}: {error}") from None


def is_done(study: Study, cell: Cell, runs_dir: Path) -> bool:
    """Whether a cell is scored and nothing has changed since, whatever the machine that it ran on."""
    job = _job(study, cell, runs_dir)
    return all(job.is_done(stage) for stage in STAGES[: STAGES.index("score") + 1])


def _job(study: Study, cell: Cell, runs_dir: Path) -> Job:
    place = Run(study.folder(cell, runs_dir).absolute())
    record = place.record()
    device, launcher = record.get("device") or detect_device(), tuple(record.get("launcher") or ())
    return Job(cell.resolved, place, device, study.limit, launcher=launcher)


def scored(study: Study, runs_dir: Path, failed: Failed) -> tuple[list[tuple[Cell, Finished]], Failed]:
    """The cells that can be reported, and the others with the reason; `failed`: those whose reason is known."""
    told, found = dict(failed), []
    for cell in study.cells:
        folder = study.folder(cell, runs_dir)
        try:
            if cell not in told:
                found.append((cell, Finished(folder)))
        except KotuneError as error:
            told[cell] = str(error) if folder.exists() else f"not run yet: {_command(study, cell, runs_dir)}"
    return found, [(cell, told[cell]) for cell in study.cells if cell in told]


def _command(study: Study, cell: Cell, runs_dir: Path) -> str:
    return command(cell.recipe, *said(cell.overrides, study.limit, LANGUAGES[0]), runs_dir=runs_dir)


def failure(study: Study, failed: Failed) -> KotuneError:
    """What is said at the end where cells failed."""
    told = "".join(f"\n{cell.name}: {why}" for cell, why in failed)
    return KotuneError(
        f"{study.file}: {len(failed)} of {len(study.cells)} cells failed; the same command tries them again{told}"
    )


def again(study: Study, runs_dir: Path = RUNS, lang: str = LANGUAGES[0]) -> str:
    """The command that runs what is missing of a study."""
    return command(study.file, *said((), None, lang), runs_dir=runs_dir, verb="study")
