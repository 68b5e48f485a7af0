"""The pages of errors quote messages as the source has them."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT

PAGES = [ROOT / "docs" / name for name in ("errors.md", "errors.ko.md")]
GAP = "…"  # stands for what differs in a message


def quoted(page: Path) -> list[str]:
    """The messages in the first columns of the page's tables."""
    rows = re.findall(r"^\| (`+)(.+?)\1 \|", page.read_text(encoding="utf-8"), re.MULTILINE)
    return [message for _, message in rows]


@cache
def messages() -> tuple[str, ...]:
    """Every text in the source and in the phrases, with GAP for each value that it is given."""
    found = []
    for path in [*(ROOT / "kotune").rglob("*.py"), *(ROOT / "kodata").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
            elif isinstance(node, ast.JoinedStr):
                found.append("".join(map(part, node.values)))
    for path in (ROOT / "kotune").rglob("*.yml"):
        found += list(texts(yaml.safe_load(path.read_text(encoding="utf-8"))))
    return tuple(re.sub(rf"{GAP}+", GAP, text) for text in found)


def part(node: ast.expr) -> str:
    """A piece of an f-string."""
    return str(node.value) if isinstance(node, ast.Constant) else GAP


def texts(value: object) -> list[str]:
    """The texts in a YAML document, with GAP for each field."""
    if isinstance(value, dict):
        return [text for each in value.values() for text in texts(each)]
    return [re.sub(r"\{.*?\}", GAP, value)] if isinstance(value, str) else []


def is_in_the_source(message: str) -> bool:
    """Whether some text of the source has the parts of the message in their order."""
    parts = [re.escape(text) for text in message.split(GAP) if text]
    return any(re.search(".*".join(parts), text, re.DOTALL) for text in messages())


def test_every_quoted_message_is_in_the_source() -> None:
    found = quoted(PAGES[0])
    assert len(found) >= 20 and len(set(found)) == len(found)
    assert [message for message in found if not is_in_the_source(message)] == []


def test_both_pages_quote_the_same_messages() -> None:
    assert quoted(PAGES[0]) == quoted(PAGES[1])


@pytest.mark.parametrize("message", ["the flux capacitor … is empty", "gated; ask … politely"])
def test_a_message_that_nothing_prints_is_noticed(message: str) -> None:
    assert not is_in_the_source(message)
