"""Each English text that can be translated has one Korean text, with the same placeholders."""

import ast
import copy
import inspect
import pickle
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

import pytest

from kodata.errors import Translatable, joined
from kotune.cli import cli
from kotune.display import table
from kotune.display.language import ADDED, paragraphs
from kotune.display.phrases.translation import FOLDER, korean, preferred, translate
from kotune.display.table import Table
from kotune.display.words import padded
from tests.conftest import ROOT
from tests.display.test_phrases import avoided

SOURCES = [path for room in ("kotune", "kodata") for path in sorted((ROOT / room).rglob("*.py"))]
STATES = {"ok", "warning", "fix"}
WORK = {"rows", "items", "tasks", "baselines", "download", "leak check: reading test data"}
CLICK = {
    *ADDED,
    "Usage: ",
    "Options",
    "Commands",
    "Show this message and exit.",
    "Show the version and exit.",
}


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
    """The text that the argument is, or each of the texts from which a condition chooses.
    `.format` on anything else may be a format of a stranger's."""
    if isinstance(argument, ast.IfExp):
        yield from constants(argument.body, where)
        yield from constants(argument.orelse, where)
    elif isinstance(argument, ast.Constant):
        yield str(argument.value)
    else:
        assert "kodata/errors.py" in where, where  # joined() makes a text of placeholders


def help_texts() -> set[str]:
    """Each paragraph of the help of each command and option."""
    commands = [cli, *cli.commands.values()]
    options = [getattr(option, "help", None) for each in commands for option in each.params]
    texts = [*options, *(command.help for command in commands)]
    return {part for text in texts if text for part in paragraphs(inspect.cleandoc(text))}


def fields(text: str) -> list[tuple[str, str]]:
    """The placeholders of a text, with their formats, in the order of their names."""
    return sorted((name, str(form)) for _, name, form, _ in Formatter().parse(text) if name)


def has_words(text: str) -> bool:
    return any(literal.strip(" .,:;()") for literal, *_ in Formatter().parse(text))


def test_every_message_has_its_korean_text() -> None:
    missing = {text for text in templates() if has_words(text)} - korean().keys()
    assert missing == set()


def test_every_command_and_option_has_its_korean_help() -> None:
    """A changed English text has none until its Korean was looked at again."""
    assert (help_texts() | CLICK) - korean().keys() == set()


def test_no_korean_text_is_left_of_an_english_text_that_is_gone() -> None:
    known = templates() | help_texts() | CLICK | STATES | WORK
    assert korean().keys() - known == set()


def test_each_english_text_is_translated_once() -> None:
    lines = [
        line
        for path in FOLDER.glob("*.yml")
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.startswith("? ")
    ]
    assert len(lines) == len(set(lines)) > 200


@pytest.mark.parametrize("english", korean())
def test_a_korean_text_has_the_same_placeholders(english: str) -> None:
    if english in help_texts():
        return  # it is not filled
    here, there = fields(english), fields(korean()[english])
    assert set(here) == set(there)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yml")), ids=lambda path: path.name)
def test_korean_texts_use_standard_terms(path: Path) -> None:
    assert avoided(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({}, "en"),
        ({"LANG": "ko_KR.UTF-8"}, "ko"),
        ({"LANG": "ko"}, "ko"),
        ({"LANG": "ko_KR@x"}, "ko"),
        ({"LANG": "kok_IN"}, "en"),
        ({"LANG": "C"}, "en"),
        ({"LANG": "en_US.UTF-8"}, "en"),
        ({"LANG": "\udcff;rm {0}"}, "en"),
        ({"LANG": "en_US", "LC_MESSAGES": "ko_KR"}, "ko"),
        ({"LANG": "ko_KR", "LC_MESSAGES": "en_US"}, "en"),
        ({"LANG": "ko_KR", "LC_ALL": "C.UTF-8"}, "en"),
        ({"LANG": "ko_KR", "LC_ALL": "", "LC_MESSAGES": ""}, "ko"),
    ],
)
def test_the_first_variable_that_is_set_decides(environment: dict[str, str], language: str) -> None:
    assert preferred(environment) == language


def test_a_message_is_its_english_text_wherever_it_is_not_translated() -> None:
    message = Translatable("{n:,} of {total}", n=1000, total="{n}")
    assert message == "1,000 of {n}" and f"{message}" == str(message) == translate(message, "en")
    for copied in (copy.deepcopy(message), pickle.loads(pickle.dumps(message))):
        assert copied == message and type(copied) is str


def test_values_are_translated_too_and_never_filled() -> None:
    told = Translatable("{path}: row {row}: {fault}", path="{row}", row=3, fault="no NVIDIA GPU")
    assert translate(told, "ko") == "{row}: 3행: no NVIDIA GPU"
    inner = Translatable("no NVIDIA GPU")
    told = Translatable("{path}: row {row}: {fault}", path="a", row=3, fault=inner)
    assert translate(told, "ko") == "a: 3행: NVIDIA GPU가 없습니다"
    assert translate(joined(" / ", ("no NVIDIA GPU", inner)), "ko") == (
        "no NVIDIA GPU / NVIDIA GPU가 없습니다"
    )


def test_a_table_is_translated_but_for_what_is_not_ours() -> None:
    made = Table("steps", ("", Translatable("steps")), [(Translatable("won"), "won")], 1, ["steps"])
    told = table.translated(made, "ko")
    assert (told.title, told.head, told.rows) == (
        "steps",
        ("", "스텝 수"),
        [("비용(원)", "won")],
    )
    assert told.notes == ["steps"]


def test_a_korean_letter_has_two_columns() -> None:
    assert padded("정상", 8) + "|" == "정상    |" and padded("warning", 8) == "warning "
