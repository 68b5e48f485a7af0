"""Docker: a container a run on this machine, one after another, as the user who launches, so that runs/ stays theirs."""

import os
from pathlib import Path

from kotune.launch.engine import (
    FOLDER,
    TOKENS,
    Engine,
    Launch,
    LaunchOptions,
    Submission,
    Submissions,
    local_places,
    render,
)
from kotune.recipe.schema import Recipe
from kotune.runs.folder import RUNS

IMAGE = "kotune"  # docker build -t kotune .
INSIDE = Path("/kotune")  # where the image holds this repository
NAMES = FOLDER / "docker.env"


def _prepare(submissions: Submissions, options: LaunchOptions) -> Launch:
    commands = [_command(submission, recipe, options) for submission, recipe in submissions.items()]
    return Launch(NAMES, render("docker.env", names=TOKENS), commands)


def _command(submission: Submission, recipe: Recipe, options: LaunchOptions) -> list[str]:
    """The container of one run: all GPUs, the cache, runs/ and, to be read only, the recipe and the files that it names."""
    words = [
        DOCKER.program, "run", "--rm", "--init", "--pull", "never",
        "--gpus", "all", "--shm-size", "10g", "--ulimit", "memlock=-1", "--stop-timeout", "60",
        "--user", f"{os.getuid()}:{os.getgid()}", "--env-file", str(NAMES),
        "--volume", "kotune-cache:/cache", "--volume", f"{RUNS.absolute()}:{INSIDE / RUNS}",
    ]  # fmt: skip
    for place in (submission.recipe, *local_places(recipe)):
        words += ["--volume", f"{place.absolute()}:{os.path.normpath(INSIDE / place)}:ro"]
    return [*words, *options.passed, IMAGE, "run", *options.arguments(submission)]


DOCKER = Engine(
    name="docker",
    program="docker",
    when_missing="install Docker Engine and the NVIDIA Container Toolkit, or write the command alone with --dry-run "
    "(docs/docker.md)",
    prepare=_prepare,
    passes_exit_code=True,
    needs_checkout=True,
)
