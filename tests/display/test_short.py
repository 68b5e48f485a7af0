"""A short answer leaves out what matters least, and says so. Its commands stay commands."""

import io
import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from kotune.display import short
from kotune.display.phrases import Phrases
from kotune.display.short import BLANK, COLUMNS, LINES, Paragraph

WORDS = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=30)


def shown(*paragraphs: Paragraph, width: int = 300) -> list[str]:
    console = Console(file=io.StringIO(), width=width)
    with console.capture() as captured:
        short.show(paragraphs, Phrases("en"), console)
    return captured.get().splitlines()


def test_what_fits_is_printed_as_it_is() -> None:
    assert shown(Paragraph("a"), BLANK, Paragraph("b", 3)) == ["a", "", "b"]


def test_the_last_of_the_least_important_goes_first() -> None:
    many = [Paragraph(f"{rank} {n}", rank) for rank in (0, 1, 2) for n in range(10)]
    lines = shown(*many)
    assert lines == [*(text for text, *_ in many[:24]), "6 more: --all"]


def test_blank_lines_go_before_any_text_and_are_not_counted() -> None:
    texts = [f"{n}" for n in range(LINES)]
    many = [Paragraph(text, 1) for text in texts]
    assert shown(*many[:9], BLANK, *many[9:]) == texts
    assert shown(*many[:9], BLANK, *many[9:], many[0]) == [*texts[:24], "2 more: --all"]
    assert shown(*many[:9], BLANK, *many[9:-1]) == [*texts[:9], "", *texts[9:-1]]
    assert shown(*many, BLANK) == texts


def test_what_must_stay_stays_however_long() -> None:
    assert len(shown(*[Paragraph("a")] * 40, Paragraph("b", 1))) == 41


@pytest.mark.parametrize("text", ["가나다라마바 " * 40, "word " * 60, "x" * 250, "가" * 150])
def test_no_line_is_too_wide_and_no_word_is_lost(text: str) -> None:
    lines = shown(Paragraph(text))
    assert max(map(cell_len, lines)) <= COLUMNS
    assert "".join("".join(lines).split()) == "".join(text.split())


@given(st.lists(WORDS, min_size=1, max_size=20))
def test_a_command_is_read_by_a_shell_as_it_was(words: list[str]) -> None:
    lines = shown(Paragraph(shlex.join(words), is_command=True))
    assert shlex.split("\n".join(lines).replace("\\\n", "\n")) == words
    assert all(line.endswith(" \\") for line in lines[:-1])
    assert max(map(cell_len, lines)) <= COLUMNS


def test_text_of_a_file_cannot_act_on_the_terminal() -> None:
    assert shown(Paragraph("a\x1b[2Jb")) == [r"a\u001b[2Jb"]
