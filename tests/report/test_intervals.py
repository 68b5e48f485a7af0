"""Plots of values with their intervals show every model beside all that it is compared with."""

import math
from dataclasses import replace
from pathlib import Path
from statistics import mean, variance

import pytest

from kotune.compare import paired
from kotune.compare.result import Result
from kotune.display.phrases import Phrases
from kotune.report.intervals import _pictured, picture, spans, strips
from kotune.report.report import Report
from kotune.runs.finished import load
from kotune.runs.folder import read_json, write_json
from tests.finished import Made, finished

pytest.importorskip("scipy")
LINES = ("majority", "overlap")
MADE = Made(premises=20, lines=LINES)
OTHER = Made(model="quickstart-deepseek", premises=20, lines=LINES)


@pytest.fixture(autouse=True)
def _fewer_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paired, "RESAMPLES", 500)


def test_intervals_are_drawn_beside_all_that_a_judged_metric_is_held_against(
    tmp_path: Path,
) -> None:
    folders = [finished(tmp_path / "a", MADE), finished(tmp_path / "b", OTHER)]
    scores = read_json(folders[1] / "scores.json")
    scores["nli_sample_ko"]["references"]["lines"]["overlap"]["acc"]["value"] = 0.55
    scores["nli_sample_ko"]["published"] = [
        {"metric": "acc", "name": "validator", "value": 0.9, "source": "", "split": ""}
    ]
    write_json(folders[1] / "scores.json", scores)
    report = Report(Result.of(load(folders)), Phrases("en"))
    ((title, (group,), scale),) = strips(report)
    assert (title, group.title, scale.at(0.25)) == ("Reasoning: nli_sample_ko", "acc", "25.00%")
    assert [row.label for row in group.rows] == [
        "1 quickstart-llama",
        "2 quickstart-deepseek",
    ]
    assert [one.kind for one in group.rows[0].intervals] == ["base", "tuned"]
    third, overlap = 0.3333, "classifier on the overlap of both sentences"
    assert group.references == {
        "chance": third,
        "always the most frequent label": pytest.approx(third, abs=1e-4),
        f"{overlap} (1)": pytest.approx(third, abs=1e-4),
        f"{overlap} (2)": 0.55,
        "one annotator (2)": 0.9,
    }
    ((criterion, (group,), scale),) = spans(report)
    assert (criterion, group.title, scale.has_zero) == ("Reasoning", "nli_sample_ko acc", True)
    assert [row.figures for row in group.rows] == [
        f"{100 * one.paired.difference:+.1f} %p"
        for one in report.result.comparisons
        if one.is_primary
    ]


def test_the_picture_shows_models_and_their_strongest_baselines(tmp_path: Path) -> None:
    """The mean of a model's seeds, with a wider interval because of their variation."""
    seeds = [replace(MADE, seed=at, record={"seed": at}) for at in (1, 2, 3)]
    made = [*seeds, OTHER]
    folders = [finished(tmp_path / f"{at}", one) for at, one in enumerate(made)]
    scores = read_json(folders[1] / "scores.json")
    scores["nli_sample_ko"]["references"]["lines"]["overlap"]["acc"]["value"] = 0.55
    write_json(folders[1] / "scores.json", scores)
    report = Report(Result.of(load(folders)), Phrases("en"))
    ((title, (group,), _),) = picture(report, ["quickstart-deepseek", "quickstart-llama"])
    assert title == "Reasoning: nli_sample_ko, acc"
    assert [row.label for row in group.rows] == ["quickstart-deepseek", "quickstart-llama"]
    assert group.references == {
        "chance": 0.3333,
        "always the most frequent label": pytest.approx(0.3333, abs=1e-4),
        "classifier on the overlap of both sentences": 0.55,
    }
    runs = [run.scores["nli_sample_ko"].tuned["acc"] for run in report.result.runs[:3]]
    values = [one.value for one in runs if one.value is not None]
    _, tuned = group.rows[1].intervals
    assert (tuned.value, list(tuned.each)) == (pytest.approx(mean(values)), values)
    errors = [one.stderr for one in runs if one.stderr is not None]
    of_items = mean(error**2 for error in errors)
    half = math.sqrt(of_items + variance(values) / 3)
    assert 1.96 * half < tuned.high - tuned.value < 2.5 * half
    _, alone = group.rows[0].intervals
    assert not alone.each and alone.low < alone.value < alone.high


def test_the_picture_has_a_task_of_each_criterion_and_at_least_two() -> None:
    tasks = ("klue_nli_ko", "klue_nli_ko_gen", "nsmc_ko", "korquad_ko", "ko_consistency_nli")
    assert _pictured(tasks) == ["klue_nli_ko", "nsmc_ko", "ko_consistency_nli"]
    others = ["klue_nli_ko_gen", "korquad_ko", "ko_consistency_nli"]
    assert _pictured(reversed(tasks)) == others
    assert _pictured(tasks[:2]) == list(tasks[:2]) and _pictured(tasks[:1]) == list(tasks[:1])
    assert _pictured(("klue_nli_ko", "klue_nli_ko_gen", "nsmc_ko")) == ["klue_nli_ko", "nsmc_ko"]
