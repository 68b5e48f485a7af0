"""Phrases are filled where they are ours; a name of a stranger's is text, whatever places stand in
it."""

import ast

import pytest

from kotune.display.phrases import LANGUAGES, Phrases
from kotune.report.lines import doubts
from kotune.runs.records import Doubted
from tests.conftest import ROOT

HOSTILE = ("{kind:>2000000000}", "{kind.__class__.__mro__}", "{kind!r}", "{", "{0}", "{step}")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_that_we_have_no_word_for_is_shown_and_never_filled(
    name: str, language: str
) -> None:
    say = Phrases(language)
    assert say.word("doubts", name) == say.told("doubts", name, kind=name, step=3) == name
    warning = Doubted.model_validate({"kind": name, "step": 3, "self": 1, "key": 2})
    assert doubts([warning], [], say) == [name]


def test_a_phrase_of_ours_is_filled_once() -> None:
    told = Phrases("en").told("doubts", "flat_loss", n=4, step="{n}", name="x", kind="flat_loss")
    assert "over 4 logged steps, up to step {n};" in told


def test_only_phrases_and_constants_are_filled() -> None:
    """`.format` on anything else may be a format of a stranger's."""
    for path in sorted((ROOT / "kotune").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr in ("format", "format_map"):
                assert _is_ours(node.value) or path.parent.name == "phrases", (
                    f"{path}:{node.lineno}"
                )


def _is_ours(phrase: ast.expr) -> bool:
    """Whether it is a text, or a constant (of several, whichever a condition or key chooses)."""
    if isinstance(phrase, ast.IfExp):
        return _is_ours(phrase.body) and _is_ours(phrase.orelse)
    named = phrase.value if isinstance(phrase, ast.Subscript) else phrase
    return isinstance(named, ast.Constant) or (isinstance(named, ast.Name) and named.id.isupper())
