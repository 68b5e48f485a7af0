"""SLURM: one script for sbatch; several runs are an array, whose tasks start at the same time."""

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
    """kotune's command line by its whole path: a batch job's PATH has no ~/.local/bin."""
    return ROOT / "cli.py" if IS_CHECKOUT else Path(sys.executable).with_name("kotune")


SLURM = Engine(
    name="slurm",
    program="sbatch",
    when_missing=(
        "log in to a node of the cluster where it is, or write the script alone with --dry-run"
        " (docs/slurm.md)"
    ),
    prepare=_prepare,
    starts_at_once=True,
)
