"""Prepares every child process of kotune. Python imports a module named sitecustomize at its start.
It finds this one, because kotune.worker.environment adds this folder to PYTHONPATH. Workers that
Axolotl, torchrun or accelerate start import this module too.

- It makes this copy of kotune and kodata importable, even if another copy is installed. PYTHONPATH
  does not contain the checkout itself, because a file in the checkout could replace a module of
  Python.
- It blocks the import of `kernels`, so no kernel is loaded from the hub. kotune.train.upstream
  describes the fault that this prevents.
- When tokenizers is imported, it restricts which vocabulary files tokenizers may open
  (kotune.worker.vocabularies).
- If the environment has another sitecustomize, which this one hides, it executes that one too."""

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import module_from_spec
from types import ModuleType

HERE = __file__.rpartition("/")[0]
ROOT = HERE.removesuffix("/kotune/worker/startup")


class Ours:
    """A finder for the packages kodata and kotune. It leaves their submodules and all other modules
    to the next finders."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return PathFinder.find_spec(name, [ROOT]) if name in ("kodata", "kotune") else None


class Locked(SourceFileLoader):
    """A loader for tokenizers.models. It replaces the module's classes before other code uses
    them."""

    def exec_module(self, module: ModuleType) -> None:
        super().exec_module(module)
        from kotune.worker.vocabularies import lock

        lock(module)


class Vocabularies:
    """A finder for tokenizers.models, which is then loaded by Locked."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path) if name == "tokenizers.models" else None
        if spec and spec.origin:
            spec.loader = Locked(name, spec.origin)
        return spec


# With None here, `import kernels` fails as if the package were not installed.
sys.modules["kernels"] = None  # type: ignore[assignment]
sys.meta_path[:0] = [Ours, Vocabularies]
# Without this folder in sys.path, a search for sitecustomize finds the one that this module hides.
sys.path[:] = [path for path in sys.path if path != HERE]
if (hidden := PathFinder.find_spec(__name__)) and hidden.loader:
    hidden.loader.exec_module(module_from_spec(hidden))
