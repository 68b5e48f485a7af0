"""The cache folders of the libraries in a child process.

A library keeps its usual folder if it can write there. Otherwise its cache moves into the child's
working folder, for example if there is no home folder or the cache is read-only. Caches
are never moved below /tmp. A folder there may belong to another user, whose code could be loaded
from it. By default, torch writes compiled code below /tmp. So torch's folder is moved to the user's
cache folder, unless the user has set a folder. Models and data from the hub are never moved."""

import os
from collections.abc import Iterator
from pathlib import Path

from kotune.layout import CACHES

COMPILED = "TORCHINDUCTOR_CACHE_DIR"


def caches(folder: Path) -> dict[str, str]:
    """The environment variables that move the caches of a child process in `folder`."""
    moved = {
        variable: str(folder / CACHES / variable.lower())
        for variable, path in _default_folders()
        if not is_writable(path)
    }
    return compiled() | moved


def compiled() -> dict[str, str]:
    """The environment variable for the folder of torch's compiled code; empty if the user has set
    it."""
    return {} if os.environ.get(COMPILED) else {COMPILED: str(_cache() / "torchinductor")}


def _home() -> Path:
    return Path(os.path.expanduser("~"))  # noqa: PTH111  (Path.home() raises if there is no home)


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or _home() / ".cache")


def _default_folders() -> Iterator[tuple[str, Path]]:
    """Each library's environment variable with its folder. The folder is the variable's value, or
    the library's default if it is not set."""
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
    """Whether a folder and its subfolders can be written to. Subfolders may have been created by
    root. If the folder does not exist, its nearest existing parent is checked."""
    if not path.is_absolute():  # a relative path is a different folder in each process
        return False
    # os.path.exists() never raises.
    existing = next(part for part in (path, *path.parents) if os.path.exists(part))  # noqa: PTH110
    if not _is_open(existing):
        return False
    if existing != path:
        return True
    return all(_is_open(entry.path) for entry in os.scandir(path) if entry.is_dir())


def _is_open(folder: str | Path) -> bool:
    return os.path.isdir(folder) and os.access(folder, os.R_OK | os.W_OK | os.X_OK)  # noqa: PTH112
