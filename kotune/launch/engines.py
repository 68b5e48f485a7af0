"""Runs for an engine that takes them elsewhere: Docker, SLURM or SkyPilot.

One file is written below `runs/launch/`, the exact command told, and the engine's own command line
started. That one schedules, takes other machines and keeps track; nothing here does. No token's
value stands in a file or on a command line: only the names of variables do, and the engine takes
their values from the environment of whoever launches."""

import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterable

from kodata.errors import did_you_mean
from kotune.errors import INTERRUPTED, PREEMPTED, UNREACHABLE, RecipeError, StageError
from kotune.launch import paths
from kotune.launch.docker import DOCKER
from kotune.launch.engine import Launch, LaunchOptions, Submission
from kotune.launch.sky import SKY
from kotune.launch.slurm import SLURM
from kotune.recipe.reading import load
from kotune.recipe.strict_yaml import shown
from kotune.runs.folder import publish
from kotune.shipped import IS_CHECKOUT

ENGINES = {engine.name: engine for engine in (DOCKER, SLURM, SKY)}
# Exit codes after which the next command would end alike.
STOPS = (UNREACHABLE, INTERRUPTED, PREEMPTED)


def prepare(submissions: Iterable[Submission], engine: str, options: LaunchOptions) -> Launch:
    """What would be launched; nothing is written or started. RecipeError for a bad recipe, an
    unknown engine, one that needs a checkout where there is none, a bucket that the engine does not
    take, or a path that no engine should be given."""
    if engine not in ENGINES:
        raise RecipeError(f"--on {shown(engine)}: unknown engine{did_you_mean(engine, ENGINES)}")
    if ENGINES[engine].needs_checkout and not IS_CHECKOUT:
        raise RecipeError(
            f"--on {engine}: it is given the repository itself, and this is an installation; clone"
            " the repository that it was installed from, and launch from there"
        )
    if options.bucket and not ENGINES[engine].takes_bucket:
        raise RecipeError(
            f"--bucket {shown(options.bucket)}: only SkyPilot takes one; with {engine} runs lie in"
            " runs/ here"
        )
    loaded = {
        submission: load(submission.recipe, submission.overrides) for submission in submissions
    }
    paths.check(loaded)
    return ENGINES[engine].prepare(loaded, options)


def write(launch: Launch) -> None:
    """Write the file, beside the runs that it will make."""
    publish(launch.file, launch.text)


def told(launch: Launch) -> list[str]:
    """What a person should know of it, a line each."""
    after = [f"results come back by: {launch.after}"] if launch.after else []
    return [f"written: {launch.file}", *map(shlex.join, launch.commands), *after]


def start(launch: Launch, engine: str, dry_run: bool, echo: Callable[[str], object]) -> None:
    """Write the files, tell the commands and, without `dry_run`, hand over. RecipeError where the
    engine is not installed."""
    known = ENGINES[engine]
    if not dry_run and not shutil.which(known.program):
        message = (
            f"`{known.program}` is not on the PATH of this machine; {known.when_missing}, or add"
            " --dry-run"
        )
        raise RecipeError(message)
    write(launch)
    for line in told(launch):
        echo(line)
    if not dry_run:
        hand_over(launch, engine)


def hand_over(launch: Launch, engine: str) -> None:
    """Start the engine's own command line, once for each command; one that fails stops the others
    only where they would fail alike. StageError at the end where one failed."""
    failures = []
    for words in launch.commands:
        if code := subprocess.run(words, check=False).returncode:
            failures.append(f"{words[0]} ended with {code}: {shlex.join(words)}")
            last = code
            if code in STOPS:
                break
    if failures:
        failed = StageError("\n".join(failures))
        # For whoever started this one.
        failed.exit_code = last if ENGINES[engine].passes_exit_code else 1
        raise failed
