"""Where the libraries of a child keep what they make for themselves: where they always do, or in
the folder that the child works in, where that place cannot be written to (a home that is not there
or is somebody else's, a read-only cache). That folder is this user's own, unlike one below /tmp,
from which code of a stranger would be loaded: torch's own place for what it compiles is there, so
that it is always given another. Models and data of the hub are not moved."""

import os
from collections.abc import Iterator
from pathlib import Path

from kotune.layout import CACHES

COMPILED = "TORCHINDUCTOR_CACHE_DIR"


def caches(folder: Path) -> dict[str, str]:
    """The variables that name another place than a library would take, for a child in `folder`."""
    moved = {
        variable: str(folder / CACHES / variable.lower())
        for variable, place in _places()
        if not is_writable(place)
    }
    return compiled() | moved


def compiled() -> dict[str, str]:
    """Where torch keeps what it compiles, unless the user says so."""
    return {} if os.environ.get(COMPILED) else {COMPILED: str(_cache() / "torchinductor")}


def _home() -> Path:
    return Path(os.path.expanduser("~"))  # noqa: PTH111  (Path.home() raises where there is none)


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or _home() / ".cache")


def _places() -> Iterator[tuple[str, Path]]:
    """Each variable of a library with what it says, or with the library's own place."""
    home, given = _home(), os.environ.get
    hub = Path(given("HF_HOME") or _cache() / "huggingface")
    own = {
        "HF_DATASETS_CACHE": hub / "datasets",  # Axolotl's copy of the training rows
        "HF_MODULES_CACHE": hub / "modules",
        "TRITON_CACHE_DIR": Path(given("TRITON_HOME") or home) / ".triton" / "cache",
        "MPLCONFIGDIR": Path(given("XDG_CONFIG_HOME") or home / ".config") / "matplotlib",
        COMPILED: _cache() / "torchinductor",
    }
    for variable, place in own.items():
        yield variable, Path(given(variable) or place)


def is_writable(place: Path) -> bool:
    """Whether a folder, or the nearest above it that is there, takes new files, and so do the
    folders in it: a root that was here before may have left some."""
    if not place.is_absolute():  # it would be another one for each process
        return False
    # os.path.exists() never raises.
    there = next(at for at in (place, *place.parents) if os.path.exists(at))  # noqa: PTH110
    if not _is_open(there):
        return False
    below = [entry.path for entry in os.scandir(there) if entry.is_dir()] if there == place else []
    return all(map(_is_open, below))


def _is_open(folder: str | Path) -> bool:
    return os.path.isdir(folder) and os.access(folder, os.R_OK | os.W_OK | os.X_OK)  # noqa: PTH112
