"""Computes a digest of what code does. Nothing is imported or run.

A definition is a name that is bound at the top level of a module, with the statements that bind it.
The digest covers some definitions, called the roots, and every definition that they use directly or
indirectly. code_text.py turns the syntax tree of each definition into text, which is hashed.

The digest does not change with:
- comments, docstrings, formatting and the text of raised errors
- annotations, except those of fields of a class that can read them at run time (pydantic models)
- the module that contains a definition, or the definition's own name
- definitions that cannot be reached from the roots

How names are included:
- A name of the project, imported or not, is replaced by the definition that it refers to.
- A string that is the path of a data file, as in `with_name("hard_guids.txt")`, is replaced by the
  content of that file.
- A name outside the project is included as its dotted name. Versions of packages must be hashed
  separately.

Some dicts contain modules, and a recipe selects some of them by key. All entries of such a dict are
included, unless the caller limits the dict to some keys (KeptKeys)."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

from kotune.runs.code_scopes import SIDE_EFFECTS, WHOLE_FILE, Definition, Imported, Module, Target
from kotune.runs.code_text import Serializer

KeptKeys = Mapping[str, Iterable[str]]  # by the dotted name of a dict: the keys to include


class Reached(NamedTuple):
    """A definition and its text. `references`: for each reference in the text, the number of the
    definition that it refers to."""

    definition: Definition
    text: str
    references: list[int]


class Code:
    """The source files of some packages. Each file is parsed once."""

    def __init__(self, packages: Mapping[str, Path]) -> None:
        """`packages`: the folder of each package, by import name."""
        self._packages = packages
        self._module = cache(Module)
        self._serialized = cache(self._serialize)

    def digest(self, *roots: str | Path, kept_keys: KeptKeys | None = None) -> str:
        """The SHA-256 digest, in hex, of everything that can be reached from the roots. A root is a
        dotted name or a data file. Raises LookupError if a dotted name is not defined, and
        TypeError if a name in `kept_keys` is not assigned a dict literal."""
        sha256 = hashlib.sha256()
        for _, text, references in self.reached(*roots, kept_keys=kept_keys):
            sha256.update(f"{text} {references}\n".encode())
        return sha256.hexdigest()

    def reached(self, *roots: str | Path, kept_keys: KeptKeys | None = None) -> Iterator[Reached]:
        """The definitions that digest() hashes. The roots come first. The others follow in the
        order in which they are first referenced. A definition's number is its position, from 0.

        Takes the same arguments as digest() and raises the same errors."""
        kept = {self._find(name): frozenset(keys) for name, keys in (kept_keys or {}).items()}
        queue = list(
            dict.fromkeys(
                Definition(root, WHOLE_FILE) if isinstance(root, Path) else self._find(root)
                for root in roots
            )
        )
        numbers = {definition: number for number, definition in enumerate(queue)}
        for definition in queue:  # the loop appends to the queue
            text, references = (
                self._serialize(definition, kept[definition])
                if definition in kept
                else self._serialized(definition)
            )
            for reference in references:
                if reference not in numbers:
                    numbers[reference] = len(queue)
                    queue.append(reference)
            yield Reached(definition, text, [numbers[reference] for reference in references])

    def resolve_import(self, imported: Imported) -> Target:
        """The target of an import: a definition, or a dotted name outside the packages. Re-exports
        are followed to the original definition."""
        module, name = imported
        file = self._module_file(module)
        if file is None:
            return ".".join(filter(None, imported))
        if name is None:
            return Definition(file, WHOLE_FILE)
        target = self.resolve_name(file, name)
        submodule = self._module_file(f"{module}.{name}")
        return target or (Definition(submodule, WHOLE_FILE) if submodule else f"{module}.{name}")

    def resolve_name(self, file: Path, name: str) -> Target | None:
        """The target of a top-level name of a module; None if the module does not bind it."""
        module = self._module(file)
        if name in module.definitions:
            return Definition(file, name)
        if name not in module.imports:
            return None
        imported = module.imports[name]
        # If the __init__.py of a package imports a submodule of the package, resolve_import() and
        # this method would call each other without end.
        is_from_itself = imported.name and self._module_file(imported.module) == file
        submodule = (
            self._module_file(f"{imported.module}.{imported.name}") if is_from_itself else None
        )
        return Definition(submodule, WHOLE_FILE) if submodule else self.resolve_import(imported)

    def resolve_attribute(self, file: Path, name: str) -> Target | None:
        """The target of the attribute `name` of the module in `file`. The attribute is a top-level
        name of the module or, in a package, a submodule. None if there is no such attribute."""
        candidates = (
            (file.with_name(f"{name}.py"), file.with_name(name) / "__init__.py")
            if file.stem == "__init__"
            else ()
        )
        submodule = next((path for path in candidates if path.is_file()), None)
        return self.resolve_name(file, name) or (
            Definition(submodule, WHOLE_FILE) if submodule else None
        )

    def _find(self, dotted: str) -> Definition:
        """The definition that a dotted name refers to. Raises LookupError if the packages do not
        define it."""
        module, _, name = dotted.rpartition(".")
        imported = Imported(module, name) if module else Imported(dotted, None)
        target = self.resolve_import(imported)
        if isinstance(target, str):
            raise LookupError(f"{dotted} is not defined in {', '.join(self._packages)}")
        return target

    def _module_file(self, module: str) -> Path | None:
        """The file of a module; None if it is not in the packages."""
        package, *names = module.split(".")
        if package not in self._packages:
            return None
        stem = self._packages[package].joinpath(*names)
        return next(
            (file for file in (stem.with_suffix(".py"), stem / "__init__.py") if file.is_file()),
            None,
        )

    def _serialize(
        self, definition: Definition, keys: frozenset[str] | None = None
    ) -> tuple[str, list[Definition]]:
        """The text of a definition, and the definitions that it refers to, in the order of the
        text. `keys`: for a dict, the keys to include; None for all."""
        file, name = definition
        serializer = Serializer(self, file)
        if file.suffix != ".py":
            return serializer.data_file(file), serializer.references
        if name == WHOLE_FILE:
            members = self._members(file)
            return json.dumps([*members]), [*members.values()]
        module = self._module(file)
        if name == SIDE_EFFECTS:
            return serializer.statements(module.side_effects), serializer.references
        text = serializer.statements(module.definitions[name], keys)
        # Whoever imports one definition of a module also runs the module's side effects.
        side_effects = [Definition(file, SIDE_EFFECTS)] if module.side_effects else []
        return text, [*serializer.references, *side_effects]

    def _members(self, file: Path) -> dict[str, Definition]:
        """The definitions of the packages that a module's top-level names refer to, by name. The
        names are sorted. Names that refer to whole modules are excluded."""
        module = self._module(file)
        targets = {
            name: self.resolve_name(file, name)
            for name in sorted(module.definitions.keys() | module.imports.keys())
        }
        return {
            name: target
            for name, target in targets.items()
            if isinstance(target, Definition) and target.name != WHOLE_FILE
        }
