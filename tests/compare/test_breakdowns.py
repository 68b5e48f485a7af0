"""What is found for a kind of item is what a comparison of these items alone would find."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from kodata.metrics.metrics import MEAN
from kotune.compare import paired
from kotune.compare.breakdowns import RightShares, breakdowns, lengths, parts
from kotune.compare.comparison import comparisons
from kotune.compare.result import Result
from kotune.display.phrases import LANGUAGES, Phrases
from kotune.report.report import Report
from kotune.runs.finished import load
from kotune.score.samples import item_of
from tests.finished import Made, finished

np = pytest.importorskip("numpy")
pytest.importorskip("scipy")
MADE = Made(premises=40, first=80, kinds=True)  # premises 80 to 119: questions of two lengths


@pytest.fixture(autouse=True)
def _fewer_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paired, "RESAMPLES", 2_000)


def test_each_part_is_the_comparison_of_its_items_alone() -> None:
    rng = np.random.default_rng(1)
    kinds = ["x"] * 600 + ["y"] * 300 + [None] * 60
    clusters = [number // 3 for number in range(960)]
    a, b = (rng.random(960) < rate for rate in (0.5, 0.6))
    pairs = list(map(RightShares, map(float, a), map(float, b)))
    for name, part in zip("xy", parts(pairs, clusters, kinds, "xy"), strict=True):
        at = [place for place, kind in enumerate(kinds) if kind == name]
        one, other = ([pairs[place][side] for place in at] for side in (0, 1))
        alone = paired.compare(MEAN, one, other, [clusters[place] for place in at])
        assert part[:3] == pytest.approx(alone[:3])
        assert (part.n, part.groups) == (alone.n, alone.groups)
        assert (part.ci_low, part.ci_high) == pytest.approx(
            (alone.ci_low, alone.ci_high), abs=0.012
        )


def test_a_kind_within_one_cluster_has_no_interval() -> None:
    (part,) = parts(
        [RightShares(0, 1), RightShares(0, 1), RightShares(1, 0)],
        ["p", "p", "q"],
        ["x", "x", None],
        ["x"],
    )
    assert part[:3] == (0, 1, 1)
    assert np.isnan(part.ci_low) and (part.n, part.groups) == (2, 1)


@pytest.mark.parametrize(
    ("characters", "told"),
    [
        ([5, 1, 2, 9, 3, 7], ["3-5", "1-2", "1-2", "7-9", "3-5", "7-9"]),
        ([4, 4, 4, 4], ["4-4"] * 4),
        ([1, 8, 8, 8, 8, 8], ["1-8"] * 6),
        ([7], [None]),
    ],
)
def test_lengths_are_told_in_thirds_and_equal_ones_stay_together(
    characters: Sequence[int], told: list[str | None]
) -> None:
    assert lengths(characters) == told


def test_a_comparison_is_broken_down_by_source_length_and_votes(tmp_path: Path) -> None:
    runs = load(
        [
            finished(tmp_path / "a", MADE),
            finished(tmp_path / "b", Made(**{**vars(MADE), "model": "other"})),
        ]
    )
    found = comparisons(runs)
    told = list(breakdowns(found))
    assert [(one.kind, one.value) for one in told[:7]] == [
        ("source", "cat"),
        ("source", "door"),
        ("length", "31-31"),
        ("length", "32-32"),
        ("agreement", "3"),
        ("agreement", "4"),
        ("agreement", "5"),
    ]
    assert len(told) == 3 * 7
    for kind, n in (("source", 120), ("length", 120), ("agreement", 120)):
        some = [one.part for one in told[:7] if one.kind == kind]
        assert sum(part.n for part in some) == n
        whole = sum(part.n * part.difference for part in some) / n
        assert whole == pytest.approx(found[0].paired.difference)
    row = told[0].row()
    keys = "task a b metric kind value value_a value_b difference ci_low ci_high n groups"
    assert list(row) == keys.split()
    assert (row["a"], row["b"], row["groups"]) == ("a base", "a tuned", 20)


def test_what_all_items_share_is_no_kind(tmp_path: Path) -> None:
    plain = load([finished(tmp_path / "a", Made(premises=5))])
    assert list(breakdowns(comparisons(plain))) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_task_has_one_table_that_says_its_intervals_are_not_adjusted(
    tmp_path: Path, language: str
) -> None:
    result = Result.of(load([finished(tmp_path / "a", MADE)]))
    rows: Any = result.as_json()["breakdowns"]
    assert [row["kind"] for row in rows] == [one.kind for one in result.breakdowns]
    say = Phrases(language)
    (table,) = [
        table
        for table in Report(result, say).results()
        if table.title == say("breakdown", task="nli_sample_ko", metric="acc")
    ]
    assert (len(table.rows), len(table.head)) == (7, 7)
    assert {len(row) for row in table.rows} == {7}
    assert table.rows[0][:2] == (say.word("item_kinds", "source"), "cat")
    assert ("not adjusted" in table.notes[0]) or ("보정은 하지 않았" in table.notes[0])


def test_votes_stand_with_what_was_asked() -> None:
    class Task:
        eval_docs: tuple[dict[str, str | None], ...] = ({"agreement": "4"}, {"agreement": None}, {})

    class Loaded:
        task, generates, question = Task, True, staticmethod(str)

    found = [item_of({"doc_id": at, "doc_hash": "h"}, Loaded()) for at in range(3)]  # type: ignore[arg-type]
    assert [row.get("agreement", "none") for row in found] == ["4", "none", "none"]
