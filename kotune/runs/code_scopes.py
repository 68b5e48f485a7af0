"""What the scopes of a Python file bind: names of the top level, of a function, of a comprehension,
and what is imported."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

# Of a module: all that it defines; what its top level does beside defining.
WHOLE, EFFECTS = ("", "<effects>")
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
SCOPES = (*DEFINITIONS, ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
NAMING = (*DEFINITIONS, ast.ExceptHandler, ast.MatchAs, ast.MatchStar)
IMPORTS = (ast.Import, ast.ImportFrom)
COMPOUND = (ast.If, ast.Try, ast.With, ast.For, ast.While)


class Definition(NamedTuple):
    """A definition of a module, or its WHOLE or its EFFECTS; WHOLE of a data file."""

    file: Path
    name: str


class Imported(NamedTuple):
    module: str
    name: str | None  # None: the module itself


Target = Definition | str  # a string: a dotted name outside the project
Names = dict[str, Imported | None]  # what a scope binds; None where it is no import
Scopes = tuple[Names, ...]  # the innermost last; empty at the top level


class Module:
    """The top level of a file: the statements that bind each name, its imports, and the statements
    that do more than that."""

    def __init__(self, file: Path) -> None:
        self.bound: dict[str, list[ast.stmt]] = {}
        self.effects: list[ast.stmt] = []
        self.imports: dict[str, Imported] = {}
        for statement in filter(_does_something, ast.parse(file.read_bytes()).body):
            names = bindings([statement])
            self.imports |= {name: target for name, target in names.items() if target}
            for name in (name for name, target in names.items() if not target):
                self.bound.setdefault(name, []).append(statement)
            if not names or isinstance(statement, COMPOUND):
                self.effects.append(statement)


def _does_something(statement: ast.stmt) -> bool:
    """Whether a statement of the top level counts when its module is used."""
    if isinstance(statement, ast.Expr):
        return not isinstance(statement.value, ast.Constant)
    if isinstance(statement, ast.If):  # of type checkers, or of whoever starts the file
        return ast.unparse(statement.test) not in ("TYPE_CHECKING", "__name__ == '__main__'")
    future = isinstance(statement, ast.ImportFrom) and statement.module == "__future__"
    exported = isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "__all__"
    return not (future or exported or isinstance(statement, ast.Pass))


def _own(nodes: list[Any]) -> Iterator[ast.AST]:
    """The nodes of a scope without those of the scopes inside it."""
    for node in nodes:
        yield node
        if not isinstance(node, SCOPES):
            yield from _own(list(ast.iter_child_nodes(node)))


def bindings(nodes: list[Any]) -> Names:
    """What a scope binds in these nodes."""
    names: Names = {}
    elsewhere: set[str] = set()
    for node in _own(nodes):
        if isinstance(node, IMPORTS):
            names |= _imports(node)
        elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            names[node.id] = None
        elif isinstance(node, NAMING) and node.name:
            names[node.name] = None
        elif isinstance(node, ast.Global | ast.Nonlocal):
            elsewhere.update(node.names)
    return {name: target for name, target in names.items() if name not in elsewhere}


def _imports(node: ast.Import | ast.ImportFrom) -> Names:
    if isinstance(node, ast.ImportFrom):
        return {
            alias.asname or alias.name: Imported("." * node.level + (node.module or ""), alias.name)
            for alias in node.names
        }
    return {
        alias.asname or alias.name.partition(".")[0]: Imported(
            alias.name if alias.asname else alias.name.partition(".")[0], None
        )
        for alias in node.names
    }


def arguments_of(arguments: ast.arguments) -> Names:
    several = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return dict.fromkeys(arg.arg for arg in (*several, arguments.vararg, arguments.kwarg) if arg)
