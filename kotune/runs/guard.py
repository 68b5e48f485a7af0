"""Checks that a run folder contains only the user's own regular files and folders.

An untrusted folder could contain a link to a file outside the folder. A command would then show or
overwrite that file. The folder could also contain a pipe, and reading the pipe would never end."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from kotune.errors import KotuneError
from kotune.layout import CACHES, CHECKPOINTS, DATA, MODEL, PREPARED, SAMPLES, SCORED
from kotune.models.presets import is_folder

# The folder of Weights & Biases (W&B). It has a link to the log of its latest run. kotune neither
# reads nor writes there.
LINKS = "wandb"
# The folders that are allowed in a run folder: kotune's own, and those of W&B and MLflow. Programs
# would load code from CACHES. So kotune.pipeline removes CACHES before any program starts.
FOLDERS = (
    DATA,
    MODEL,
    SAMPLES,
    CHECKPOINTS,
    PREPARED,
    SCORED,
    CACHES,
    LINKS,
    "mlruns",
    "mlartifacts",
)
# The maximum size of a file in bytes, the same as for kodata's downloads. An adapter has a few
# hundred million bytes. A sparse file may have terabytes, and its digest would take hours. A limit
# on the blocks on disk would not help, because a file system may compress a large file.
MOST = 20_000_000_000
# Files that programs read if they are started in the run folder. Such a file could set environment
# variables, or the server to which a program sends data.
SETTINGS = ("wandb/settings", ".comet.config", ".deepspeed_env")


class Unexpected(NamedTuple):
    """A file or folder that no run writes. `problem`: what is wrong with it, for a message."""

    path: Path
    problem: str


def check(folder: Path) -> None:
    """Raise KotuneError if a run folder contains a file or folder that no run writes. Call this
    before reading or writing any file there.

    A missing folder is accepted. Raises OSError if a folder or link cannot be read."""
    for path, problem in _unexpected(folder):
        raise KotuneError(
            f"{path}: {problem}, which no run makes; remove it if you know where it is from, else"
            f" do not use {folder}"
        )


def check_own(folder: Path) -> None:
    """Like check(), but for a folder that will be written to. Also raises KotuneError if the folder
    itself is a symbolic link."""
    if folder.is_symlink():
        raise KotuneError(f"{folder}: a symbolic link instead of a run folder; remove the link")
    check(folder)


def check_run(folder: Path, base: str) -> None:
    """Like check_own(), but for the folder of a run of the model `base`. Also raises KotuneError if
    a file or folder in it has the name of that model, or if a folder is not in FOLDERS.

    `base` is a hub id or the path of a model folder.

    Programs are started in the run folder. Libraries (transformers, Axolotl, datasets, evaluate)
    load a model, data set or metric from the hub by name. If the run folder contains a folder of
    that name, they load this folder instead."""
    check_own(folder)
    refuse_namesake(folder, base)
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.is_dir() and path.name not in FOLDERS and not path.name.startswith("."):
            raise KotuneError(
                f"{path}: a folder that no run makes; a library could load it instead of the hub's"
                " repository of the same name; remove it"
            )


def refuse_namesake(folder: Path, base: str) -> None:
    """Raise KotuneError if `base` is the id of a hub model and the run folder has a file or folder
    with that name. A library would load the file or folder instead of the model."""
    if not is_folder(base) and os.path.lexists(path := folder / base):
        raise KotuneError(
            f"{path}: would be loaded instead of the hub's model {base}, which has the same name;"
            " remove it"
        )


def _unexpected(folder: Path) -> Iterator[Unexpected]:
    """Every file and folder at any depth of `folder` that no run writes. Links are not followed."""
    waiting = [folder]
    while waiting:
        path = waiting.pop()
        try:
            # The run folder itself may be a link, so its link is followed.
            status = path.stat() if path == folder else path.lstat()
            if problem := _problem(path, status, folder):
                yield Unexpected(path, problem)
            if stat.S_ISDIR(status.st_mode):
                waiting += path.iterdir()
        except FileNotFoundError:  # missing, or removed just now by a process that uses the folder
            continue


def _problem(path: Path, status: os.stat_result, folder: Path) -> str:
    """The problem with a file or folder inside the run folder `folder`; empty if there is none.
    `status`: the result of stat()."""
    if stat.S_ISLNK(status.st_mode):
        return "" if _is_wandb_link(path, folder) else "a symbolic link"
    if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
        return "a pipe, a socket or a device"
    if status.st_uid != os.geteuid():
        return f"a file of another user (uid {status.st_uid})"
    if stat.S_ISREG(status.st_mode) and status.st_size > MOST:
        return f"a file of over {MOST:,} bytes"
    return "settings of another program" if path in {folder / name for name in SETTINGS} else ""


def _is_wandb_link(link: Path, folder: Path) -> bool:
    """Whether a link looks like one of W&B's: the link and its target are in W&B's folder."""
    target = link.readlink()
    return (
        link.is_relative_to(folder / LINKS)
        and not target.is_absolute()
        and ".." not in target.parts
    )
