#!/usr/bin/env python3
"""The command line of a checkout: `./cli.py COMMAND` is `kotune COMMAND`."""

import sys

# The folder of a script is where Python looks first. That is the checkout, where people work: a
# file that lies in it and is named as a module of Python, or of a library, must not be imported in
# that one's place.
if __name__ == "__main__" and not getattr(sys.flags, "safe_path", False):
    del sys.path[0]

import os
from importlib.machinery import PathFinder
from pathlib import Path

HERE = Path(__file__).resolve().parent
VENV = HERE / ".venv" / "bin" / "python"
if sys.prefix == sys.base_prefix and VENV.exists():  # it works without activating what `make` built
    os.execv(VENV, [str(VENV), "-P", str(HERE / "cli.py"), *sys.argv[1:]])


class Ours:
    """Finds the packages of this checkout, before any installed copy, and nothing else that lies
    here."""

    @staticmethod
    # Untyped: an old Python must get to the message below.
    def find_spec(name, path=None, target=None):  # type: ignore[no-untyped-def]
        return PathFinder.find_spec(name, [str(HERE)]) if name in ("kodata", "kotune") else None


sys.meta_path.insert(0, Ours)

try:
    from kotune.cli import cli, main
except ModuleNotFoundError as missing:
    if missing.name not in ("click", "kotune_tasks"):
        raise
    light = "python3.11 -m venv .venv && bash install.sh .venv/bin light"
    print(
        f"error: kotune is not installed here; run `make setup`, or without torch `{light}`",
        file=sys.stderr,
    )
    sys.exit(2)

__all__ = ["cli"]

if __name__ == "__main__":
    main()
