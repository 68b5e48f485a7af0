"""Checking rows in batches gives the same result as checking each row by itself."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from kodata.card import NotRead, Refused, Rewritten, SourceItem
from kodata.control_text import are_ready, is_complete, neutralize_record
from kodata.prepare.usable import Tally, usable_records

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
def test_a_batch_gives_the_same_records_and_counts_as_single_rows(found: list[SourceItem]) -> None:
    together, single = Tally(), Tally()
    made = [*usable_records(iter(found), "train", together)]
    assert made == [record for each in found for record in usable_records([each], "train", single)]
    assert (
        together.read["train"]
        == single.read["train"]
        == sum(isinstance(each, (dict, Refused)) for each in found)
    )
    assert (together.dropped, together.counts()) == (single.dropped, single.counts())


@given(records=st.lists(RECORDS, min_size=1, max_size=4))
def test_what_is_sound_together_needs_nothing_by_itself(records: list[dict[str, Any]]) -> None:
    if are_ready(records):
        assert all(
            neutralize_record(record) == (record, ()) and is_complete(record) for record in records
        )
