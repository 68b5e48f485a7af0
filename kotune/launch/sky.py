"""SkyPilot: one managed job with all runs in turn, kept in a bucket.

A machine's start and the download of its software are most of a small run's price, so that one machine takes all runs.
"""

import os
from pathlib import Path

from kotune.errors import RecipeError
from kotune.launch.engine import (
    FOLDER,
    TOKENS,
    Engine,
    Launch,
    LaunchOptions,
    Submissions,
    launch_name,
    local_places,
    render,
)
from kotune.runs.folder import command

MOUNT = Path("/kotune-runs")  # where SkyPilot mounts the bucket
DOWNLOADS = {
    "s3": "aws s3 sync {bucket} runs",
    "gs": "gcloud storage rsync --recursive {bucket} runs",
    "r2": "",
}  # by the bucket's scheme, the command that brings runs back


def _prepare(submissions: Submissions, options: LaunchOptions) -> Launch:
    download = _download(options.bucket)
    _check_places(submissions)
    names = [name for name in TOKENS if os.environ.get(name)]
    runs = [
        command(submission.recipe, *options.arguments(submission)[1:], runs_dir=MOUNT) for submission in submissions
    ]
    name = launch_name(submissions, options)
    file = FOLDER / f"{name}.sky.yaml"
    text = render("sky.yaml", name=name, bucket=options.bucket, mount=MOUNT, names=names, runs=runs)
    secrets = [word for name in names for word in ("--secret", name)]
    return Launch(file, text, [[SKY.program, "jobs", "launch", *secrets, *options.passed, str(file)]], download)


def _download(bucket: str | None) -> str:
    """The command that brings runs back from `bucket`, empty where none is known. RecipeError where SkyPilot cannot take it."""
    scheme = (bucket or "").partition("://")[0]
    if scheme not in DOWNLOADS:
        raise RecipeError(
            f"--bucket {bucket or 'is missing'}: SkyPilot keeps runs in a bucket of yours, so that a machine that is "
            "taken away costs little; give one that exists, as --bucket s3://NAME (or gs://, r2://)"
        )
    return DOWNLOADS[scheme].format(bucket=bucket)


def _check_places(submissions: Submissions) -> None:
    """RecipeError where this folder, which is all that SkyPilot is sent, lacks cli.py or a file that a recipe names."""
    if not Path("cli.py").is_file():
        raise RecipeError(f"{Path.cwd()}: SkyPilot is sent this folder, and cli.py is not in it; launch where it is")
    places = [place for sent, recipe in submissions.items() for place in (sent.recipe, *local_places(recipe))]
    for outside in (place for place in places if place.is_absolute() or ".." in place.parts):
        raise RecipeError(f"{outside}: SkyPilot is sent this folder alone; copy it below {Path.cwd()}")


SKY = Engine(
    name="sky",
    program="sky",
    when_missing="install SkyPilot in an environment of its own and put its `bin` on the PATH: python3 -m venv ~/sky && "
    "~/sky/bin/pip install 'skypilot[aws]' (docs/skypilot.md)",
    prepare=_prepare,
    takes_bucket=True,
    needs_checkout=True,
)
