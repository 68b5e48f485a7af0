"""Runs first in every Python process below kotune (kotune.worker.environment), the workers that
Axolotl, torchrun or accelerate start as well: Python imports this module of PYTHONPATH at its
start.

It makes kotune and kodata importable, before any installed copy, and nothing else that lies beside
them: with a checkout itself in PYTHONPATH, a file in it that is named as one of Python's own
modules would be imported in that one's place. It blocks kernels of the hub; which fault that mends
stands in kotune.train.upstream. It has kotune.worker.vocabularies lock tokenizers as soon as those
are imported. A sitecustomize that this one hides is executed as if this were not here."""

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import module_from_spec
from types import ModuleType

HERE = __file__.rpartition("/")[0]
ROOT = HERE.removesuffix("/kotune/worker/startup")


class Ours:
    """Finds these two packages, and leaves their submodules and all else to others."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return PathFinder.find_spec(name, [ROOT]) if name in ("kodata", "kotune") else None


class Locked(SourceFileLoader):
    """tokenizers/models/__init__.py, whose classes nobody sees as they are in the file."""

    def exec_module(self, module: ModuleType) -> None:
        super().exec_module(module)
        from kotune.worker.vocabularies import lock

        lock(module)


class Vocabularies:
    """Finds tokenizers.models, however it is installed."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        found = PathFinder.find_spec(name, path) if name == "tokenizers.models" else None
        if found and found.origin:
            found.loader = Locked(name, found.origin)
        return found


# An import of it fails, as if it were not installed.
sys.modules["kernels"] = None  # type: ignore[assignment]
sys.meta_path[:0] = [Ours, Vocabularies]
sys.path[:] = [place for place in sys.path if place != HERE]
if (hidden := PathFinder.find_spec(__name__)) and hidden.loader:
    hidden.loader.exec_module(module_from_spec(hidden))
