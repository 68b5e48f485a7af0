"""What the command `study` does: list, run here, hand over to an engine, report."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from kotune import pipeline
from kotune.compare.efficiency import Price
from kotune.display.phrases import LANGUAGES, Phrases
from kotune.display.progress import Screen
from kotune.errors import KotuneError, RecipeError
from kotune.launch import engines
from kotune.launch.engine import LaunchOptions, Submission
from kotune.layout import RECORD
from kotune.plan import gpus
from kotune.runs import guard
from kotune.runs.finished import made_of
from kotune.runs.folder import RUNS, as_options, read_json
from kotune.runs.folder import command as command_line
from kotune.study import cost, file, running, sizes
from kotune.study.file import Study
from kotune.worker.device import Device

Echo = Callable[[str], object]


@dataclass(frozen=True)
class StudyOptions:
    """What the command line says beside the study. `passed` goes to the engine's own command line
    as it is."""

    dry_run: bool = False
    budget: float | None = None
    gpu: str | None = None
    price: float | None = None
    won_per_dollar: float | None = None
    report_only: bool = False
    engine: str | None = None
    bucket: str | None = None
    runs_dir: Path = RUNS
    lang: str = LANGUAGES[0]
    device: Device | None = None
    passed: tuple[str, ...] = ()

    @property
    def hourly(self) -> Price | None:
        return Price.of(self.price, self.won_per_dollar)


def again(study: Study, options: StudyOptions) -> str:
    """The command line that says the same once more."""
    given = {
        "--budget": options.budget,
        "--gpu": options.gpu,
        "--price": options.price,
        "--won-per-dollar": options.won_per_dollar,
        "--on": options.engine,
        "--bucket": options.bucket,
        "--device": options.device,
    }
    flags = {"--dry-run": options.dry_run, "--report-only": options.report_only}
    words = [
        word for name, value in given.items() if value is not None for word in (name, _word(value))
    ]
    words += [name for name, is_set in flags.items() if is_set] + as_options((), None, options.lang)
    return command_line(
        study.file, *words, runs_dir=options.runs_dir, passed=options.passed, verb="study"
    )


def _word(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.15g}"


def start(path: Path, options: StudyOptions, echo: Echo) -> None:
    """RecipeError for a bad study, bad words, a size above what the data hold or a budget that is
    too small, before anything is started; KotuneError at the end where cells failed."""
    _check(options)
    study = file.load(path)
    _check_place(study, options.runs_dir)
    if not options.report_only:
        sizes.check(study)
    if options.dry_run or options.budget is not None:
        at_once = (
            options.engine in engines.ENGINES and engines.ENGINES[options.engine].starts_at_once
        )
        found = cost.predict(study, options.runs_dir, options.gpu, at_once)
        if options.dry_run:
            cost.show(study, found, options.hourly)
        if options.budget is not None:
            cost.check(study, found, options.budget, options.hourly)
    if options.engine:
        _hand_over(study, options, echo)
    elif not options.dry_run:
        _run(study, options, echo)


def _check(options: StudyOptions) -> None:
    if options.report_only and (options.dry_run or options.engine or options.budget is not None):
        raise RecipeError("--report-only: runs nothing; leave out --dry-run, --budget and --on")
    if not options.engine and (options.bucket or options.passed):
        word = f"--bucket {options.bucket}" if options.bucket else f"-- {' '.join(options.passed)}"
        raise RecipeError(f"{word}: is for an engine; add --on docker, slurm or sky")
    if options.engine and options.device:
        raise RecipeError(
            f"--device {options.device}: an engine's machines have a GPU; leave it out, or leave"
            " out --on"
        )
    if options.engine and options.runs_dir != RUNS:
        raise RecipeError(
            f"--runs-dir {options.runs_dir}: an engine's runs lie in {RUNS}/; leave it out"
        )
    if options.budget is not None and not 0 <= options.budget < math.inf:
        raise RecipeError(f"--budget {options.budget}: give a number of won, 0 or more")
    gpus.chosen(() if options.gpu is None else (options.gpu,))  # tells an unknown one,
    _ = options.hourly  # and a bad price


def _check_place(study: Study, runs_dir: Path) -> None:
    """RecipeError where the report would be written over a run's, or over that of another study
    file."""
    out = runs_dir / study.name
    guard.check_own(out)
    if (out / RECORD).exists() or any(out == study.folder(cell, runs_dir) for cell in study.cells):
        raise RecipeError(
            f"{study.file}: its report would lie in {out}, which is a run's folder; rename the"
            " study file"
        )
    other = _reported(out / "study.json")
    if other and other.exists() and not other.samefile(study.file):
        told = f"{out} holds the report of {other}, which has the same name"
        raise RecipeError(
            f"{study.file}: {told}; rename one of the two, or give another --runs-dir"
        )


def _reported(path: Path) -> Path | None:
    """The study file of a report, None where nothing tells it."""
    try:
        return Path(read_json(path)["file"])
    except (OSError, KotuneError, TypeError, KeyError):  # none, damaged, or of another version
        return None


def _hand_over(study: Study, options: StudyOptions, echo: Echo) -> None:
    missing = [cell for cell in study.cells if not running.is_done(study, cell, options.runs_dir)]
    done = _report_line(study, options)
    if not missing:
        echo(f"nothing is missing; the report: {done}")
        return
    words = LaunchOptions(study.limit, options.lang, options.bucket, options.passed, study.name)
    submissions = [Submission(cell.recipe, cell.overrides) for cell in missing]
    launched = engines.prepare(submissions, str(options.engine), words)
    engines.start(launched, str(options.engine), options.dry_run, echo)
    echo(f"when all have ended, the report: {done}")


def _report_line(study: Study, options: StudyOptions) -> str:
    """The command that writes the report when others have run the cells."""
    words = replace(
        options, report_only=True, dry_run=False, budget=None, engine=None, bucket=None, passed=()
    )
    return again(study, words)


def _run(study: Study, options: StudyOptions, echo: Echo) -> None:
    from kotune.study.report import StudyReport
    from kotune.study.writing import write

    of_cells = pipeline.RunOptions(
        limit=study.limit, runs_dir=options.runs_dir, lang=options.lang, device=options.device
    )
    failed = [] if options.report_only else _cells(study, options, of_cells)
    found, absent = running.scored(study, of_cells, failed)
    if found:
        out = options.runs_dir / study.name
        with made_of(*(run.folder for _, run in found)):
            made = StudyReport(
                study, (found, absent), Phrases(options.lang), options.hourly, again(study, options)
            )
            for path in write(made, out, options.gpu):
                echo(str(path))
    elif not failed:
        todo = again(study, replace(options, report_only=False))
        raise KotuneError(f"{study.file}: no cell is scored yet; run `{todo}`")
    if failed:
        raise running.failure(study, failed)


def _cells(study: Study, options: StudyOptions, of_cells: pipeline.RunOptions) -> running.Failed:
    """Run what is missing; the cells that failed."""
    try:
        return running.run(study, of_cells, Screen())
    except KeyboardInterrupt as stop:
        stop.__notes__ = [f"what is done is kept; go on with: {again(study, options)}"]
        raise
