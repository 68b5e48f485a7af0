"""Chooses the cache folders of the libraries in a child process.

A library uses its usual cache folder if it can write there. If it cannot, for example because there
is no home folder, its cache is in the child's working folder. The hub's cache of models and data is
never moved.

/tmp is never chosen for a cache, because another user could put a folder with code there first.
torch's default for compiled code is below /tmp, so torch uses the user's cache folder instead,
unless the user has set a folder."""

import os
from collections.abc import Iterator
from pathlib import Path

from kotune.layout import CACHES

COMPILED = "TORCHINDUCTOR_CACHE_DIR"  # the variable for the folder of torch's compiled code


def caches(folder: Path) -> dict[str, str]:
    """The environment variables that set the cache folders of a child process in the working folder
    `folder`. Only caches that need another folder than the library's default have a variable."""
    moved = {
        variable: str(folder / CACHES / variable.lower())
        for variable, path in _default_folders()
        if not is_writable(path)
    }
    return compiled() | moved


def compiled() -> dict[str, str]:
    """The environment variable COMPILED with a folder below the user's cache folder; empty if the
    user has set the variable."""
    return {} if os.environ.get(COMPILED) else {COMPILED: str(_cache() / "torchinductor")}


def _home() -> Path:
    return Path(os.path.expanduser("~"))  # noqa: PTH111  (Path.home() raises if there is no home)


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or _home() / ".cache")


def _default_folders() -> Iterator[tuple[str, Path]]:
    """The environment variable of each cache, and the folder that is used now. The folder is the
    variable's value, or the default if the variable is not set."""
    home, env = _home(), os.environ.get
    hub = Path(env("HF_HOME") or _cache() / "huggingface")
    defaults = {
        "HF_DATASETS_CACHE": hub / "datasets",  # Axolotl's copy of the training rows
        "HF_MODULES_CACHE": hub / "modules",
        "TRITON_CACHE_DIR": Path(env("TRITON_HOME") or home) / ".triton" / "cache",
        "MPLCONFIGDIR": Path(env("XDG_CONFIG_HOME") or home / ".config") / "matplotlib",
        COMPILED: _cache() / "torchinductor",
    }
    for variable, path in defaults.items():
        yield variable, Path(env(variable) or path)


def is_writable(path: Path) -> bool:
    """Whether this user can write to a folder and to each folder directly in it, which root may
    have created. If the folder does not exist, its nearest existing parent is checked. False for a
    relative path."""
    if not path.is_absolute():  # a relative path is a different folder in each process
        return False
    # Unlike Path.exists(), os.path.exists() never raises.
    existing = next(part for part in (path, *path.parents) if os.path.exists(part))  # noqa: PTH110
    if not _is_open(existing):
        return False
    if existing != path:
        return True
    return all(_is_open(entry.path) for entry in os.scandir(path) if entry.is_dir())


def _is_open(folder: str | Path) -> bool:
    """Whether this user can list, read and write a folder."""
    return os.path.isdir(folder) and os.access(folder, os.R_OK | os.W_OK | os.X_OK)  # noqa: PTH112
