#!/usr/bin/env python3
"""The command line of a checkout: `./cli.py COMMAND` is `kotune COMMAND`."""

import sys

# Python first searches the folder of the script, which is the checkout. If a user's file there has
# the name of a module of Python or of a library, Python would import that file instead.
if __name__ == "__main__" and not getattr(sys.flags, "safe_path", False):
    del sys.path[0]

import os
from importlib.machinery import PathFinder
from pathlib import Path

HERE = Path(__file__).resolve().parent
VENV = HERE / ".venv" / "bin" / "python"
# Use the environment that `make` built, even if it is not activated.
if sys.prefix == sys.base_prefix and VENV.exists():
    os.execv(VENV, [str(VENV), "-P", str(HERE / "cli.py"), *sys.argv[1:]])


class CheckoutFinder:
    """An import finder for the packages kodata and kotune of this checkout. They take precedence
    over an installed copy. Nothing else in the checkout can be imported."""

    @staticmethod
    # Without annotations, because an old Python would fail on them before the message below.
    def find_spec(name, path=None, target=None):  # type: ignore[no-untyped-def]
        return PathFinder.find_spec(name, [str(HERE)]) if name in ("kodata", "kotune") else None


sys.meta_path.insert(0, CheckoutFinder)

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
