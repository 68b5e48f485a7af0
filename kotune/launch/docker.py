"""The Docker engine. It starts one container on this machine for each run, one after another. A
container runs as the user who launches it, so the files in runs/ belong to that user."""

import os
from dataclasses import replace
from pathlib import Path

from kotune.errors import RecipeError
from kotune.launch import paths
from kotune.launch.engine import (
    FOLDER,
    TOKENS,
    Engine,
    Launch,
    LaunchOptions,
    Submission,
    Submissions,
    local_paths,
    render,
)
from kotune.recipe.schema import Recipe
from kotune.recipe.strict_yaml import shown
from kotune.runs.folder import RUNS

IMAGE = "kotune"  # docker build -t kotune .
INSIDE = Path("/inputs")  # an empty folder in the container; the image's code is in /kotune
RECIPE = Path("/recipe")  # the container's folder for a recipe that is not below the current folder
NAMES = FOLDER / "docker.env"


def _prepare(submissions: Submissions, options: LaunchOptions) -> Launch:
    commands = [_command(submission, recipe, options) for submission, recipe in submissions.items()]
    return Launch(NAMES, render("docker.env", names=TOKENS), commands)


def _command(submission: Submission, recipe: Recipe, options: LaunchOptions) -> list[str]:
    """The command that starts the container of one run. It mounts the cache and runs/. It also
    mounts the recipe and the files that the recipe names, read-only. The container can use all
    GPUs.

    All files are mounted below one folder, INSIDE, where the run starts. So a recipe cannot mount a
    folder over the code that runs. The files keep their relative paths, so the run's folder has the
    same name as without a container.

    Raises RecipeError if a file is outside the current folder."""
    files = local_paths(recipe)
    if outside := paths.outside(files):
        raise RecipeError(
            f"{shown(outside)}: a container only gets files below this folder; copy it here, or"
            " link it (ln -s) and name the link in the recipe"
        )
    inside = (
        RECIPE / submission.recipe.name if paths.outside([submission.recipe]) else submission.recipe
    )
    mounts = []
    for path, target in [(submission.recipe, inside), *((path, path) for path in files)]:
        mounts += ["--volume", f"{path.absolute()}:{os.path.normpath(INSIDE / target)}:ro"]
    arguments = options.arguments(replace(submission, recipe=inside))
    return [*_container(), *mounts, *options.passed, IMAGE, "run", *arguments]


def _container() -> list[str]:
    """The options of every container."""
    options = {
        "--pull": "never",
        "--gpus": "all",
        "--shm-size": "10g",
        "--ulimit": "memlock=-1",
        "--stop-timeout": "60",
        "--user": f"{os.getuid()}:{os.getgid()}",
        "--env-file": str(NAMES),
        "--workdir": str(INSIDE),
    }
    volumes = ("kotune-cache:/cache", f"{RUNS.absolute()}:{INSIDE / RUNS}")
    return [
        DOCKER.program,
        "run",
        "--rm",
        "--init",
        *(word for option in options.items() for word in option),
        *(word for volume in volumes for word in ("--volume", volume)),
    ]


DOCKER = Engine(
    name="docker",
    program="docker",
    when_missing=(
        "install Docker Engine and the NVIDIA Container Toolkit, or only write the command with"
        " --dry-run (docs/docker.md)"
    ),
    prepare=_prepare,
    passes_exit_code=True,
    needs_checkout=True,
)
