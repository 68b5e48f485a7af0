"""Checks for a C compiler and Python's headers. Triton (3.7) needs both at its first use, to
compile the code that launches its kernels. Without this check, a run would fail just before its
first training step, after the model and the data are downloaded."""

import os
import shutil
import sysconfig
from pathlib import Path

from kodata.errors import Translatable
from kotune.worker.environment import environment

INSTALL = Translatable(
    "on Debian and Ubuntu: sudo apt-get install build-essential python{version}-dev",
    version=sysconfig.get_python_version(),
)


def missing() -> str:
    """What Triton needs and cannot find, for a message: `no C compiler (...)` or `no Python.h in
    ...`. Empty if nothing is missing."""
    path = environment()["PATH"]
    compiler = os.environ.get("CC")
    names = [compiler] if compiler else ["gcc", "clang"]
    if not any(shutil.which(name, path=path) for name in names):
        return (
            Translatable("no C compiler (CC={cc})", cc=compiler)
            if compiler
            else Translatable("no C compiler (gcc or clang)")
        )
    scheme = sysconfig.get_default_scheme()
    folder = sysconfig.get_paths("posix_prefix" if scheme == "posix_local" else scheme)["include"]
    return (
        ""
        if (Path(folder) / "Python.h").is_file()
        else Translatable("no Python.h in {folder}", folder=folder)
    )
