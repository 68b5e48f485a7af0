"""Python files as text that holds what they do and nothing else, with references to other
definitions left out of it.

Left out: comments, docstrings, annotations (but for fields of pydantic models, which act on them),
the words of an error that is raised, a definition's own name, and how `__file__` is turned into a
folder."""

import ast
import hashlib
import json
import re
from copy import deepcopy
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import yaml

from kotune.runs.code_scopes import (
    DEFINITIONS,
    IMPORTS,
    WHOLE,
    Definition,
    Imported,
    Names,
    Scopes,
    Target,
    arguments_of,
    bindings,
)

DATA_NAME = re.compile(r"[\w./-]+\.(?:jsonl?|ya?ml|npz|txt|jinja)")
TO_FOLDER = {"parent", "parents", "resolve", "absolute"}  # what may follow Path(__file__)
# Classes whose annotations do nothing.
UNTYPED = {"dataclass", "NamedTuple", "Protocol", "TypedDict"}


class Sources(Protocol):
    """Where the names of a module lead (kotune.runs.code_digest.Code)."""

    def target(self, imported: Imported) -> Target: ...
    def bound(self, file: Path, name: str) -> Target | None: ...
    def member(self, file: Path, name: str) -> Target | None: ...


class Reader:
    """Writes parts of one file as text. `references`: what the text leaves out, in its order."""

    def __init__(self, sources: Sources, file: Path) -> None:
        self._sources, self._file = sources, file
        self.references: list[Definition] = []

    def data(self, file: Path) -> str:
        """A data file as its digest; a template without its comments; YAML as what it says, in
        which lm_eval's `!function` names a definition."""
        if file.suffix == ".jinja":
            return json.dumps(_template(file.read_text(encoding="utf-8")))
        if file.suffix in (".yaml", ".yml"):
            return json.dumps(
                self._said(yaml.load(file.read_text(encoding="utf-8"), _Yaml)), default=str
            )
        return hashlib.sha256(file.read_bytes()).hexdigest()

    def text(self, statements: list[ast.stmt], keys: frozenset[str] | None = None) -> str:
        """Statements of the top level. `keys`: of a dict that they bind, those that count."""
        chosen = statements if keys is None else [_cut(statement, keys) for statement in statements]
        return json.dumps([self._node(statement, ()) for statement in chosen])

    def _said(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self._said(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [self._said(inner) for inner in value]
        if isinstance(value, _Function):
            return self._refer(
                self._sources.bound(self._file.with_name(f"{value.stem}.py"), value.name)
                or value.name
            )
        return self._string(value) if isinstance(value, str) else value

    def _refer(self, target: Target) -> Any:
        if isinstance(target, str):
            return {"outside": target}
        self.references.append(target)
        return "<reference>"

    def _string(self, text: str) -> Any:
        """A string, or the data file that it names."""
        if DATA_NAME.fullmatch(text) and (file := (self._file.parent / text).resolve()).is_file():
            return self._refer(Definition(file, WHOLE))
        return text

    def _node(self, node: Any, scopes: Scopes) -> Any:
        """A syntax tree as lists, strings and dicts of its fields."""
        if isinstance(node, list):  # a function's imports are what its names lead to
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
            if target := self._target(node, scopes):
                return self._refer(target)
        special = getattr(self, f"_{type(node).__name__.lower()}", self._fields)
        return special(node, scopes)

    def _fields(self, node: ast.AST, scopes: Scopes, **instead: Any) -> Any:
        """A node's kind and fields, `instead` of what some hold; those that are empty or do nothing
        are left out."""
        fields = {
            name: value
            for name, value in ast.iter_fields(node)
            if name not in ("ctx", "kind", "type_comment")
        }
        told = {
            name: self._node(value, scopes) for name, value in fields.items() if name not in instead
        }
        return [
            type(node).__name__,
            {name: value for name, value in {**told, **instead}.items() if value not in (None, [])},
        ]

    def _constant(self, node: ast.Constant, scopes: Scopes) -> Any:
        return (
            {"text": self._string(node.value)}
            if isinstance(node.value, str)
            else {"value": repr(node.value)}
        )

    def _target(self, node: ast.expr, scopes: Scopes) -> Target | None:
        """What a name, or an attribute of a module, leads to beyond this definition; None for a
        variable or a builtin."""
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            scope = next((scope for scope in reversed(scopes) if node.id in scope), None)
            if scope is None:
                return self._sources.bound(self._file, node.id)
            imported = scope[node.id]
            return self._sources.target(imported) if imported else None
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
            owner = self._target(node.value, scopes)
            if isinstance(owner, str):
                return f"{owner}.{node.attr}"
            return (
                self._sources.member(owner.file, node.attr)
                if owner and owner.name == WHOLE
                else None
            )
        return None

    def _functiondef(self, node: ast.FunctionDef | ast.AsyncFunctionDef, scopes: Scopes) -> Any:
        inner = (*scopes, bindings(node.body) | arguments_of(node.args))
        body = self._node(without_docstring(node.body), inner)
        return self._fields(
            node, scopes, name=node.name if scopes else None, returns=None, body=body
        )

    _asyncfunctiondef = _functiondef

    def _arg(self, node: ast.arg, scopes: Scopes) -> Any:
        return node.arg

    def _lambda(self, node: ast.Lambda, scopes: Scopes) -> Any:
        return self._fields(
            node, scopes, body=self._node(node.body, (*scopes, arguments_of(node.args)))
        )

    def _comprehension_of(self, node: Any, scopes: Scopes) -> Any:
        first, *rest = node.generators
        inner = (*scopes, bindings([generator.target for generator in node.generators]))
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

    _listcomp = _setcomp = _dictcomp = _generatorexp = _comprehension_of

    def _classdef(self, node: ast.ClassDef, scopes: Scopes) -> Any:
        """Functions in a class do not see the names that it binds; the rest of it does."""
        outer, own = (*scopes, Names()), (*scopes, bindings(node.body))
        marks = [
            *node.bases,
            *(mark.func if isinstance(mark, ast.Call) else mark for mark in node.decorator_list),
        ]
        is_typed = not UNTYPED & {getattr(mark, "id", getattr(mark, "attr", "")) for mark in marks}
        body = []
        for statement in without_docstring(node.body):
            told = self._node(statement, outer if isinstance(statement, DEFINITIONS) else own)
            typed = (
                [self._node(statement.annotation, own)]
                if is_typed and isinstance(statement, ast.AnnAssign)
                else []
            )
            body.append([told, *typed])
        return self._fields(node, scopes, name=node.name if scopes else None, body=body)

    def _annassign(self, node: ast.AnnAssign, scopes: Scopes) -> Any:
        """As without its annotation."""
        if node.value is None:
            return ["Declared", self._node(node.target, scopes)]
        return self._node(ast.Assign(targets=[node.target], value=node.value), scopes)

    def _name(self, node: ast.Name, scopes: Scopes) -> Any:
        is_own = not scopes and isinstance(node.ctx, ast.Store)
        return "<name>" if is_own else node.id

    def _raise(self, node: ast.Raise, scopes: Scopes) -> Any:
        """Nothing that ended well depends on the words of an error."""
        silent = deepcopy(node)
        for inner in ast.walk(silent):
            if isinstance(inner, ast.Constant) and isinstance(inner.value, str):
                inner.value = ""
        return self._fields(silent, scopes)


class _Function(NamedTuple):
    stem: str
    name: str


# The loader in C takes a tenth of the time.
class _Yaml(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """lm_eval's YAML files."""


_Yaml.add_multi_constructor(
    "!function", lambda loader, suffix, node: _Function(*node.value.rsplit(".", 1))
)


def _template(text: str) -> list[tuple[str, str]]:
    """The tokens of a template under transformers' settings, in which a comment takes its line with
    it."""
    from jinja2 import Environment, TemplateSyntaxError

    try:
        tokens = list(Environment(trim_blocks=True, lstrip_blocks=True).lex(text))
    except TemplateSyntaxError:
        return [("unread", text)]
    told = [
        (kind, token) for _, kind, token in tokens if "comment" not in kind and kind != "whitespace"
    ]
    # A comment divides the text that it stands in.
    runs = groupby(told, key=lambda told: told[0] == "data")
    return [
        one
        for is_data, run in runs
        for one in ([("data", "".join(text for _, text in run))] if is_data else run)
    ]


def without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    first = body[0]
    is_docstring = (
        isinstance(first, ast.Expr)
        and isinstance(first.value, ast.Constant)
        and isinstance(first.value.value, str)
    )
    return body[is_docstring:]


def _is_location(node: ast.AST) -> bool:
    """Whether an expression is Path(__file__), or a folder above it."""
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
        return node.attr in TO_FOLDER and _is_location(node.value)
    if isinstance(node, ast.Subscript):
        return _is_location(node.value)
    return isinstance(node, ast.Name) and node.id == "__file__"


def _cut(statement: ast.stmt, keys: frozenset[str]) -> ast.stmt:
    """The assignment of a dict with only these keys; what is spread into it stays."""
    value = getattr(statement, "value", None)
    if not isinstance(value, ast.Dict):
        raise TypeError(f"line {statement.lineno} binds no dict that is written out")
    pairs = [
        (k, v)
        for k, v in zip(value.keys, value.values, strict=True)
        if k is None or getattr(k, "value", None) in keys
    ]
    less = ast.Dict(keys=[key for key, _ in pairs], values=[value for _, value in pairs])
    return ast.Assign(targets=[ast.Name("dict", ast.Store())], value=less)
