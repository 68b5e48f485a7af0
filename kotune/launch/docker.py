"""Docker: a container a run on this machine, one after another, as the user who launches, so that
runs/ stays theirs."""

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
    local_places,
    render,
)
from kotune.recipe.schema import Recipe
from kotune.recipe.strict_yaml import shown
from kotune.runs.folder import RUNS

IMAGE = "kotune"  # docker build -t kotune .
# A folder of the container with nothing in it: the image's own code lies in /kotune.
INSIDE = Path("/inputs")
RECIPE = Path("/recipe")  # where the recipe lies that is not below the current folder here
NAMES = FOLDER / "docker.env"


def _prepare(submissions: Submissions, options: LaunchOptions) -> Launch:
    commands = [_command(submission, recipe, options) for submission, recipe in submissions.items()]
    return Launch(NAMES, render("docker.env", names=TOKENS), commands)


def _command(submission: Submission, recipe: Recipe, options: LaunchOptions) -> list[str]:
    """The container of one run: all GPUs, the cache, runs/ and, to be read only, the recipe and the
    files that it names.

    All of these lie below one folder, in which the run starts, by the names that they have here: so
    no recipe can lay a folder over the code that runs, and the run's folder has the name that it
    has without a container."""
    words = [
        DOCKER.program,
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
        "--stop-timeout",
        "60",
        "--user",
        f"{os.getuid()}:{os.getgid()}",
        "--env-file",
        str(NAMES),
        "--workdir",
        str(INSIDE),
        "--volume",
        "kotune-cache:/cache",
        "--volume",
        f"{RUNS.absolute()}:{INSIDE / RUNS}",
    ]
    places = local_places(recipe)
    if found := paths.outside(places):
        raise RecipeError(
            f"{shown(found)}: a container is given what lies below this folder alone; copy it here,"
            " or link it (ln -s) and name the link in the recipe"
        )
    inside = (
        RECIPE / submission.recipe.name if paths.outside([submission.recipe]) else submission.recipe
    )
    for place, target in [(submission.recipe, inside), *((place, place) for place in places)]:
        words += ["--volume", f"{place.absolute()}:{os.path.normpath(INSIDE / target)}:ro"]
    told = replace(submission, recipe=inside)
    return [*words, *options.passed, IMAGE, "run", *options.arguments(told)]


DOCKER = Engine(
    name="docker",
    program="docker",
    when_missing=(
        "install Docker Engine and the NVIDIA Container Toolkit, or write the command alone with"
        " --dry-run (docs/docker.md)"
    ),
    prepare=_prepare,
    passes_exit_code=True,
    needs_checkout=True,
)
