"""Text and draws: the quick ways say the same as the plain ones."""

import re
import sys
from hashlib import blake2b

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kodata.records import clean, draw, unspaced
from tests.written import cleaned

EVERY = "".join(map(chr, range(sys.maxunicode + 1)))
ANY = st.text(st.characters() | st.sampled_from("\r\n\t \x00\x1f\x7f\x85\xa0\u3000\ud83d가A"))


def test_of_all_characters_the_unwanted_are_taken_out() -> None:
    assert clean(f"가{EVERY}나") == cleaned(f"가{EVERY}나")


@given(ANY)
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


@given(st.integers() | st.text(max_size=9), st.text())
def test_a_draw_is_the_hash_of_seed_and_text(seed: int | str, text: str) -> None:
    digest = blake2b(f"{seed}\0{text}".encode(), digest_size=8).digest()
    assert draw(seed, text) == int.from_bytes(digest, "big") / 2**64
