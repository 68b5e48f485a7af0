"""SkyPilot: one managed job with all runs in turn, kept in a bucket.

A machine's start and the download of its software are most of a small run's price, so that one
machine takes all runs."""

import os
import shlex
from pathlib import Path
from typing import Any

import yaml

from kotune.errors import RecipeError
from kotune.launch import paths
from kotune.launch.engine import (
    FOLDER,
    TOKENS,
    Engine,
    Launch,
    LaunchOptions,
    Submissions,
    launch_name,
    local_places,
)
from kotune.recipe.strict_yaml import shown
from kotune.runs.folder import command

MOUNT = Path("/kotune-runs")  # where SkyPilot mounts the bucket
HEAD = """\
# Written by kotune launch: a SkyPilot task, to be started as a managed job. SkyPilot ends the
# machine with the job.
# accelerators: the cheaper one of those to be had; another: sky jobs launch --gpus L4:1 ...
"""
RESOURCES = {
    "accelerators": {"A100": 1, "A100-80GB": 1},
    "use_spot": True,  # cheaper, and may be taken away; SkyPilot then takes another one
    "disk_size": 100,
    # The hub out of reach; stopped after a checkpoint. Any other code is final.
    "job_recovery": {"recover_on_exit_codes": [75, 143]},
    "autostop": {
        "idle_minutes": 10,
        "down": True,
    },  # started by `sky launch`: nobody pays for an idle GPU
}
SETUP = """\
# What `make setup` does, with the Python that SkyPilot's own uv brings.
~/.local/bin/uv python install 3.12
"$(~/.local/bin/uv python find 3.12)" -P -m venv .venv
bash install.sh .venv/bin
"""
RUN_HEAD = """\
# One that fails stops no other; a preemption, or the hub out of reach, stops all.
failed=0
try() { "$@" || { code=$?; case $code in 75|130|143) exit $code ;; esac; failed=$code; }; }"""
# By the bucket's scheme, the command that brings runs back.
DOWNLOADS = {
    "s3": "aws s3 sync {bucket} runs",
    "gs": "gcloud storage rsync --recursive {bucket} runs",
    "r2": "",
}


class _Dumper(yaml.SafeDumper):
    """PyYAML's own, which writes scripts as lines."""


_Dumper.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar(
        "tag:yaml.org,2002:str", text, style="|" if "\n" in text else None
    ),
)


def _prepare(submissions: Submissions, options: LaunchOptions) -> Launch:
    download = _download(options.bucket)
    _check_places(submissions)
    names = [name for name in TOKENS if os.environ.get(name)]
    runs = [
        command(submission.recipe, *options.arguments(submission)[1:], runs_dir=MOUNT)
        for submission in submissions
    ]
    name = launch_name(submissions, options)
    file = FOLDER / f"{name}.sky.yaml"
    text = HEAD + yaml.dump(
        _task(name, str(options.bucket), names, runs), Dumper=_Dumper, sort_keys=False, width=4096
    )
    secrets = [word for name in names for word in ("--secret", name)]
    return Launch(
        file,
        text,
        [[SKY.program, "jobs", "launch", *secrets, *options.passed, str(file)]],
        download,
    )


def _task(name: str, bucket: str, names: list[str], runs: list[str]) -> dict[str, Any]:
    """A SkyPilot task; `runs`: a shell's line for each."""
    # Values come with --secret from whoever launches.
    secrets = {"secrets": dict.fromkeys(names)} if names else {}
    return {
        "name": name,
        "resources": RESOURCES,
        "workdir": ".",  # this folder, without what git ignores
        # Runs lie here, so that another machine goes on with them. A run appends, renames and
        # locks: what MOUNT cannot.
        "file_mounts": {str(MOUNT): {"source": bucket, "mode": "MOUNT_CACHED"}},
        "envs": {"AXOLOTL_DO_NOT_TRACK": "1"},
        **secrets,
        "setup": SETUP,
        "run": "\n".join([RUN_HEAD, *(f"try {line}" for line in runs), "exit $failed", ""]),
    }


def _download(bucket: str | None) -> str:
    """The command that brings runs back from `bucket`, empty where none is known. RecipeError where
    SkyPilot cannot take it."""
    scheme = (bucket or "").partition("://")[0]
    if scheme not in DOWNLOADS:
        raise RecipeError(
            f"--bucket {shown(bucket or 'is missing')}: SkyPilot keeps runs in a bucket of yours,"
            " so that a machine that is taken away costs little; give one that exists, as --bucket"
            " s3://NAME (or gs://, r2://)"
        )
    return DOWNLOADS[scheme].format(bucket=shlex.quote(str(bucket)))


def _check_places(submissions: Submissions) -> None:
    """RecipeError where this folder, which is all that SkyPilot is sent, lacks cli.py or a file
    that a recipe names."""
    if not Path("cli.py").is_file():
        raise RecipeError(
            f"{Path.cwd()}: SkyPilot is sent this folder, and cli.py is not in it; launch where"
            " it is"
        )
    places = [
        place
        for sent, recipe in submissions.items()
        for place in (sent.recipe, *local_places(recipe))
    ]
    if found := paths.outside(places):
        raise RecipeError(
            f"{shown(found)}: SkyPilot is sent this folder alone; copy it below {Path.cwd()}"
        )


SKY = Engine(
    name="sky",
    program="sky",
    when_missing=(
        "install SkyPilot in an environment of its own and put its `bin` on the PATH: python3 -m"
        " venv ~/sky && ~/sky/bin/pip install 'skypilot[aws]==0.14.1' (docs/skypilot.md)"
    ),
    prepare=_prepare,
    takes_bucket=True,
    needs_checkout=True,
)
