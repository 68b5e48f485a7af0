"""Search paths for child processes. Files in a child's working directory never take precedence over
installed modules and programs."""

import os
from pathlib import Path

PACKAGES = Path(__file__).parents[1]  # the folder that contains our packages


def search_path(variable: str, *first: Path) -> str:
    """A value for the environment variable `variable` (PATH or PYTHONPATH): the folders `first`,
    then the folders of its current value, as absolute paths without duplicates.

    An empty entry, as in `PATH=$PATH:`, is dropped, since it means the working directory, which is
    a different folder in a child process."""
    value = os.environ.get(variable, os.defpath if variable == "PATH" else "")
    folders = [str(Path(folder).absolute()) for folder in value.split(os.pathsep) if folder]
    return os.pathsep.join(dict.fromkeys([*map(str, first), *folders]))


def python_environment(*first: Path) -> dict[str, str]:
    """This process's environment, changed so that Python imports from `first` and then PYTHONPATH
    before installed packages."""
    return {**os.environ, "PYTHONPATH": search_path("PYTHONPATH", *first), "PYTHONSAFEPATH": "1"}
