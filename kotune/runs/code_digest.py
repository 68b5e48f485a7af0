"""What code means, as a digest: it stays the same after a comment, a docstring, an annotation, the
wording of an error, or a move to another module.

A definition (what the top level of a module binds to a name) is read as its syntax tree
(code_text.py). A name in it that is imported, or defined beside it, stands for that definition's
own meaning, not for where it lies. So does the name of a data file beside the module, as in
`with_name("hard_guids.txt")`, for the file's content. A digest covers every definition that is
reached so from some roots, numbered in the order in which they are first met. What comes from
outside the project stands for its dotted name; its version is an input of its own. Nothing is
imported or run.

Where a definition is reached without being named (a dict of modules, looked up by a word of the
recipe), the whole dict counts, or those of its keys that the caller names."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

from kotune.runs.code_scopes import EFFECTS, WHOLE, Definition, Imported, Module, Target
from kotune.runs.code_text import Reader

Cut = Mapping[str, Iterable[str]]  # a dict's dotted name: the keys that count


class Reached(NamedTuple):
    """A definition, its text, and for each reference in the text the number of the definition that
    it names."""

    place: Definition
    text: str
    references: list[int]


class Code:
    """The sources of `packages`, each by the name that it is imported by. A file is read once."""

    def __init__(self, packages: Mapping[str, Path]) -> None:
        self._packages = packages
        self._module = cache(Module)
        self._definition = cache(self._read)

    def digest(self, *roots: str | Path, cut: Cut | None = None) -> str:
        """The digest of what is reached from `roots`, dotted names or data files. LookupError for
        one that is not there."""
        whole = hashlib.sha256()
        for _, text, references in self.reached(*roots, cut=cut):
            whole.update(f"{text} {references}\n".encode())
        return whole.hexdigest()

    def reached(self, *roots: str | Path, cut: Cut | None = None) -> Iterator[Reached]:
        """Every definition that the digest of the same roots covers, in its order."""
        cuts = {self._named(name): frozenset(keys) for name, keys in (cut or {}).items()}
        order = list(
            dict.fromkeys(
                Definition(root, WHOLE) if isinstance(root, Path) else self._named(root)
                for root in roots
            )
        )
        number = {place: at for at, place in enumerate(order)}
        for place in order:  # which grows
            text, references = (
                self._read(place, cuts[place]) if place in cuts else self._definition(place)
            )
            for reference in references:
                if reference not in number:
                    number[reference] = len(order)
                    order.append(reference)
            yield Reached(place, text, [number[reference] for reference in references])

    def target(self, imported: Imported) -> Target:
        """What an import names: a definition where it is made, however many modules hand it on."""
        module, name = imported
        file = self._file(module)
        if file is None:
            return ".".join(filter(None, imported))
        if name is None:
            return Definition(file, WHOLE)
        found = self.bound(file, name)
        inner = self._file(f"{module}.{name}")
        return found or (Definition(inner, WHOLE) if inner else f"{module}.{name}")

    def bound(self, file: Path, name: str) -> Target | None:
        """What the module in a file binds to a name; None where it does not."""
        module = self._module(file)
        if name in module.bound:
            return Definition(file, name)
        if name not in module.imports:
            return None
        imported = module.imports[name]
        # A package that imports a module of its own.
        is_inside = imported.name and self._file(imported.module) == file
        inner = self._file(f"{imported.module}.{imported.name}") if is_inside else None
        return Definition(inner, WHOLE) if inner else self.target(imported)

    def member(self, file: Path, name: str) -> Target | None:
        """The same for an attribute of the module, which may be a module inside it."""
        inside = (
            (file.with_name(f"{name}.py"), file.with_name(name) / "__init__.py")
            if file.stem == "__init__"
            else ()
        )
        inner = next((path for path in inside if path.is_file()), None)
        return self.bound(file, name) or (Definition(inner, WHOLE) if inner else None)

    def _named(self, dotted: str) -> Definition:
        module, _, name = dotted.rpartition(".")
        found = (
            self.target(Imported(module, name)) if module else self.target(Imported(dotted, None))
        )
        if isinstance(found, str):
            raise LookupError(f"nothing in {', '.join(self._packages)} is called {dotted}")
        return found

    def _file(self, module: str) -> Path | None:
        package, *names = module.split(".")
        if package not in self._packages:
            return None
        stem = self._packages[package].joinpath(*names)
        return next(
            (file for file in (stem.with_suffix(".py"), stem / "__init__.py") if file.is_file()),
            None,
        )

    def _read(
        self, place: Definition, keys: frozenset[str] | None = None
    ) -> tuple[str, list[Definition]]:
        """The text of a definition, and what it refers to, in the order of the text."""
        reader = Reader(self, place.file)
        if place.file.suffix != ".py":
            return reader.data(place.file), reader.references
        module = self._module(place.file)
        if place.name == WHOLE:
            members = {
                name: self.bound(place.file, name)
                for name in sorted(module.bound.keys() | module.imports.keys())
            }
            ours = {
                name: target
                for name, target in members.items()
                if isinstance(target, Definition) and target.name != WHOLE
            }
            return json.dumps([*ours]), [*ours.values()]
        if place.name == EFFECTS:
            return reader.text(module.effects), reader.references
        text = reader.text(module.bound[place.name], keys)
        return text, [
            *reader.references,
            *([Definition(place.file, EFFECTS)] if module.effects else []),
        ]
