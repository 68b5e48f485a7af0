"""Text and draws: the quick ways say the same as the plain ones."""

import re
import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kodata.records import make_draw
from kodata.text import clean, unspaced
from tests.written import cleaned

EVERY = "".join(map(chr, range(sys.maxunicode + 1)))
ANY = st.text(st.characters() | st.sampled_from("\r\n\t \x00\x1f\x7f\x85\xa0\u3000\ud83d가A"))


def test_of_all_characters_the_unwanted_are_taken_out() -> None:
    assert clean(f"가{EVERY}나") == cleaned(f"가{EVERY}나")


@given(ANY)
@example("\U000e0000")
def test_a_clean_text_is_what_it_promises(text: str) -> None:
    assert clean(text) == cleaned(text)
    assert clean(clean(text)) == clean(text)


@pytest.mark.parametrize("value", [None, 7, ["가"]])
def test_what_is_no_text_is_a_type_error_for_checked_to_tell(value: object) -> None:
    with pytest.raises(TypeError):
        clean(value)  # type: ignore[arg-type]


@given(ANY)
def test_unspaced_text_has_one_case_and_no_white_space(text: str) -> None:
    assert unspaced(text) == re.sub(r"\s", "", text.casefold())


@given(st.integers(0, 2**32 - 1) | st.text(max_size=9), st.text())
def test_a_draw_follows_from_seed_and_text_alone(seed: int | str, text: str) -> None:
    drawn = make_draw(seed)(text)
    assert 0 <= drawn < 1
    assert make_draw(seed)(text) == drawn


def test_draws_are_even_and_those_of_two_seeds_independent() -> None:
    texts = [f"문장 {number}" for number in range(20_000)]
    first, second = ([make_draw(seed)(text) for text in texts] for seed in (1, 2))
    assert abs(sum(first) / len(first) - 0.5) < 0.01
    assert sum(drawn < 0.05 for drawn in first) == pytest.approx(1_000, rel=0.1)
    assert sum(a < 0.1 and b < 0.1 for a, b in zip(first, second, strict=True)) == pytest.approx(
        200, rel=0.25
    )


def test_draws_stay_what_they_are_from_one_machine_to_another() -> None:
    assert make_draw(42)("한국어") == pytest.approx(0.19163177912667517)
