"""Lists the names that each scope of a Python file binds, and the origin of imported names.

A scope is the top level of a module, a class, a function or a comprehension. Files are parsed, not
run."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

# Special values of Definition.name. WHOLE_FILE stands for everything that a file defines.
# SIDE_EFFECTS stands for the top-level statements that do more than bind names.
WHOLE_FILE, SIDE_EFFECTS = ("", "<effects>")
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
SCOPES = (*DEFINITIONS, ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
BINDS_ITS_NAME = (*DEFINITIONS, ast.ExceptHandler, ast.MatchAs, ast.MatchStar)
IMPORTS = (ast.Import, ast.ImportFrom)
COMPOUND = (ast.If, ast.Try, ast.With, ast.For, ast.While)  # statements that contain statements


class Definition(NamedTuple):
    """A top-level name of a module, or another part of a file. `name` can also be WHOLE_FILE or
    SIDE_EFFECTS. For a data file it is always WHOLE_FILE."""

    file: Path
    name: str


class Imported(NamedTuple):
    """What an import statement imports. `name` is None if the module itself is imported."""

    module: str
    name: str | None


Target = Definition | str  # a definition in the project, or a dotted name outside it
Names = dict[str, Imported | None]  # the names that a scope binds; None for names not imported
Scopes = tuple[Names, ...]  # the enclosing scopes, innermost last; empty at the top level


class Module:
    """The top level of a Python file.

    - `definitions`: for each name, the statements that bind it
    - `imports`: for each imported name, what it stands for
    - `side_effects`: the statements that do more than bind names
    """

    def __init__(self, file: Path) -> None:
        self.definitions: dict[str, list[ast.stmt]] = {}
        self.side_effects: list[ast.stmt] = []
        self.imports: dict[str, Imported] = {}
        for statement in filter(_is_relevant, ast.parse(file.read_bytes()).body):
            names = bound_names([statement])
            self.imports |= {name: target for name, target in names.items() if target}
            for name in (name for name, target in names.items() if not target):
                self.definitions.setdefault(name, []).append(statement)
            if not names or isinstance(statement, COMPOUND):
                self.side_effects.append(statement)


def _is_relevant(statement: ast.stmt) -> bool:
    """Whether a top-level statement can affect code that imports the module.

    These cannot: docstrings, `__all__`, `__future__` imports, and blocks that only run for type
    checkers or in scripts."""
    if isinstance(statement, ast.Expr):
        return not isinstance(statement.value, ast.Constant)
    if isinstance(statement, ast.If):
        return ast.unparse(statement.test) not in ("TYPE_CHECKING", "__name__ == '__main__'")
    is_future = isinstance(statement, ast.ImportFrom) and statement.module == "__future__"
    is_all = isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "__all__"
    return not (is_future or is_all or isinstance(statement, ast.Pass))


def _nodes_of_scope(nodes: list[Any]) -> Iterator[ast.AST]:
    """The given nodes and their descendants, except those inside inner scopes."""
    for node in nodes:
        yield node
        if not isinstance(node, SCOPES):
            yield from _nodes_of_scope(list(ast.iter_child_nodes(node)))


def bound_names(nodes: list[Any]) -> Names:
    """The names that some syntax nodes of one scope bind. Names declared `global` or `nonlocal` are
    excluded, because they belong to another scope."""
    names: Names = {}
    declared_elsewhere: set[str] = set()
    for node in _nodes_of_scope(nodes):
        if isinstance(node, IMPORTS):
            names |= _imported_names(node)
        elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            names[node.id] = None
        elif isinstance(node, BINDS_ITS_NAME) and node.name:
            names[node.name] = None
        elif isinstance(node, ast.Global | ast.Nonlocal):
            declared_elsewhere.update(node.names)
    return {name: target for name, target in names.items() if name not in declared_elsewhere}


def _imported_names(node: ast.Import | ast.ImportFrom) -> Names:
    """The names that an import binds. `import a.b` binds `a`; `import a.b as c` binds `c`."""
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


def parameter_names(arguments: ast.arguments) -> Names:
    """The names that the parameters of a function bind."""
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return dict.fromkeys(arg.arg for arg in (*named, arguments.vararg, arguments.kwarg) if arg)
