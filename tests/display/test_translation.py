"""Each English text that can be translated has one Korean text, with the same placeholders."""

import ast
import inspect
import re
from collections.abc import Iterator
from string import Formatter

import click
import pytest

from kodata.errors import Translatable, joined
from kotune.cli import cli
from kotune.commands.language import ADDED, paragraphs
from kotune.display.phrases.translation import FOLDER, VARIABLES, korean, preferred, translate
from tests.conftest import ROOT
from tests.display.test_phrases import avoided

SOURCES = [path for room in ("kotune", "kodata") for path in sorted((ROOT / room).rglob("*.py"))]


def templates() -> set[str]:
    """The English texts of all Translatables in the code."""
    return {
        text
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Translatable"
        for text in constants(node.args[0], f"{path}:{node.lineno}")
    }


def constants(argument: ast.expr, where: str) -> Iterator[str]:
    """The text, or one of two texts, that the argument is. It must not come from a stranger."""
    if isinstance(argument, ast.IfExp):
        yield from constants(argument.body, where)
        yield from constants(argument.orelse, where)
    elif "kodata/errors.py" not in where:  # joined() has a template of placeholders only
        assert isinstance(argument, ast.Constant), where
        yield argument.value
