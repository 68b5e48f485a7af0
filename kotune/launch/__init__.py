"""Runs for an engine that takes them elsewhere: Docker, SLURM or SkyPilot.

One file is written below `runs/launch/`, the exact command told, and the engine's own command line started. That one
schedules, takes other machines and keeps track; nothing here does. No token's value stands in a file or on a command line: only
the names of variables do, and the engine takes their values from the environment of whoever launches.
"""

import os
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from kodata.errors import did_you_mean
from kotune.errors import INTERRUPTED, PREEMPTED, UNREACHABLE, RecipeError, StageError
from kotune.models import PRESETS
from kotune.phrases import LANGUAGES
from kotune.recipe import ROOT, Limit, Recipe, load
from kotune.run import RUNS, command, said, write_text

HERE = Path(__file__).parent
FOLDER = RUNS / "launch"
IMAGE = "kotune"  # docker build -t kotune .
INSIDE = Path("/kotune")  # where the image holds this repository
SKY_RUNS = Path("/kotune-runs")  # where SkyPilot mounts the bucket
TOKENS = (
    "HF_TOKEN", "WANDB_API_KEY", "COMET_API_KEY", "MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_USERNAME",
    "MLFLOW_TRACKING_PASSWORD",
)  # fmt: skip
DONE = {"s3": "aws s3 sync {bucket} runs", "gs": "gcloud storage rsync --recursive {bucket} runs"}


@dataclass(frozen=True)
class Job:
    """One run: a recipe, and the keys that are changed for it."""

    recipe: Path
    overrides: tuple[str, ...] = ()


@dataclass(frozen=True)
class Options:
    """What the command line says of all jobs; `passed` goes to the engine's own command line as it is, `name` is of all of
    them together (the first recipe's, where it is not given)."""

    limit: Limit = None
    lang: str = LANGUAGES[0]
    bucket: str | None = None
    passed: tuple[str, ...] = ()
    name: str = ""

    def words(self, job: Job) -> list[str]:
        """What follows `./cli.py run`."""
        return [str(job.recipe), *said(job.overrides, self.limit, self.lang)]


@dataclass(frozen=True)
class Launch:
    """The file that an engine reads, the commands that hand it over, and how results come back where they do not lie in runs/."""

    file: Path
    text: str
    commands: list[list[str]]
    after: str = ""


def prepare(jobs: Iterable[Job], engine: str, options: Options) -> Launch:
    """What would be launched; nothing is written or started. RecipeError for a bad recipe or an unknown engine."""
    if engine not in ENGINES:
        raise RecipeError(f"--on {engine}: unknown engine{did_you_mean(engine, ENGINES)}")
    if options.bucket and engine != "sky":
        raise RecipeError(f"--bucket {options.bucket}: only SkyPilot takes one; with {engine} runs lie in runs/ here")
    return ENGINES[engine]({job: load(job.recipe, job.overrides) for job in jobs}, options)


def write(launch: Launch) -> None:
    """Write the file, beside the runs that it will make."""
    write_text(launch.file, launch.text)


def told(launch: Launch) -> list[str]:
    """What a person should know of it, a line each."""
    after = [f"results come back by: {launch.after}"] if launch.after else []
    return [f"written: {launch.file}", *map(shlex.join, launch.commands), *after]


def start(launch: Launch, engine: str, dry_run: bool, echo: Callable[[str], object]) -> None:
    """Write the files, tell the commands and, without `dry_run`, hand over. RecipeError where the engine is not installed."""
    program = launch.commands[0][0]
    if not dry_run and not shutil.which(program):
        raise RecipeError(f"`{program}` is not on the PATH of this machine; {MISSING[engine]}, or add --dry-run")
    write(launch)
    for line in told(launch):
        echo(line)
    if not dry_run:
        hand_over(launch, engine)


def hand_over(launch: Launch, engine: str) -> None:
    """Start the engine's own command line, once for each command; one that fails stops the others only where they would
    fail alike. StageError at the end where one failed."""
    failures = []
    for words in launch.commands:
        if code := subprocess.run(words, check=False).returncode:
            failures.append(f"{words[0]} ended with {code}: {shlex.join(words)}")
            last = code
            if code in STOPS:
                break
    if failures:
        failed = StageError("\n".join(failures))
        failed.exit_code = last if engine == "docker" else 1  # of the run inside, for whoever started this one
        raise failed


def _docker(jobs: dict[Job, Recipe], options: Options) -> Launch:
    """A container a run, one after another, as whoever launches: runs/ stays theirs."""
    file = FOLDER / "docker.env"
    commands = []
    for job, recipe in jobs.items():
        words = [
            "docker",
            "run",
            "--rm",
            "--init",
            "--pull",
            "never",
            "--gpus",
            "all",
            "--shm-size",
            "10g",
            "--ulimit",
            "memlock=-1",
        ]
        words += ["--stop-timeout", "60", "--user", f"{os.getuid()}:{os.getgid()}", "--env-file", str(file)]
        words += ["--volume", "kotune-cache:/cache", "--volume", f"{RUNS.absolute()}:{INSIDE / RUNS}"]
        for place in (job.recipe, *local_places(recipe)):
            words += ["--volume", f"{place.absolute()}:{os.path.normpath(INSIDE / place)}:ro"]
        words += [*options.passed, IMAGE, "run", *options.words(job)]
        commands.append(words)
    return Launch(file, _rendered("docker.env", names=TOKENS), commands)


def _slurm(jobs: dict[Job, Recipe], options: Options) -> Launch:
    name = _name(jobs, options)
    file = FOLDER / f"{name}.sbatch"
    text = _rendered(
        "slurm.sbatch", name=name, root=shlex.quote(str(ROOT)), here=shlex.quote(str(Path.cwd())),
        runs=[shlex.join(options.words(job)) for job in jobs], logs=FOLDER,
    )  # fmt: skip
    return Launch(file, text, [["sbatch", *options.passed, str(file)]])


def _sky(jobs: dict[Job, Recipe], options: Options) -> Launch:
    """One job with all runs in turn: a machine's start and the download of its software are most of a small run's price."""
    scheme = (options.bucket or "").partition("://")[0]
    if not options.bucket or scheme not in (*DONE, "r2"):
        raise RecipeError(
            f"--bucket {options.bucket or 'is missing'}: SkyPilot keeps runs in a bucket of yours, so that a machine that is "
            "taken away costs little; give one that exists, as --bucket s3://NAME (or gs://, r2://)"
        )
    if not Path("cli.py").is_file():
        raise RecipeError(f"{Path.cwd()}: SkyPilot is sent this folder, and cli.py is not in it; launch where it is")
    places = [place for job, recipe in jobs.items() for place in (job.recipe, *local_places(recipe))]
    for outside in (place for place in places if place.is_absolute() or ".." in place.parts):
        raise RecipeError(f"{outside}: SkyPilot is sent this folder alone; copy it below {Path.cwd()}")
    names = [name for name in TOKENS if os.environ.get(name)]
    runs = [command(job.recipe, *options.words(job)[1:], runs_dir=SKY_RUNS) for job in jobs]
    name = _name(jobs, options)
    file = FOLDER / f"{name}.sky.yaml"
    text = _rendered("sky.yaml", name=name, bucket=options.bucket, mount=SKY_RUNS, names=names, runs=runs)
    words = ["sky", "jobs", "launch", *(word for name in names for word in ("--secret", name)), *options.passed]
    return Launch(file, text, [[*words, str(file)]], DONE.get(scheme, "").format(bucket=options.bucket))


def local_places(recipe: Recipe) -> list[Path]:
    """What a recipe names of this machine's files: data, a model's folder, a template."""
    named = [entry.path for entry in recipe.data if entry.path] + list(recipe.data_path.values())
    named += [Path(recipe.model)] if recipe.model not in PRESETS and Path(recipe.model).is_dir() else []
    named += [Path(recipe.template)] if recipe.template and recipe.template.endswith(".jinja") else []
    return list(dict.fromkeys(named))


def _name(jobs: dict[Job, Recipe], options: Options) -> str:
    """Lower case, digits and dashes: what every engine takes for a name."""
    first, *others = jobs
    more = f"-and-{len(others)}-more" if others and not options.name else ""
    words = (options.name or first.recipe.stem).lower().replace("_", "-") + more
    return "kotune-" + "".join(letter for letter in words if letter.isascii() and (letter.isalnum() or letter == "-"))


def _rendered(template: str, **facts: object) -> str:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    loader = FileSystemLoader(HERE)
    environment = Environment(loader=loader, undefined=StrictUndefined, trim_blocks=True, keep_trailing_newline=True)
    environment.filters["quoted"] = shlex.quote
    return environment.get_template(f"{template}.jinja").render(facts)


STOPS = (UNREACHABLE, INTERRUPTED, PREEMPTED)
ENGINES: dict[str, Callable[[dict[Job, Recipe], Options], Launch]] = {"docker": _docker, "slurm": _slurm, "sky": _sky}
AT_ONCE = ("slurm",)  # those that start runs at the same time; the others take them in turn
MISSING = {
    "docker": "install Docker Engine and the NVIDIA Container Toolkit, or write the command alone with --dry-run "
    "(docs/docker.md)",
    "slurm": "log in to a node of the cluster where it is, or write the script alone with --dry-run (docs/slurm.md)",
    "sky": "install SkyPilot in an environment of its own and put its `bin` on the PATH: python3 -m venv ~/sky && "
    "~/sky/bin/pip install 'skypilot[aws]' (docs/skypilot.md)",
}
