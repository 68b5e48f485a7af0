"""Checks that a run folder contains only the user's own regular files and folders.

An untrusted folder could contain a link to a file outside of it. A command would then show or
overwrite that file. It could also contain a pipe, on which a command would hang."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from kotune.errors import KotuneError
from kotune.layout import CACHES, CHECKPOINTS, DATA, MODEL, PREPARED, SAMPLES, SCORED
from kotune.models.presets import is_folder

# W&B's folder, with a link to the log of its latest run. kotune neither reads nor writes there.
LINKS = "wandb"
# The folders that are allowed in a run folder: kotune's own, and those of W&B and MLflow. CACHES is
# removed before any program starts, because programs would load code from it.
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
# hundred million bytes. A sparse file may have terabytes, and its digest would take hours. The
# number of blocks on disk cannot be used, because a file system may compress.
MOST = 20_000_000_000
# Programs that are started in the folder read these files. The files could set the server to which
# a program sends data, or environment variables.
SETTINGS = ("wandb/settings", ".comet.config", ".deepspeed_env")


class Unexpected(NamedTuple):
    """A file or folder that no run writes, and the problem with it."""

    path: Path
    problem: str


def check(folder: Path) -> None:
    """Raise KotuneError for the first file in a folder that no run writes. Call this before reading
    or writing any file there.

    A missing folder is accepted. Raises OSError if the folder cannot be read for lack of
    permission."""
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

    Programs are started in the run folder. If it contains a folder with the name of a hub model,
    data set or metric, their libraries (transformers, Axolotl, datasets, evaluate) load the folder
    instead of the hub's repository."""
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
    waiting = [folder]
    while waiting:
        path = waiting.pop()
        try:
            # The run folder itself is allowed to be a link.
            status = path.stat() if path == folder else path.lstat()
            if problem := _problem(path, status, folder):
                yield Unexpected(path, problem)
            if stat.S_ISDIR(status.st_mode):
                waiting += path.iterdir()
        except FileNotFoundError:  # missing, or removed just now by a process that uses the folder
            continue


def _problem(path: Path, status: os.stat_result, folder: Path) -> str:
    """The problem with a file or folder; empty if there is none."""
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
    """Whether W&B made a link. Such a link is in W&B's folder and its target is inside that
    folder."""
    target = link.readlink()
    return (
        link.is_relative_to(folder / LINKS)
        and not target.is_absolute()
        and ".." not in target.parts
    )
