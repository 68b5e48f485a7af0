#!/usr/bin/env python3
"""The command line of a checkout: `./cli.py COMMAND` is `kotune COMMAND`."""

import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
VENV = HERE / ".venv" / "bin" / "python"
if sys.prefix == sys.base_prefix and VENV.exists():  # it works without activating what `make` built
    os.execv(VENV, [str(VENV), str(HERE / "cli.py"), *sys.argv[1:]])
sys.path.insert(0, str(HERE))

try:
    from kotune.cli import cli, main
except ModuleNotFoundError as missing:
    if missing.name not in ("click", "kotune_tasks"):
        raise
    light = "python3.11 -m venv .venv && bash install.sh .venv/bin light"
    print(f"error: kotune is not installed here; run `make setup`, or without torch `{light}`", file=sys.stderr)
    sys.exit(2)

__all__ = ["cli"]

if __name__ == "__main__":
    main()
