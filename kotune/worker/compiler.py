"""Checks for a C compiler and Python's headers. Triton (3.7) needs both at its first use, to
compile the code that launches its kernels. Without this check, a run would fail just before its
first training step, after the model and the data are downloaded."""

import os
import shutil
import sysconfig
from pathlib import Path

from kotune.worker.environment import environment

INSTALL = (
    "on Debian and Ubuntu: sudo apt-get install build-essential"
    f" python{sysconfig.get_python_version()}-dev"
)


def missing() -> str:
    """What Triton needs and cannot find, for a message: `no C compiler (...)` or `no Python.h in
    ...`. Empty if nothing is missing."""
    path = environment()["PATH"]
    compiler = os.environ.get("CC")
    names = [compiler] if compiler else ["gcc", "clang"]
    if not any(shutil.which(name, path=path) for name in names):
        return f"no C compiler (CC={compiler})" if compiler else "no C compiler (gcc or clang)"
    scheme = sysconfig.get_default_scheme()
    folder = sysconfig.get_paths("posix_prefix" if scheme == "posix_local" else scheme)["include"]
    return "" if (Path(folder) / "Python.h").is_file() else f"no Python.h in {folder}"
