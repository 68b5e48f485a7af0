"""A plan's arithmetic beside what others published of GPUs: how far it is off is known, row by row,
and said on the page."""

import pytest

from benchmarks import published
from tests.conftest import ROOT

WORDS = {"plan.md": ("fitted", "tested"), "plan.ko.md": ("적합", "검증")}
ROWS: list[published.Trained | published.Written] = [*published.training(), *published.generation()]


def named(row: published.Trained | published.Written) -> str:
    """For pytest's list."""
    return "-".join(
        (row.model, *((row.method, row.tokens) if isinstance(row, published.Trained) else ()))
    )


@pytest.mark.parametrize("row", ROWS, ids=named)
def test_predictions_are_as_far_off_as_they_were_when_they_were_last_looked_at(
    row: published.Trained | published.Written,
) -> None:
    for pair in (row.time, getattr(row, "held", None)):
        if pair:
            assert pair.ratio == pytest.approx(pair.was, abs=0.015)


def test_what_was_fitted_is_met_and_what_is_only_tested_within_what_the_page_says() -> None:
    runs = [row for row in published.training() if row.time]
    assert all(0.95 < row.time.ratio < 1.05 for row in runs if row.time and row.is_fitted)
    peft = [
        row.time.ratio for row in runs if row.source == "qwen" and not row.is_fitted and row.time
    ]
    assert len(peft) == 9 and min(peft) > 1 / 1.65 and max(peft) < 1.6
    compiled = [row.time.ratio for row in runs if row.source.startswith("torchtune") and row.time]
    assert len(compiled) == 4 and min(compiled) > 1.7  # slower than torch.compile, never faster
    assert all(0.9 < row.time.ratio < 1.1 for row in published.generation())


def test_every_row_names_its_source_and_has_a_figure() -> None:
    assert {row.source for row in ROWS} == set(published.table()["sources"])
    assert all(row.time or row.held for row in ROWS if isinstance(row, published.Trained))


@pytest.mark.parametrize("page", WORDS)
def test_both_pages_have_the_table_as_it_is_calculated(page: str) -> None:
    lines = (ROOT / "docs" / page).read_text(encoding="utf-8").splitlines()
    for row in published.markdown(*WORDS[page]):
        assert row in lines, row
