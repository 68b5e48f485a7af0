"""Prepares every child process of kotune. Python imports this module at its start, because
kotune.worker.environment adds its folder to PYTHONPATH. Workers that Axolotl, torchrun or
accelerate start import it too.

- It makes kotune and kodata importable, in preference to an installed copy. PYTHONPATH does not
  contain the checkout itself, because a file in the checkout could replace a module of Python.
- It blocks the import of `kernels`, so no kernel is loaded from the hub. kotune.train.upstream
  describes the fault that this prevents.
- When tokenizers is imported, it restricts which vocabulary files tokenizers may open
  (kotune.worker.vocabularies).
- It executes another sitecustomize, if this module hides one."""

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import module_from_spec
from types import ModuleType

HERE = __file__.rpartition("/")[0]
ROOT = HERE.removesuffix("/kotune/worker/startup")


class Ours:
    """Finds kodata and kotune. Other finders find their submodules and all other modules."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return PathFinder.find_spec(name, [ROOT]) if name in ("kodata", "kotune") else None


class Locked(SourceFileLoader):
    """Loads tokenizers/models/__init__.py and replaces its classes before other code uses them."""

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


# With None here, `import kernels` fails as if the package were not installed.
sys.modules["kernels"] = None  # type: ignore[assignment]
sys.meta_path[:0] = [Ours, Vocabularies]
sys.path[:] = [path for path in sys.path if path != HERE]
if (hidden := PathFinder.find_spec(__name__)) and hidden.loader:
    hidden.loader.exec_module(module_from_spec(hidden))
