"""docs/commands.md and docs/commands.ko.md are what the program prints."""

import re

import pytest

from docs.scripts.commands import LOCALES, page, path
from kotune.cli import cli


@pytest.mark.parametrize("language", LOCALES)
def test_the_page_of_commands_is_current(language: str) -> None:
    text = path(language).read_text(encoding="utf-8")
    assert text == page(language), "run: python -m docs.scripts.commands"
    told = re.findall(r"^## (\S+)$", text, re.MULTILINE)
    assert told == ["./cli.py", *sorted(cli.commands)]
    assert text.count("Usage: ") + text.count("사용법: ") == len(told)
