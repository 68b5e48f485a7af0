"""Runs first in every Python process below kotune, which kotune.worker.environment sees to: the workers that Axolotl, torchrun or
accelerate start as well. Which fault this mends stands in kotune.train.upstream.

It hides a sitecustomize of the machine's own, so that is run from here.
"""

import sys
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from pathlib import Path

sys.modules["kernels"] = None  # type: ignore[assignment]  # an import of it fails, as if it were not installed

_others = [place for place in sys.path if Path(place).absolute() != Path(__file__).absolute().parent]
_hidden = PathFinder.find_spec("sitecustomize", _others)
if _hidden and _hidden.loader:
    _hidden.loader.exec_module(module_from_spec(_hidden))
