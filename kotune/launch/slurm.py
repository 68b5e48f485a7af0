"""The SLURM engine. It submits one script with sbatch. Several runs become a job array, whose tasks
may run at the same time."""

import shlex
import sys
from pathlib import Path

from kotune.launch.engine import (
    FOLDER,
    Engine,
    Launch,
    LaunchOptions,
    Submissions,
    launch_name,
    render,
)
from kotune.shipped import IS_CHECKOUT, ROOT


def _prepare(submissions: Submissions, options: LaunchOptions) -> Launch:
    """The launch on SLURM: the script, and the command that submits it."""
    name = launch_name(submissions, options)
    file = FOLDER / f"{name}.sbatch"
    text = render(
        "slurm.sbatch",
        name=name,
        program=shlex.quote(str(_program())),
        here=shlex.quote(str(Path.cwd())),
        runs=[shlex.join(options.arguments(submission)) for submission in submissions],
        logs=FOLDER,
    )
    return Launch(file, text, [[SLURM.program, *options.passed, str(file)]])


def _program() -> Path:
    """The absolute path of the program that a job starts. The name `kotune` alone would not do,
    because the PATH of a batch job does not contain ~/.local/bin."""
    return ROOT / "cli.py" if IS_CHECKOUT else Path(sys.executable).with_name("kotune")


SLURM = Engine(
    name="slurm",
    program="sbatch",
    when_missing=(
        "log in to a node of the cluster that has it, or only write the script with --dry-run"
        " (docs/slurm.md)"
    ),
    prepare=_prepare,
    starts_at_once=True,
)
