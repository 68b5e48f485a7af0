"""The C compiler and Python's headers: with them Triton (3.7) makes, at its first use, what its
kernels are started with. A machine without them fails once the model and the data are there, and
before its first step."""

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
    """What Triton would not find, in the places where it looks; empty where it finds all."""
    path = environment()["PATH"]
    named = os.environ.get("CC")
    if not any(shutil.which(name, path=path) for name in ([named] if named else ["gcc", "clang"])):
        return f"no C compiler (CC={named})" if named else "no C compiler (gcc or clang)"
    scheme = sysconfig.get_default_scheme()
    folder = sysconfig.get_paths("posix_prefix" if scheme == "posix_local" else scheme)["include"]
    return "" if (Path(folder) / "Python.h").is_file() else f"no Python.h in {folder}"
