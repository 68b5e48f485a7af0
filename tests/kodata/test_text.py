"""Text in the form in which it is stored: composed, in a time that grows with its length, whatever
somebody wrote into it."""

import itertools
import sys
from collections import Counter
from collections.abc import Callable
from typing import Literal
from unicodedata import category, normalize

import pytest

from kodata.aihub_dialogue.archive import side
from kodata.metrics.naturalness.scripts import foreign_words
from kodata.scored import final_answer, thought
from kodata.text import RUN, clean, composed, content, folded, spaced, visible_or_empty
from tests.conftest import bounded_time

MANY = 12_000  # of each of two marks: a second of unicodedata.normalize(), four for twice as many
HOSTILE = [
    "a" + "\u0315" * MANY + "\u0316" * MANY,
    "a" + "\u0f73" * MANY,
    "가" + "\u3099\u0315\u0316" * MANY,
]


@pytest.mark.parametrize("text", HOSTILE, ids=["marks", "letters made of marks", "mixed"])
@pytest.mark.parametrize(
    "of", [clean, content, spaced, folded, final_answer, thought, foreign_words, side]
)
def test_a_long_run_of_marks_is_put_in_order_piece_by_piece(
    of: Callable[[str], object], text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    longest: list[int] = []

    def recorded(form: Literal["NFC", "NFKC"], piece: str) -> str:
        longest.append(len(piece))
        return normalize(form, piece)

    monkeypatch.setattr("kodata.text.normalize", recorded)
    of(text)
    assert longest and max(longest) <= 2 * RUN


def test_nothing_of_such_a_text_is_lost_or_added() -> None:
    for text in (text[:900] + text[-900:] for text in HOSTILE):
        assert Counter(normalize("NFD", composed(text))) == Counter(normalize("NFD", text))
    assert composed("a" + "\u0301" * 300 + "가") == "á" + "\u0301" * 299 + "가"
    assert folded("ﾊ" + "\uff9e" * 1000 + "가").endswith("가")


def test_a_run_that_any_language_writes_is_composed_as_unicode_says() -> None:
    """Wherever in a text it stands, and however often."""
    marks = "\u0316\u0301\u0323\u0315"
    word = "e" + "".join(itertools.islice(itertools.cycle(marks), RUN - 1)) + "각"
    for before in ("", "가" * 99, "나 " * 150, normalize("NFD", "다람쥐 héros ") * 40):
        for form in ("NFC", "NFKC"):
            assert composed(before + word * 5, form) == normalize(form, before + word * 5)


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("    return x\n", "    return x"),
        ("\n \t\n  1. 첫째\n  2. 둘째\n\n", "  1. 첫째\n  2. 둘째"),
        ("\r\n\r\n\tx \r\n", "\tx "),
        ("\x00\u3000가", "\u3000가"),
        (" \n\t\n ", ""),
        ("   ", ""),
        ("", ""),
    ],
)
def test_what_somebody_wrote_keeps_its_own_white_space_and_no_blank_lines_around_it(
    text: str, made: str
) -> None:
    assert content(text) == made and content(made) == made.rstrip("\n")


def test_a_long_run_of_white_space_takes_no_square_of_its_length() -> None:
    with bounded_time():
        assert content(" \n" * 1_000_000 + " " * 1_000_000 + "가").endswith(" 가")


# Format characters that show: signs of Arabic, Syriac and Kaithi numbers, and how hieroglyphs are
# put together.
SHOWN = {
    *range(0x600, 0x606),
    0x6DD,
    0x70F,
    0x890,
    0x891,
    0x8E2,
    0x110BD,
    0x110CD,
    *range(0x13430, 0x13440),
}


def test_a_text_without_anything_visible_is_empty() -> None:
    hidden = [
        chr(code)
        for code in range(sys.maxunicode)
        if category(chr(code)) == "Cf" and code not in SHOWN
    ]
    assert len(hidden) > 100
    for mark in [*hidden, "\u3164", "\uffa0", "\u2800", "\ufe0f", "\u034f"]:
        assert clean(f" {mark} ") == content(f"\n {mark}\n") == "", hex(ord(mark))
    assert visible_or_empty("\u200b" * 1_000_000) == ""
    assert all(
        visible_or_empty(chr(code)) == "" for code in range(sys.maxunicode) if chr(code).isspace()
    )


@pytest.mark.parametrize(
    "text", ["👨\u200d👩\u200d👧", "한\u200b국", "\ufeff글", "می\u200cروم", "❤\ufe0f", "."]
)
def test_invisible_marks_of_a_visible_text_stay(text: str) -> None:
    assert clean(text) == content(text) == text
