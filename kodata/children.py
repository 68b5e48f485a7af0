"""Search paths for child processes. They do not contain the child's working directory. So a file
there cannot replace an installed module or program."""

import os
from pathlib import Path

PACKAGES = Path(__file__).parents[1]  # the folder that contains our packages


def search_path(variable: str, *first: Path) -> str:
    """Returns a new value for the environment variable `variable` (PATH or PYTHONPATH). The value
    has the folders `first`, then those of the current value, as absolute paths without duplicates.

    Empty entries, as in `PATH=$PATH:`, are dropped. They would mean the child's working
    directory."""
    value = os.environ.get(variable, os.defpath if variable == "PATH" else "")
    folders = [str(Path(folder).absolute()) for folder in value.split(os.pathsep) if folder]
    return os.pathsep.join(dict.fromkeys([*map(str, first), *folders]))


def python_environment(*first: Path) -> dict[str, str]:
    """A copy of this process's environment for a child process that runs Python. The child searches
    modules in the folders `first`, then in PYTHONPATH, then in the installed packages."""
    return {**os.environ, "PYTHONPATH": search_path("PYTHONPATH", *first), "PYTHONSAFEPATH": "1"}
