"""What a stage really calls is among what its digest covers: the code as it is written held against
the code as it runs."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import pytest

from kodata.prepare import convert
from kodata.prepare.entries import DataLocation, Entry, Scored
from kotune import stages
from kotune.display.phrases import Phrases
from kotune.report import writing
from kotune.shipped import ROOT
from kotune_tasks import card
from tests.conftest import rule_model
from tests.finished import finished

PACKAGES = ("kodata", "kotune", "tasks")


def called(work: Callable[[], object]) -> set[tuple[str, str]]:
    """The definitions of ours, by file and name of the top level, whose functions run in `work`."""
    found: set[tuple[str, str]] = set()
    ours = tuple(f"{ROOT / package}/" for package in PACKAGES)

    def note(frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        is_ours = code.co_filename.startswith(ours) and code.co_filename.endswith(".py")
        if event == "call" and is_ours and not code.co_qualname.startswith("<"):
            found.add((os.path.normpath(code.co_filename), code.co_qualname.partition(".")[0]))

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return found


def known(*roots: str | Path, **kept: tuple[str, ...]) -> set[tuple[str, str]]:
    """The definitions that a digest covers. `kept`: for the tables of sources and
    metrics, the keys that count."""
    chosen = {**stages.NO_ENTRIES, **{name.replace("__", "."): keys for name, keys in kept.items()}}
    reached = stages.code().reached(*roots, kept_keys=chosen)
    return {(str(definition.file), definition.name) for definition, _, _ in reached}


def test_whatever_preparing_calls_is_known(tmp_path: Path) -> None:
    """The digest is made from the code as it is written; this holds it against the code as it
    runs."""
    entries = [Entry("nli_sample"), Entry("nli_sample", "write", samples=30, weight=1.5)]
    scored = Scored({"nli_sample_ko": DataLocation("nli_sample")}, "drop")
    # What is cached is called once.
    convert.convert([Entry("nli_sample")], tmp_path / "first", 42, scored)
    found = called(lambda: convert.convert(entries, tmp_path / "data", 42, scored))
    assert len(found) > 30
    assert found <= known("kodata.prepare.convert.convert", kodata__SOURCES=("nli_sample",))


@pytest.mark.parametrize(
    "task", ["nli_sample_ko", "nli_sample_ko_gen", "nli_sample_consistency_ko", "ko_naturalness"]
)
def test_whatever_scoring_calls_is_known(tmp_path: Path, task: str) -> None:
    """A task's items through lm_eval, their baselines and metrics, with a rule instead of a
    model."""
    pytest.importorskip("lm_eval")
    from kotune.score import harness, scoring
    from kotune.score.baselines import BaselineScorer

    convert.convert([Entry("nli_sample", samples=200)], tmp_path / "data", 42)
    model = rule_model()(
        lambda prompt, *_: "함의" if "gen" in task or "natural" in task else float(-len(prompt))
    )

    def score() -> None:
        loaded = harness.load_task(task)
        samples = scoring.evaluated(loaded, model, 6).samples
        answers = BaselineScorer(tmp_path).of(loaded, samples)
        scoring._baselines(tmp_path, answers, task, {})

    score()
    found = called(score)
    assert len(found) > 20
    assert found <= known("kotune.score.job.run") | of_task(task)


@pytest.mark.parametrize("task", ["nli_sample_ko", "nli_sample_ko_gen"])
def test_whatever_a_models_answers_call_is_known(task: str) -> None:
    pytest.importorskip("lm_eval")
    from kotune.score import harness, scoring
    from tests.score import random_models

    loaded, model = harness.load_task(task), random_models.ours(random_models.made("llama"))
    found = called(lambda: scoring.evaluated(loaded, model, 2))
    # Limits of time and memory, where another test of this process has set them, change no score.
    found = {(file, name) for file, name in found if "/kotune/worker/bounds" not in file}
    assert {name for file, name in found if "/kotune/score/" in file} >= {
        "model_class",
        "within_memory",
    }
    assert found <= known("kotune.score.job.run") | of_task(task)


def of_task(task: str) -> set[tuple[str, str]]:
    """What stages.task_digest covers."""
    metrics = tuple(metric["metric"] for metric in card.settings(task)["metric_list"])
    cut = {
        "kodata__SOURCES": (card.cards()[task].source,),
        stages.METRICS_TABLE.replace(".", "__"): metrics,
    }
    return known(card.file(task), stages.METRICS_TABLE, **cut)


def test_whatever_a_report_calls_is_known(tmp_path: Path) -> None:
    folder = finished(tmp_path / "run")
    found = called(lambda: writing.write(folder, Phrases("ko")))
    assert len(found) > 100
    told = known("kotune.report.writing.write", "kotune.display.phrases.Phrases")
    assert found <= told | of_task("nli_sample_ko")
