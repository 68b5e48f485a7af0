"""Launches runs on Docker, SLURM or SkyPilot, which are called engines.

A launch writes one file below `runs/launch/`, shows the exact commands, and runs them. Each command
starts the engine's own program. Scheduling jobs, starting machines and tracking jobs is left to the
engine.

The file and the commands may have the names of environment variables that hold tokens, but never a
token. The engine reads the tokens from the user's environment."""

import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterable

from kodata.errors import Translatable, did_you_mean
from kotune.display.phrases.translation import ENGLISH, translate
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
# If a run ends with one of these exit codes, no further command is run, because it would fail for
# the same reason.
STOPS = (UNREACHABLE, INTERRUPTED, PREEMPTED)


def prepare(submissions: Iterable[Submission], engine: str, options: LaunchOptions) -> Launch:
    """The launch of the submissions on an engine. `engine`: a key of ENGINES. Writes no file and
    starts no process.

    Raises RecipeError for an invalid recipe, an unknown engine, a bucket that the engine cannot
    use, a bad number of seeds, a path that fails paths.check(), or a file outside the folder that
    the engine can read. Also raises RecipeError if the engine needs a checkout but kotune is an
    installed package."""
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
    for recipe in loaded.values():
        recipe.all_seeds(options.seeds)  # raises for a bad number of seeds
    paths.check(loaded)
    return ENGINES[engine].prepare(loaded, options)


def write(launch: Launch) -> None:
    """Write the file of a launch, `launch.file`."""
    publish(launch.file, launch.text)


def lines(launch: Launch, language: str = ENGLISH) -> list[str]:
    """The lines that describe a launch on the screen, in this language: its file, its commands, and
    the command that downloads the results, if there is one."""
    written = Translatable("written: {path}", path=launch.file)
    download = Translatable("download results with: {command}", command=launch.after)
    after = [translate(download, language)] if launch.after else []
    return [translate(written, language), *map(shlex.join, launch.commands), *after]


def start(
    launch: Launch,
    engine: str,
    dry_run: bool,
    echo: Callable[[str], object],
    language: str = ENGLISH,
) -> None:
    """Write the file of a launch and show its commands. Unless `dry_run` is true, run them too.
    `echo`: prints one line.

    Raises RecipeError, before anything is written, if the commands are to be run but the engine's
    program is not installed. Raises StageError if a command fails."""
    known = ENGINES[engine]
    if not dry_run and not shutil.which(known.program):
        message = (
            f"`{known.program}` is not on the PATH of this machine; {known.when_missing}, or add"
            " --dry-run"
        )
        raise RecipeError(message)
    write(launch)
    for line in lines(launch, language):
        echo(line)
    if not dry_run:
        hand_over(launch, engine)


def hand_over(launch: Launch, engine: str) -> None:
    """Run the commands of a launch one after another. A command that fails does not stop the next
    ones, unless its exit code is in STOPS. Raises StageError at the end if any command failed."""
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
