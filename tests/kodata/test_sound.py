"""Rows are looked at many together, and each is told as if it were looked at by itself."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from kodata.card import Found, NotRead, Refused, Rewritten
from kodata.control_text import are_sound, is_whole, made_plain
from kodata.prepare.sound import Tally, sound

TEXTS = st.sampled_from(
    ["가", "", "나 <b>", "<|eot_id|>", "다<|eot_id|>", "[INST] 라", "마 INST]", "\0", "바\0\0"]
)
TURNS = st.lists(
    st.fixed_dictionaries({"role": st.just("user"), "content": TEXTS | st.just("사 ")}),
    min_size=1,
    max_size=2,
)
RECORDS = st.fixed_dictionaries(
    {"guid": TEXTS, "a": TEXTS}, optional={"b": TEXTS, "messages": TURNS}
)
OTHERS = st.sampled_from([Refused("no reason"), NotRead("key", 2), Rewritten("mark", 3)])


@given(found=st.lists(RECORDS | OTHERS, max_size=80))
def test_many_together_are_told_as_each_by_itself(found: list[Found]) -> None:
    together, single = Tally(), Tally()
    made = [*sound(iter(found), "train", together)]
    assert made == [record for each in found for record in sound([each], "train", single)]
    assert (
        together.read["train"]
        == single.read["train"]
        == sum(isinstance(each, (dict, Refused)) for each in found)
    )
    assert (together.dropped, together.told()) == (single.dropped, single.told())


@given(records=st.lists(RECORDS, min_size=1, max_size=4))
def test_what_is_sound_together_needs_nothing_by_itself(records: list[dict[str, Any]]) -> None:
    if are_sound(records):
        assert all(made_plain(record) == (record, ()) and is_whole(record) for record in records)
