"""No group of any source is on both sides of a split, however the rows lie and however a recipe
takes them."""

import json
import random
import re
import unicodedata
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

import kodata
from kodata.errors import DataError
from kodata.prepare.convert import convert
from kodata.prepare.entries import Entry
from kodata.prepare.output import SPLITS, doc_of
from tests.written import TRAINED, WRITERS, Item

# What a group's text may look like when it comes again.
VARIANTS = (
    str,
    str.upper,
    lambda text: f" {text} ",
    lambda text: text.replace(" ", "  "),
    lambda text: text.replace(" ", "\u3000"),
    lambda text: text.replace(" ", ""),
    lambda text: unicodedata.normalize("NFD", text),
)


def same(text: str) -> str:
    """A group without what the variants change."""
    return re.sub(r"\s", "", unicodedata.normalize("NFC", text)).lower()


def drawn_items(rng: random.Random, groups: int, splits: tuple[str, ...]) -> list[Item]:
    """Two to four rows a group, in any order, written in different ways, some of them twice, in any
    of the splits."""
    items = []
    for group in range(groups):
        for number in range(rng.randint(2, 4)):
            text = rng.choice(VARIANTS)(f"film {group}번 이야기")
            items.append(
                Item(text, f"{group}번의 {number}번째 말", rng.randrange(2), rng.choice(splits))
            )
    items += rng.choices(items, k=groups // 10)
    rng.shuffle(items)
    return items


@pytest.mark.parametrize("name", TRAINED)
@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.filter_too_much],
    phases=(Phase.explicit, Phase.generate),  # fewer groups and other numbers explain no failure
)
@given(
    rng=st.integers(0, 2**32).map(random.Random),
    groups=st.integers(100, 200),  # so many that hardly a cut leaves one side empty
    seed=st.integers(0, 1_000),
    samples=st.none() | st.integers(1, 60),
    weight=st.sampled_from((0.5, 1.0, 1.5, 2.0)),
)
def test_no_group_is_on_both_sides(
    name: str,
    tmp_path_factory: pytest.TempPathFactory,
    rng: random.Random,
    groups: int,
    seed: int,
    samples: int | None,
    weight: float,
) -> None:
    source, folder = kodata.SOURCES[name], tmp_path_factory.mktemp("groups")
    splits = tuple(split for split in SPLITS if split in source.SPLITS)
    data = WRITERS[name](folder / "data", drawn_items(rng, groups, splits))
    form = rng.choice([form for form in source.FORMS if form != "summary" or name == "naver_news"])
    try:
        convert([Entry(name, form, data, samples, weight)], folder / "out", seed)
    except DataError as error:
        assert "too few rows" in str(error) or "only" in str(error)
        assume(False)  # by chance one side has no row, or fewer than the sample
    found = {
        side: (folder / "out" / f"{side}.jsonl").read_text(encoding="utf-8").splitlines()
        for side in SPLITS
    }
    on = {
        side: {same(source.group(doc_of(json.loads(line)))) for line in lines}
        for side, lines in found.items()
    }
    assert on["train"] and on["validation"]
    assert not on["train"] & on["validation"]


def test_a_text_that_is_a_group_of_two_sources_is_on_one_side(tmp_path: Path) -> None:
    """KLUE-NLI has premises that are reviews of NSMC, and NSMC is so large that less of it is cut
    for validation."""
    items = drawn_items(random.Random(1), 1_500, ("train",))
    entries = [
        Entry(name, path=WRITERS[name](tmp_path / name, items)) for name in ("klue_nli", "nsmc")
    ]
    for order in (entries, entries[::-1]):
        convert(list(order), tmp_path / "out", seed=3)
        on: dict[str, set[str]] = {}
        for side in SPLITS:
            rows = map(
                json.loads,
                (tmp_path / "out" / f"{side}.jsonl").read_text(encoding="utf-8").splitlines(),
            )
            on[side] = {same(kodata.SOURCES[row["source"]].group(doc_of(row))) for row in rows}
        assert len(on["validation"]) > 5
        assert not on["train"] & on["validation"]
