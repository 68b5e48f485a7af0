"""A table holds all its cells at any width of a terminal."""

import io

import pytest
from rich.console import Console

from kotune.display.table import Table, show

WIDE = Table(
    "Reasoning",
    ("task", "metric", *(f"figure {at}" for at in range(10))),
    [
        ("nli_sample_ko", metric, *(f"{metric[0]}.{at:03}" for at in range(10)))
        for metric in ("acc *", "brier")
    ],
    2,
)


def printed(table: Table, width: int) -> list[str]:
    out = io.StringIO()
    show(
        table,
        Console(file=out, width=width, force_terminal=True, color_system=None, highlight=False),
    )
    return out.getvalue().splitlines()


@pytest.mark.parametrize("width", [60, 80, 100, 160])
def test_a_wide_table_goes_on_below_with_its_words_again(width: int) -> None:
    lines = printed(WIDE, width)
    assert max(map(len, lines)) <= width
    text = "\n".join(lines)
    for cell in (*WIDE.head[2:], *WIDE.rows[0][2:], *WIDE.rows[1][2:]):
        assert text.count(cell) == 1  # in one piece, not folded
    pieces = text.count("nli_sample_ko") // 2
    assert pieces == text.count("metric") == {60: 4, 80: 2, 100: 2, 160: 1}[width]


def test_words_that_leave_no_room_are_folded_and_none_is_lost() -> None:
    long = Table("", ("one", "other"), [("말" * 60, "글" * 60)], 2)
    text = "".join(printed(long, 40))
    assert (text.count("말"), text.count("글")) == (60, 60)


def test_words_that_many_rows_share_are_told_once() -> None:
    rows = [
        ("nli", compared, metric, "0.5")
        for compared in ("1 → 2", "1 → 3")
        for metric in ("acc", "brier")
    ]
    table = Table("", ("task", "compared", "metric", "value"), rows, 3)
    assert table.grouped() == [(("nli", "1 → 2"), rows[:2]), (("nli", "1 → 3"), rows[2:])]
    apart = [("nli", f"1 → {at}", "acc", "0.5") for at in range(4)]
    # Two words would spare no line.
    assert Table("", table.head, apart, 3).grouped() == [(("nli",), apart)]
    alone = [(task, "1 → 2", "acc", "0.5") for task in ("nli", "qa")]
    assert Table("", table.head, alone, 3).grouped() == [((), alone)]
    assert Table("", ("task", "value"), [("nli", "0.5"), ("nli", "0.6")], 1).grouped()[0][0] == ()
    assert Table("", ("note",), [], 0).grouped() == [((), [])]
