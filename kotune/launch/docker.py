"""The Docker engine. It starts one container for each run on this machine, one after another. A
container runs as the user who launches it, so this user owns the files in runs/."""

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

IMAGE = "kotune"  # the name of the image, which `docker build -t kotune .` builds
# The container's folder for inputs, in which the run starts. It is empty in the image, whose code
# is in /kotune.
INSIDE = Path("/inputs")
RECIPE = Path("/recipe")  # the container's folder for a recipe that is not below the current folder
NAMES = FOLDER / "docker.env"  # the file with the names of environment variables to pass on


def _prepare(submissions: Submissions, options: LaunchOptions) -> Launch:
    """The launch on Docker. Raises RecipeError as _command() does."""
    commands = [_command(submission, recipe, options) for submission, recipe in submissions.items()]
    return Launch(NAMES, render("docker.env", names=TOKENS), commands)


def _command(submission: Submission, recipe: Recipe, options: LaunchOptions) -> list[str]:
    """The command that starts the container of one run. The cache and runs/ are mounted. The recipe
    and the files that it names are mounted read-only. The container can use all GPUs.

    The files are mounted only below INSIDE. So a recipe cannot mount a folder over the code in the
    image. The files keep their relative paths, so the run's folder has the same name as without a
    container. Only a recipe outside the current folder is mounted below RECIPE instead.

    Raises RecipeError if a file that the recipe names is outside the current folder."""
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
    """The words of the command that are the same for every container, from `docker` to the last
    common option."""
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
