"""The SkyPilot engine. One managed job executes all runs of a launch on one machine, one after
another. The runs are stored in a bucket.

A machine for each run would cost more: for a small run, most of the price is for starting a machine
and downloading its software."""

import os
import shlex
from pathlib import Path

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
)
from kotune.recipe.strict_yaml import shown
from kotune.runs.folder import command

MOUNT = Path("/kotune-runs")  # where SkyPilot mounts the bucket on its machine
HEAD = """\
# Written by kotune launch: a SkyPilot task for a managed job. Then SkyPilot deletes the machine.
# accelerators: the cheapest available one is used; for another: sky jobs launch --gpus L4:1 ...
"""
RESOURCES = {
    "accelerators": {"A100": 1, "A100-80GB": 1},
    "use_spot": True,  # cheaper; if the machine is taken away, SkyPilot starts another one
    "disk_size": 100,
    # After these exit codes, SkyPilot starts the job again: 75 means that the hub was unreachable,
    # 143 that the machine was taken away and the run saved a checkpoint. Any other code is final.
    "job_recovery": {"recover_on_exit_codes": [75, 143]},
    # Only for a user who starts the task with `sky launch`, which keeps the machine after the task.
    # This setting deletes the machine after 10 idle minutes. A managed job (`sky jobs launch`)
    # deletes its machine at its end.
    "autostop": {"idle_minutes": 10, "down": True},
}
SETUP = """\
# The same as `make setup`, with the Python from SkyPilot's own uv.
~/.local/bin/uv python install 3.12
"$(~/.local/bin/uv python find 3.12)" -P -m venv .venv
bash install.sh .venv/bin
"""
# No further run is started after the exit codes 75 (hub unreachable), 130 (interrupted) and 143
# (machine taken away), because it would fail for the same reason.
RUN_HEAD = """\
# A failed run does not stop the others; a preemption or an unreachable hub stops all.
failed=0
try() { "$@" || { code=$?; case $code in 75|130|143) exit $code ;; esac; failed=$code; }; }"""
# Maps the scheme of a bucket's address to the command that downloads the runs. The command is empty
# if none is known.
DOWNLOADS = {
    "s3": "aws s3 sync {bucket} runs",
    "gs": "gcloud storage rsync --recursive {bucket} runs",
    "r2": "",
}


class _Dumper(yaml.SafeDumper):
    """PyYAML's safe dumper, except that a text of several lines is written as a literal block
    (`|`)."""


_Dumper.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar(
        "tag:yaml.org,2002:str", text, style="|" if "\n" in text else None
    ),
)


def _prepare(submissions: Submissions, options: LaunchOptions) -> Launch:
    """The launch on SkyPilot. Raises RecipeError as _download() and _check_folder() do."""
    download = _download(options.bucket)
    _check_folder(submissions)
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


def _task(name: str, bucket: str, names: list[str], runs: list[str]) -> dict[str, object]:
    """A SkyPilot task, in the form that is written as YAML. `names`: the environment variables that
    hold tokens; `runs`: one shell command for each run."""
    # The task has only the names of the variables. The option --secret of the command makes
    # SkyPilot read their values from the user's environment.
    secrets = {"secrets": dict.fromkeys(names)} if names else {}
    return {
        "name": name,
        "resources": RESOURCES,
        "workdir": ".",  # this folder, without the files that git ignores
        # Runs are stored in the bucket, so another machine can continue them. They need the mode
        # MOUNT_CACHED: with MOUNT, files cannot be appended to, renamed or locked.
        "file_mounts": {str(MOUNT): {"source": bucket, "mode": "MOUNT_CACHED"}},
        "envs": {"AXOLOTL_DO_NOT_TRACK": "1"},
        **secrets,
        "setup": SETUP,
        "run": "\n".join([RUN_HEAD, *(f"try {line}" for line in runs), "exit $failed", ""]),
    }


def _download(bucket: str | None) -> str:
    """The command that downloads the runs from a bucket, such as `s3://NAME`. Empty if DOWNLOADS
    has no command for the scheme of its address. Raises RecipeError if `bucket` is None, or if the
    scheme is not in DOWNLOADS."""
    scheme = (bucket or "").partition("://")[0]
    if scheme not in DOWNLOADS:
        raise RecipeError(
            f"--bucket {shown(bucket or 'is missing')}: SkyPilot stores runs in your bucket, so"
            " little is lost if a machine is taken away; give an existing one, as --bucket"
            " s3://NAME (or gs://, r2://)"
        )
    return DOWNLOADS[scheme].format(bucket=shlex.quote(str(bucket)))


def _check_folder(submissions: Submissions) -> None:
    """Raise RecipeError if cli.py is not in the current folder, or if a recipe or a file that it
    names is not below this folder. SkyPilot uploads only this folder."""
    if not Path("cli.py").is_file():
        raise RecipeError(
            f"{Path.cwd()}: SkyPilot uploads this folder, but cli.py is not in it; launch from the"
            " folder of cli.py"
        )
    if outside := paths.outside(paths.all_paths(submissions)):
        raise RecipeError(
            f"{shown(outside)}: SkyPilot uploads only this folder; copy it below {Path.cwd()}"
        )


SKY = Engine(
    name="sky",
    program="sky",
    when_missing=(
        "install SkyPilot in a separate environment and put its `bin` on the PATH: python3 -m"
        " venv ~/sky && ~/sky/bin/pip install 'skypilot[aws]==0.14.1' (docs/skypilot.md)"
    ),
    prepare=_prepare,
    takes_bucket=True,
    needs_checkout=True,
)
