"""Serializes Python definitions and data files as text for a digest (code_digest.py).

The text contains only what can change a result. It excludes:
- comments, docstrings and the text of raised errors
- annotations, except those of fields of a class that can read them at run time (pydantic models)
- a definition's own name
- the computation of a folder from `__file__`

Each reference to another definition is replaced by a placeholder and listed separately."""

import ast
import hashlib
import json
import re
from copy import deepcopy
from pathlib import Path
from typing import Any, Protocol

from kotune.runs.code_data import FunctionTag, task_yaml, template_tokens
from kotune.runs.code_scopes import (
    DEFINITIONS,
    IMPORTS,
    WHOLE_FILE,
    Definition,
    Imported,
    Names,
    Scopes,
    Target,
    bound_names,
    parameter_names,
)

DATA_FILE = re.compile(r"[\w./-]+\.(?:jsonl?|ya?ml|npz|txt|jinja)")
FOLDER_ATTRIBUTES = {"parent", "parents", "resolve", "absolute"}  # of Path; each gives a location
# The annotations in a class with one of these base classes or decorators do not change behaviour.
ANNOTATIONS_IGNORED = {"dataclass", "NamedTuple", "Protocol", "TypedDict"}


class Resolver(Protocol):
    """Finds the targets of names. kotune.runs.code_digest.Code implements it."""

    def resolve_import(self, imported: Imported) -> Target: ...
    def resolve_name(self, file: Path, name: str) -> Target | None: ...
    def resolve_attribute(self, file: Path, name: str) -> Target | None: ...


class Serializer:
    """Serializes parts of one file as JSON. `references`: the definitions that the placeholders
    stand for, in the order of the text.

    As in ast.NodeVisitor, each method _visit_* handles the node type in its name. `scopes`: the
    scopes that enclose the node. Each method returns a value for JSON."""

    def __init__(self, resolver: Resolver, file: Path) -> None:
        self._resolver, self._file = resolver, file
        self.references: list[Definition] = []

    def data_file(self, file: Path) -> str:
        """The text of a data file: the tokens of a template, the values of a YAML file, or the
        SHA-256 digest of any other file."""
        if file.suffix == ".jinja":
            return json.dumps(template_tokens(file.read_text(encoding="utf-8")))
        if file.suffix in (".yaml", ".yml"):
            value = self._yaml_value(task_yaml(file.read_text(encoding="utf-8")))
            return json.dumps(value, default=str)
        return hashlib.sha256(file.read_bytes()).hexdigest()

    def statements(self, statements: list[ast.stmt], keys: frozenset[str] | None = None) -> str:
        """The text of top-level statements.

        If `keys` is given, each statement must assign a dict literal, and only these keys of the
        dict are included. Raises TypeError if a statement does not assign a dict literal."""
        if keys is not None:
            statements = [_with_keys(statement, keys) for statement in statements]
        return json.dumps([self._node(statement, ()) for statement in statements])

    def _yaml_value(self, value: Any) -> Any:
        """A value of a YAML file, with references instead of paths and `!function` tags."""
        if isinstance(value, dict):
            return {key: self._yaml_value(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [self._yaml_value(inner) for inner in value]
        if isinstance(value, FunctionTag):
            file = self._file.with_name(f"{value.stem}.py")
            return self._reference(self._resolver.resolve_name(file, value.name) or value.name)
        return self._string(value) if isinstance(value, str) else value

    def _reference(self, target: Target) -> Any:
        """What stands for a target in the text. For a definition of the project, this is a
        placeholder, and the definition is added to `references`. Otherwise it is the dotted
        name."""
        if isinstance(target, str):
            return {"outside": target}
        self.references.append(target)
        return "<reference>"

    def _string(self, text: str) -> Any:
        """The string itself. If it is the path of an existing data file, a reference to that file.
        The path is relative to the folder of the file that contains the string."""
        if DATA_FILE.fullmatch(text) and (file := (self._file.parent / text).resolve()).is_file():
            return self._reference(Definition(file, WHOLE_FILE))
        return text

    def _node(self, node: Any, scopes: Scopes) -> Any:
        """A syntax node, a list of nodes, or a plain field of a node, as a value for JSON."""
        if isinstance(node, list):
            # Imports inside a function are skipped. Their names are resolved where they are used.
            return [
                self._node(item, scopes)
                for item in node
                if not (scopes and isinstance(item, IMPORTS))
            ]
        if not isinstance(node, ast.AST):
            return node
        if isinstance(node, ast.expr):
            if _is_location(node):
                return "<location>"
            if target := self._resolve(node, scopes):
                return self._reference(target)
        visit = getattr(self, f"_visit_{type(node).__name__.lower()}", self._fields)
        return visit(node, scopes)

    def _fields(self, node: ast.AST, scopes: Scopes, **replaced: Any) -> Any:
        """The type and the fields of a node. Fields that are empty or have no effect are dropped.
        `replaced`: fields whose serialized values are given by the caller."""
        fields = {
            name: value
            for name, value in ast.iter_fields(node)
            if name not in ("ctx", "kind", "type_comment")
        }
        values = {
            name: self._node(value, scopes)
            for name, value in fields.items()
            if name not in replaced
        } | replaced
        return [
            type(node).__name__,
            {name: value for name, value in values.items() if value not in (None, [])},
        ]

    def _visit_constant(self, node: ast.Constant, scopes: Scopes) -> Any:
        return (
            {"text": self._string(node.value)}
            if isinstance(node.value, str)
            else {"value": repr(node.value)}
        )

    def _resolve(self, node: ast.expr, scopes: Scopes) -> Target | None:
        """The target of a name or of a module's attribute. None for local variables, builtins and
        other expressions."""
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            scope = next((scope for scope in reversed(scopes) if node.id in scope), None)
            if scope is None:
                return self._resolver.resolve_name(self._file, node.id)
            imported = scope[node.id]
            return self._resolver.resolve_import(imported) if imported else None
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
            owner = self._resolve(node.value, scopes)
            if isinstance(owner, str):
                return f"{owner}.{node.attr}"
            return (
                self._resolver.resolve_attribute(owner.file, node.attr)
                if owner and owner.name == WHOLE_FILE
                else None
            )
        return None

    def _visit_functiondef(
        self, node: ast.FunctionDef | ast.AsyncFunctionDef, scopes: Scopes
    ) -> Any:
        inner = (*scopes, bound_names(node.body) | parameter_names(node.args))
        body = self._node(without_docstring(node.body), inner)
        return self._fields(
            node, scopes, name=node.name if scopes else None, returns=None, body=body
        )

    _visit_asyncfunctiondef = _visit_functiondef

    def _visit_arg(self, node: ast.arg, scopes: Scopes) -> Any:
        return node.arg  # without the annotation

    def _visit_lambda(self, node: ast.Lambda, scopes: Scopes) -> Any:
        return self._fields(
            node, scopes, body=self._node(node.body, (*scopes, parameter_names(node.args)))
        )

    def _visit_any_comprehension(self, node: Any, scopes: Scopes) -> Any:
        """Serialize a comprehension. As in Python, its first iterable is evaluated in the enclosing
        scope, and the rest in the comprehension's own scope."""
        first, *rest = node.generators
        inner = (*scopes, bound_names([generator.target for generator in node.generators]))
        generators = [
            self._fields(first, inner, iter=self._node(first.iter, scopes)),
            *self._node(rest, inner),
        ]
        parts = {
            name: self._node(getattr(node, name), inner)
            for name in ("elt", "key", "value")
            if hasattr(node, name)
        }
        return self._fields(node, scopes, generators=generators, **parts)

    _visit_listcomp = _visit_setcomp = _visit_any_comprehension
    _visit_dictcomp = _visit_generatorexp = _visit_any_comprehension

    def _visit_classdef(self, node: ast.ClassDef, scopes: Scopes) -> Any:
        """Serialize a class. As in Python, its methods do not see the names that the class binds,
        but other statements of the class do."""
        in_method, in_class = (*scopes, Names()), (*scopes, bound_names(node.body))
        keeps_annotations = not ANNOTATIONS_IGNORED & _base_and_decorator_names(node)
        body = []
        for statement in without_docstring(node.body):
            is_definition = isinstance(statement, DEFINITIONS)
            parts = [self._node(statement, in_method if is_definition else in_class)]
            if keeps_annotations and isinstance(statement, ast.AnnAssign):
                parts.append(self._node(statement.annotation, in_class))
            body.append(parts)
        return self._fields(node, scopes, name=node.name if scopes else None, body=body)

    def _visit_annassign(self, node: ast.AnnAssign, scopes: Scopes) -> Any:
        """The assignment without its annotation."""
        if node.value is None:
            return ["Declared", self._node(node.target, scopes)]
        return self._node(ast.Assign(targets=[node.target], value=node.value), scopes)

    def _visit_name(self, node: ast.Name, scopes: Scopes) -> Any:
        """The name. A fixed text for the name that the definition itself binds."""
        is_own_name = not scopes and isinstance(node.ctx, ast.Store)
        return "<name>" if is_own_name else node.id

    def _visit_raise(self, node: ast.Raise, scopes: Scopes) -> Any:
        """The statement with its strings emptied. The text of an error does not change the result
        of a successful run."""
        without_text = deepcopy(node)
        for inner in ast.walk(without_text):
            if isinstance(inner, ast.Constant) and isinstance(inner.value, str):
                inner.value = ""
        return self._fields(without_text, scopes)


def _base_and_decorator_names(node: ast.ClassDef) -> set[str]:
    """The last part of the name of each base class and decorator of a class. For
    `@dataclasses.dataclass(frozen=True)` it is `dataclass`."""
    decorators = [
        decorator.func if isinstance(decorator, ast.Call) else decorator
        for decorator in node.decorator_list
    ]
    return {
        getattr(expression, "id", getattr(expression, "attr", ""))
        for expression in (*node.bases, *decorators)
    }


def without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    """The statements of a function or class, except its docstring."""
    first = body[0]
    is_docstring = (
        isinstance(first, ast.Expr)
        and isinstance(first.value, ast.Constant)
        and isinstance(first.value.value, str)
    )
    return body[is_docstring:]


def _is_location(node: ast.AST) -> bool:
    """Whether an expression is `__file__`, its Path, or a folder that contains the file."""
    if isinstance(node, ast.Call):
        takes_file = (
            ast.unparse(node.func) in ("Path", "str")
            and len(node.args) == 1
            and _is_location(node.args[0])
        )
        return takes_file or (
            not node.args and isinstance(node.func, ast.Attribute) and _is_location(node.func)
        )
    if isinstance(node, ast.Attribute):
        return node.attr in FOLDER_ATTRIBUTES and _is_location(node.value)
    if isinstance(node, ast.Subscript):
        return _is_location(node.value)
    return isinstance(node, ast.Name) and node.id == "__file__"


def _with_keys(statement: ast.stmt, keys: frozenset[str]) -> ast.stmt:
    """An assignment of a dict literal, reduced to some keys of the dict. Unpacked parts (`**other`)
    are kept. Raises TypeError if the statement does not assign a dict literal."""
    value = getattr(statement, "value", None)
    if not isinstance(value, ast.Dict):
        raise TypeError(f"line {statement.lineno} does not assign a dict literal")
    pairs = [
        (k, v)
        for k, v in zip(value.keys, value.values, strict=True)
        if k is None or getattr(k, "value", None) in keys
    ]
    reduced = ast.Dict(keys=[key for key, _ in pairs], values=[value for _, value in pairs])
    return ast.Assign(targets=[ast.Name("dict", ast.Store())], value=reduced)
