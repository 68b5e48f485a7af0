"""Checks that a run folder holds nothing but files and folders of the user's own. A stranger's
folder could hold a link to a file outside, which a command would show or overwrite, or a pipe, on
which it would wait."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from kotune.errors import KotuneError
from kotune.layout import CACHES, CHECKPOINTS, DATA, MODEL, PREPARED, SAMPLES, SCORED
from kotune.models.presets import is_folder

# A folder of W&B's with a link to its latest run's log. Nothing of ours is read or written there.
LINKS = "wandb"
# Folders in a run folder: our own, and those of W&B and MLflow. CACHES is removed before anything
# starts: code would be loaded from it.
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
# Bytes of a file, as many as kodata reads from the hub; an adapter has some hundred millions. A
# file made by `truncate` may have terabytes, whose digest takes hours. Its size on the disk is no
# measure: on a disk that compresses, it may be a hundredth.
MOST = 20_000_000_000
# Read by programs that start here: a server, variables.
SETTINGS = ("wandb/settings", ".comet.config", ".deepspeed_env")


class Stranger(NamedTuple):
    """A file or folder that no run makes, and what it is."""

    path: Path
    what: str


def check(folder: Path) -> None:
    """KotuneError for the first thing in a folder that no run leaves there, before any file is read
    or written. A missing folder is fine. OSError if the folder may not be read."""
    for path, what in _strange(folder):
        raise KotuneError(
            f"{path}: {what}, which no run leaves in its folder; if you know whose it is, take it"
            f" out, else do not use {folder}"
        )


def check_own(folder: Path) -> None:
    """check(), for a folder that will be written to: it may not be a link itself."""
    if folder.is_symlink():
        raise KotuneError(f"{folder}: a symbolic link, where a run's folder would be; take it away")
    check(folder)


def check_run(folder: Path, base: str) -> None:
    """check_own() for a run of a model. Programs are started in the folder, where libraries
    (transformers, Axolotl, datasets, evaluate) would take a folder for the hub's model, data set or
    metric of the same name."""
    check_own(folder)
    refuse_namesake(folder, base)
    for place in sorted(folder.iterdir()) if folder.is_dir() else ():
        if place.is_dir() and place.name not in FOLDERS and not place.name.startswith("."):
            raise KotuneError(
                f"{place}: a folder that no run makes, and a library could take it for what has its"
                " name on the hub; take it out"
            )


def refuse_namesake(folder: Path, base: str) -> None:
    """KotuneError for anything in a run folder that has a hub model's id as its name and would be
    loaded instead of the model."""
    if not is_folder(base) and os.path.lexists(place := folder / base):
        raise KotuneError(
            f"{place}: what has the name of the hub's model {base} would be loaded in its place;"
            " take it out"
        )


def _strange(folder: Path) -> Iterator[Stranger]:
    waiting = [folder]
    while waiting:
        path = waiting.pop()
        try:
            # A link to a run folder is as good as its name.
            status = path.stat() if path == folder else path.lstat()
            if what := _wrong(path, status, folder):
                yield Stranger(path, what)
            if stat.S_ISDIR(status.st_mode):
                waiting += path.iterdir()
        except FileNotFoundError:  # there is none, or a run that goes on took it away
            continue


def _wrong(path: Path, status: os.stat_result, folder: Path) -> str:
    """What is wrong with a file or folder; empty if nothing is."""
    if stat.S_ISLNK(status.st_mode):
        return "" if _is_trackers(path, folder) else "a symbolic link"
    if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
        return "no file and no folder but a pipe, a socket or a device"
    if status.st_uid != os.geteuid():
        return f"a file of another user (number {status.st_uid})"
    if stat.S_ISREG(status.st_mode) and status.st_size > MOST:
        return f"a file of over {MOST:,} bytes"
    return "settings of another program" if path in {folder / name for name in SETTINGS} else ""


def _is_trackers(link: Path, folder: Path) -> bool:
    """Whether a link is one of W&B's own, to something beside it."""
    target = link.readlink()
    return (
        link.is_relative_to(folder / LINKS)
        and not target.is_absolute()
        and ".." not in target.parts
    )
