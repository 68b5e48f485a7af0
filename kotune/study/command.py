"""The command `study`. It lists the cells of a study, runs them on this machine, submits them to an
engine (docker, slurm, sky), or writes a report."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from kodata.errors import Translatable
from kotune import pipeline
from kotune.compare.efficiency import Price
from kotune.display import short
from kotune.display.phrases import LANGUAGES, Phrases
from kotune.display.phrases.translation import translate
from kotune.display.progress import Screen
from kotune.errors import KotuneError, RecipeError
from kotune.launch import engines
from kotune.launch.engine import LaunchOptions, Submission
from kotune.layout import RECORD
from kotune.plan import gpus
from kotune.runs import guard
from kotune.runs.finished import explain_malformed
from kotune.runs.folder import RUNS, as_options, read_json
from kotune.runs.folder import command as command_line
from kotune.study import cost, file, running, sizes
from kotune.study.file import Study
from kotune.worker.device import Device

Echo = Callable[[str], object]


@dataclass(frozen=True)
class StudyOptions:
    """The options of the command line.

    - `budget`: the maximum cost of the missing cells in won
    - `price`: the price of a GPU hour in won
    - `won_per_dollar`: the exchange rate, to show costs in dollars too
    - `passed`: arguments that are passed unchanged to the engine's own command line
    """

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
    fresh_base: bool = False

    @property
    def hourly(self) -> Price | None:
        """The price of a GPU hour; None if none is given. Raises RecipeError for a bad price."""
        return Price.of(self.price, self.won_per_dollar)


def again(study: Study, options: StudyOptions) -> str:
    """The command line that repeats the command with the same study and options."""
    values = {
        "--budget": options.budget,
        "--gpu": options.gpu,
        "--price": options.price,
        "--won-per-dollar": options.won_per_dollar,
        "--on": options.engine,
        "--bucket": options.bucket,
        "--device": options.device,
    }
    flags = {
        "--dry-run": options.dry_run,
        "--report-only": options.report_only,
        "--fresh-base": options.fresh_base,
    }
    words = [
        word for name, value in values.items() if value is not None for word in (name, _word(value))
    ]
    words += [name for name, is_set in flags.items() if is_set] + as_options((), None, options.lang)
    return command_line(
        study.file, *words, runs_dir=options.runs_dir, passed=options.passed, verb="study"
    )


def _word(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.15g}"


def start(path: Path, options: StudyOptions, echo: Echo) -> None:
    """List, run, submit or report a study, as the options say. `echo` prints a line.

    Raises RecipeError before any cell starts. The reasons are a bad study file, bad options, a size
    above the number of rows, and a budget that is too small. Raises KotuneError at the end if cells
    failed, or if there is no scored cell to report."""
    _check(options)
    study = file.load(path)
    _check_folder(study, options.runs_dir)
    if not options.report_only:
        sizes.check(study)
    if options.dry_run or options.budget is not None:
        at_once = (
            options.engine in engines.ENGINES and engines.ENGINES[options.engine].starts_at_once
        )
        cells = cost.predict(study, options.runs_dir, options.gpu, at_once)
        if options.dry_run:
            cost.show(study, cells, options.hourly, language=options.lang)
        if options.budget is not None:
            cost.check(study, cells, options.budget, options.hourly)
    if options.engine:
        _submit(study, options, echo)
    elif not options.dry_run:
        _run(study, options, echo)


def _check(options: StudyOptions) -> None:
    """Raise RecipeError for options that are invalid or cannot be combined."""
    if options.report_only and (options.dry_run or options.engine or options.budget is not None):
        raise RecipeError("--report-only: runs nothing; leave out --dry-run, --budget and --on")
    if not options.engine and (options.bucket or options.passed):
        word = f"--bucket {options.bucket}" if options.bucket else f"-- {' '.join(options.passed)}"
        raise RecipeError(f"{word}: is for an engine; add --on docker, slurm or sky")
    if options.engine and options.device:
        raise RecipeError(
            f"--device {options.device}: not for an engine, whose machines have a GPU; leave out"
            " --device or --on"
        )
    if options.engine and options.fresh_base:
        raise RecipeError("--fresh-base: not for an engine; leave out --fresh-base or --on")
    if options.engine and options.runs_dir != RUNS:
        raise RecipeError(
            f"--runs-dir {options.runs_dir}: an engine's runs are in {RUNS}/; leave it out"
        )
    if options.budget is not None and not 0 <= options.budget < math.inf:
        raise RecipeError(f"--budget {options.budget}: give a number of won, 0 or more")
    gpus.select(() if options.gpu is None else (options.gpu,))  # raises for an unknown GPU
    _ = options.hourly  # raises for a bad price


def _check_folder(study: Study, runs_dir: Path) -> None:
    """Raise RecipeError if the study's report would overwrite the report of a run or of another
    study file."""
    out = runs_dir / study.name
    guard.check_own(out)
    if (out / RECORD).exists() or any(out == study.folder(cell, runs_dir) for cell in study.cells):
        raise RecipeError(
            f"{study.file}: its report would be written to {out}, which is a run's folder; rename"
            " the study file"
        )
    other = _study_file_of(out / "study.json")
    if other and other.exists() and not other.samefile(study.file):
        raise RecipeError(
            f"{study.file}: {out} holds the report of {other}, which has the same name; rename one"
            " of the two, or give another --runs-dir"
        )


def _study_file_of(report: Path) -> Path | None:
    """The study file from which `report`, a study.json, was made. None if `report` is missing or
    cannot be read."""
    try:
        return Path(read_json(report)["file"])
    except (OSError, KotuneError, TypeError, KeyError):  # missing, damaged, or without a path
        return None


def _submit(study: Study, options: StudyOptions, echo: Echo) -> None:
    """Submit the missing cells to the engine, or only show the jobs in a dry run."""
    missing = [cell for cell in study.cells if not running.is_done(study, cell, options.runs_dir)]
    done = _report_line(study, options)
    if not missing:
        told = Translatable("nothing is missing; write the report with: {command}", command=done)
        echo(translate(told, options.lang))
        return
    launch = LaunchOptions(study.limit, options.lang, options.bucket, options.passed, study.name)
    submissions = [Submission(cell.recipe, cell.overrides) for cell in missing]
    launched = engines.prepare(submissions, str(options.engine), launch)
    engines.start(launched, str(options.engine), options.dry_run, echo, options.lang)
    told = Translatable("when all runs have ended, write the report with: {command}", command=done)
    echo(translate(told, options.lang))


def _report_line(study: Study, options: StudyOptions) -> str:
    """The command line that writes the report after an engine has run the cells."""
    report = replace(
        options, report_only=True, dry_run=False, budget=None, engine=None, bucket=None, passed=()
    )
    return again(study, report)


def _run(study: Study, options: StudyOptions, echo: Echo) -> None:
    """Run the missing cells, unless only a report is asked for, and write the report. Raises
    KotuneError if cells failed, or if no cell is scored."""
    from kotune.study.report import StudyReport, answer
    from kotune.study.writing import write

    of_cells = pipeline.RunOptions(
        limit=study.limit,
        runs_dir=options.runs_dir,
        lang=options.lang,
        device=options.device,
        fresh_base=options.fresh_base,
    )
    failed = [] if options.report_only else _cells(study, options, of_cells)
    scored, absent = running.scored(study, of_cells, failed)
    if scored:
        out = options.runs_dir / study.name
        with explain_malformed(*(run.folder for _, run in scored)):
            made = StudyReport(
                study,
                (scored, absent),
                Phrases(options.lang),
                options.hourly,
                again(study, options),
            )
            page, *_ = write(made, out, options.gpu)
        short.show(answer(made, page), Phrases(options.lang), more="more_in_page")
    elif not failed:
        todo = again(study, replace(options, report_only=False))
        raise KotuneError(f"{study.file}: no cell is scored yet; run `{todo}`")
    if failed:
        raise running.failure(study, failed)


def _cells(study: Study, options: StudyOptions, of_cells: pipeline.RunOptions) -> running.Failed:
    """Run the missing cells and return those that failed. On Ctrl-C, the KeyboardInterrupt gets a
    note with the command to continue."""
    try:
        return running.run(study, of_cells, Screen(language=options.lang))
    except KeyboardInterrupt as stop:
        stop.__notes__ = [f"finished cells are kept; continue with: {again(study, options)}"]
        raise
