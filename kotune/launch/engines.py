"""Launches runs on an engine: Docker, SLURM or SkyPilot.

A launch writes one file below `runs/launch/`, shows the exact command, and starts the engine's own
command line. The engine schedules, starts machines and tracks jobs; nothing here does. No file and
no command line contains the value of a token. They only name variables, and the engine reads the
values from the environment of the user."""

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
# Exit codes after which the next command would fail for the same reason.
STOPS = (UNREACHABLE, INTERRUPTED, PREEMPTED)


def prepare(submissions: Iterable[Submission], engine: str, options: LaunchOptions) -> Launch:
    """The launch of the submissions; nothing is written or started.

    Raises RecipeError for a bad recipe, an unknown engine, an engine that needs a checkout in an
    installation, a bucket that the engine cannot use, or a path that paths.check() refuses."""
    if engine not in ENGINES:
        raise RecipeError(f"--on {shown(engine)}: unknown engine{did_you_mean(engine, ENGINES)}")
    if ENGINES[engine].needs_checkout and not IS_CHECKOUT:
        raise RecipeError(
            f"--on {engine}: it needs the repository itself, but this is an installation; clone the"
            " repository that it was installed from, and launch from there"
        )
    if options.bucket and not ENGINES[engine].takes_bucket:
        raise RecipeError(
            f"--bucket {shown(options.bucket)}: only SkyPilot uses a bucket; with {engine}, leave"
            " it out: runs are in runs/ here"
        )
    loaded = {
        submission: load(submission.recipe, submission.overrides) for submission in submissions
    }
    paths.check(loaded)
    return ENGINES[engine].prepare(loaded, options)


def write(launch: Launch) -> None:
    """Write the file of a launch below runs/."""
    publish(launch.file, launch.text)


def lines(launch: Launch) -> list[str]:
    """The lines about a launch on the screen: its file, its commands, how to get the results."""
    after = [f"download results with: {launch.after}"] if launch.after else []
    return [f"written: {launch.file}", *map(shlex.join, launch.commands), *after]


def start(launch: Launch, engine: str, dry_run: bool, echo: Callable[[str], object]) -> None:
    """Write the file, show the commands and, without `dry_run`, hand over. Raises RecipeError if
    the engine is not installed."""
    known = ENGINES[engine]
    if not dry_run and not shutil.which(known.program):
        message = (
            f"`{known.program}` is not on the PATH of this machine; {known.when_missing}, or add"
            " --dry-run"
        )
        raise RecipeError(message)
    write(launch)
    for line in lines(launch):
        echo(line)
    if not dry_run:
        hand_over(launch, engine)


def hand_over(launch: Launch, engine: str) -> None:
    """Start the engine's own command line, once for each command. After a failure the others still
    run, except after an exit code in STOPS. Raises StageError at the end if a command failed."""
    failures = []
    for words in launch.commands:
        if code := subprocess.run(words, check=False).returncode:
            failures.append(f"{words[0]} ended with {code}: {shlex.join(words)}")
            last = code
            if code in STOPS:
                break
    if failures:
        failed = StageError("\n".join(failures))
        failed.exit_code = last if ENGINES[engine].passes_exit_code else 1
        raise failed
