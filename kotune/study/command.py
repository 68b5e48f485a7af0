"""What `./cli.py study` does: list, run here, hand over to an engine, report."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kotune import launch
from kotune.efficiency import Price
from kotune.errors import KotuneError, RecipeError
from kotune.phrases import LANGUAGES, Phrases
from kotune.progress import Screen
from kotune.run import RUNS
from kotune.study import cost, file, running
from kotune.study.file import Study

Echo = Callable[[str], object]


@dataclass(frozen=True)
class Options:
    """What the command line says beside the study. `passed` goes to the engine's own command line as it is."""

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
    passed: tuple[str, ...] = ()

    @property
    def hourly(self) -> Price | None:
        return Price.of(self.price, self.won_per_dollar)


def start(path: Path, options: Options, echo: Echo) -> None:
    """RecipeError for a bad study, bad words or a budget that is too small, before anything is started; KotuneError at the
    end where cells failed."""
    _check(options)
    study = file.load(path)
    if options.dry_run or options.budget is not None:
        found = cost.predict(study, options.runs_dir, options.gpu)
        if options.dry_run:
            cost.show(study, found, options.hourly)
        if options.budget is not None:
            cost.check(study, found, options.budget, options.hourly)
    if options.engine:
        _hand_over(study, options, echo)
    elif not options.dry_run:
        _run(study, options, echo)


def _check(options: Options) -> None:
    if options.report_only and (options.dry_run or options.engine or options.budget is not None):
        raise RecipeError("--report-only: runs nothing; leave out --dry-run, --budget and --on")
    if not options.engine and (options.bucket or options.passed):
        word = f"--bucket {options.bucket}" if options.bucket else f"-- {' '.join(options.passed)}"
        raise RecipeError(f"{word}: is for an engine; add --on docker, slurm or sky")
    if options.engine and options.runs_dir != RUNS:
        raise RecipeError(f"--runs-dir {options.runs_dir}: an engine's runs lie in {RUNS}/; leave it out")
    _ = options.hourly  # tells a bad price


def _hand_over(study: Study, options: Options, echo: Echo) -> None:
    missing = [cell for cell in study.cells if not running.is_done(study, cell, options.runs_dir)]
    done = f"{running.again(study)} --report-only"
    if not missing:
        echo(f"nothing is missing; the report: {done}")
        return
    words = launch.Options(study.limit, options.lang, options.bucket, options.passed, study.name)
    jobs = [launch.Job(cell.recipe, cell.overrides) for cell in missing]
    launched = launch.prepare(jobs, str(options.engine), words)
    launch.write(launched)
    for line in launch.told(launched):
        echo(line)
    if not options.dry_run:
        launch.hand_over(launched, str(options.engine))
    echo(f"when all have ended, the report: {done}")


def _run(study: Study, options: Options, echo: Echo) -> None:
    from kotune.study import report

    failed = [] if options.report_only else running.run(study, options.runs_dir, options.lang, Screen())
    found, absent = running.scored(study, options.runs_dir, failed)
    if found:
        out = options.runs_dir / study.name
        for path in report.write(study, found, absent, Phrases(options.lang), options.hourly, out, options.gpu):
            echo(str(path))
    elif not failed:
        raise KotuneError(f"{study.file}: no cell is scored yet; run `{running.again(study, options.runs_dir)}`")
    if failed:
        raise running.failure(study, failed)
