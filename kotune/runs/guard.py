"""What a run folder may hold: files and folders of the user's own. A stranger's folder could hold
more, to be followed or waited for: a link to a file outside, which a command would read out or
write over, or a pipe."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from kotune.errors import KotuneError
from kotune.layout import CACHES, CHECKPOINTS, DATA, MODEL, PREPARED, SAMPLES, SCORED
from kotune.models.presets import is_folder

# a folder of W&B's, which links its latest run's log; nothing of ours is read or written there
LINKS = "wandb"
# Folders that lie in a run's: our own, and those of W&B and MLflow. What is in CACHES is thrown
# away before anything starts: code would be loaded from it.
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
# Bytes of a file, as many as kodata takes of the hub; an adapter has some hundred millions.
# `truncate` makes terabytes of nothing, whose digest takes hours. What a file takes on the disk
# does not count: where that compresses, it may be a hundredth.
MOST = 20_000_000_000
# Read by programs that start here: a server, variables.
SETTINGS = ("wandb/settings", ".comet.config", ".deepspeed_env")


def check(folder: Path) -> None:
    """KotuneError for the first thing in a folder that no run leaves there; nothing where there is
    no folder. Of what is read or written later nothing was touched. OSError where the folder may
    not be read."""
    for path, told in _strange(folder):
        raise KotuneError(
            f"{path}: {told}, which no run leaves in its folder; if you know whose it is, take it"
            f" out, else do not use {folder}"
        )


def check_own(folder: Path) -> None:
    """check(), for a folder that will be written to: it may not be a link itself."""
    if folder.is_symlink():
        raise KotuneError(f"{folder}: a symbolic link, where a run's folder would be; take it away")
    check(folder)


def check_run(folder: Path, base: str) -> None:
    """check_own(), for a run of a model: programs are started in the folder, and libraries
    (transformers, Axolotl, datasets, evaluate) take a folder there for the model, data set or
    metric of the hub that has its name."""
    check_own(folder)
    refuse_namesake(folder, base)
    for place in sorted(folder.iterdir()) if folder.is_dir() else ():
        if place.is_dir() and place.name not in FOLDERS and not place.name.startswith("."):
            raise KotuneError(
                f"{place}: a folder that no run makes, and a library could take it for what has its"
                " name on the hub; take it out"
            )


def refuse_namesake(folder: Path, base: str) -> None:
    """KotuneError for anything in a run folder that has a hub model's id for its name and would be
    loaded in its place."""
    if not is_folder(base) and os.path.lexists(place := folder / base):
        raise KotuneError(
            f"{place}: what has the name of the hub's model {base} would be loaded in its place;"
            " take it out"
        )


def _strange(folder: Path) -> Iterator[tuple[Path, str]]:
    waiting = [folder]
    while waiting:
        place = waiting.pop()
        try:
            # A link to a run folder is as good as its name.
            found = place.stat() if place == folder else place.lstat()
            if told := _wrong(place, found, folder):
                yield place, told
            if stat.S_ISDIR(found.st_mode):
                waiting += place.iterdir()
        except FileNotFoundError:  # there is none, or a run that goes on took it away
            continue


def _wrong(place: Path, found: os.stat_result, folder: Path) -> str:
    """What is wrong with a file or folder; empty where nothing is."""
    if stat.S_ISLNK(found.st_mode):
        return "" if _is_trackers(place, folder) else "a symbolic link"
    if not stat.S_ISREG(found.st_mode) and not stat.S_ISDIR(found.st_mode):
        return "no file and no folder but a pipe, a socket or a device"
    if found.st_uid != os.geteuid():
        return f"a file of another user (number {found.st_uid})"
    if stat.S_ISREG(found.st_mode) and found.st_size > MOST:
        return f"a file of over {MOST:,} bytes"
    return "settings of another program" if place in {folder / name for name in SETTINGS} else ""


def _is_trackers(link: Path, folder: Path) -> bool:
    """Whether a link is one of W&B's own to something beside it."""
    target = link.readlink()
    return (
        link.is_relative_to(folder / LINKS)
        and not target.is_absolute()
        and ".." not in target.parts
    )
