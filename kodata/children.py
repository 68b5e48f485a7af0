"""Where a child process looks for modules and programs: nothing that lies in the folder where it is
started comes first."""

import os
from pathlib import Path

PACKAGES = Path(__file__).parents[1]  # where our packages lie


def search_path(variable: str, *first: Path) -> str:
    """The folders `first` and those of PATH or PYTHONPATH, each once and by its whole name. An
    empty one, as in `PATH=$PATH:`, means the folder that one is in, which for a child is another
    one than for whoever wrote it; it is left out."""
    given = os.environ.get(variable, os.defpath if variable == "PATH" else "")
    places = [
        *map(str, first),
        *(str(Path(place).absolute()) for place in given.split(os.pathsep) if place),
    ]
    return os.pathsep.join(dict.fromkeys(places))


def python_environment(*first: Path) -> dict[str, str]:
    """This process's environment for a Python that finds `first` and its PYTHONPATH before what is
    installed."""
    return {**os.environ, "PYTHONPATH": search_path("PYTHONPATH", *first), "PYTHONSAFEPATH": "1"}
