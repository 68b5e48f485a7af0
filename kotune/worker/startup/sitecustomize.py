"""Runs first in every child process of kotune, because Python imports this module from PYTHONPATH
at its start (kotune.worker.environment). This includes the workers that Axolotl, torchrun or
accelerate start.

It makes kotune and kodata importable, before any installed copy, but no file beside them: if a
checkout were in PYTHONPATH, a file in it could replace a module of Python. It blocks kernels from
the hub; kotune.train.upstream describes the fault that this prevents. It makes
kotune.worker.vocabularies lock tokenizers as soon as tokenizers is imported. A sitecustomize that
this one hides is executed too."""

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import module_from_spec
from types import ModuleType

HERE = __file__.rpartition("/")[0]
ROOT = HERE.removesuffix("/kotune/worker/startup")


class Ours:
    """Finds the two packages. Other finders find their submodules and all other modules."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return PathFinder.find_spec(name, [ROOT]) if name in ("kodata", "kotune") else None


class Locked(SourceFileLoader):
    """Loads tokenizers/models/__init__.py and replaces its classes before any code sees them."""

    def exec_module(self, module: ModuleType) -> None:
        super().exec_module(module)
        from kotune.worker.vocabularies import lock

        lock(module)


class Vocabularies:
    """Finds tokenizers.models and makes Locked its loader."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path) if name == "tokenizers.models" else None
        if spec and spec.origin:
            spec.loader = Locked(name, spec.origin)
        return spec


# Importing `kernels` fails as if it were not installed.
sys.modules["kernels"] = None  # type: ignore[assignment]
sys.meta_path[:0] = [Ours, Vocabularies]
sys.path[:] = [path for path in sys.path if path != HERE]
if (hidden := PathFinder.find_spec(__name__)) and hidden.loader:
    hidden.loader.exec_module(module_from_spec(hidden))
