"""Base answers of another run are believed only where they follow from each other and the base
model gives them again: that alone finds a run all of whose files were edited together."""

import json
import random
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from kotune.runs.folder import read_json, sha256, write_json
from kotune.runs.task_data import TaskData
from kotune.score import base_answers, borrowed, scoring
from kotune.score.harness import load_task
from kotune.score.samples import SampleRow, note_path, samples_path, write_samples
from tests.conftest import rule_model

TASK, TEXT = "nli_sample_ko", "nli_sample_ko_gen"
ITEMS = 60
PRECISE = {"base_precision": "float32", "compute_dtype": "float32"}


def likelihood(prompt: str, choice: str) -> float:
    return -random.Random(prompt + choice).random()


def answer(prompt: str, _: object) -> str:
    return random.Random(prompt).choice(("함의", "중립", "모순"))


@pytest.fixture
def model() -> Any:
    """A base model that is a rule; `asked` counts."""

    def rule(prompt: str, last: Any) -> Any:
        return likelihood(prompt, last) if isinstance(last, str) else answer(prompt, last)

    made = rule_model()(rule)
    made.tokenizer = SimpleNamespace(encode=lambda text, **_: text.split())
    made.model = SimpleNamespace(disable_adapter=nullcontext)
    return made


def lent(
    root: Path, model: Any, task: str = TASK, forge: Callable[[list[SampleRow]], None] | None = None
) -> Any:
    """A run folder that has taken over base answers: those of the model, or forged ones, with
    scores that follow."""
    loaded = load_task(task)
    values, samples = scoring.evaluated(loaded, model, ITEMS)
    if forge:
        forge(samples)
        values = scoring.metrics({}, samples)
    note = {
        "n": ITEMS,
        "values": {name: value.as_json() for name, value in values.items()},
        "sha256": write_samples(root, "base", task, samples),
        "from": "other",
    }
    write_json(note_path(root, task, "base"), note)
    model.asked.clear()
    return loaded


def check(root: Path, model: Any, loaded: Any, tolerance: float = borrowed.NEAR) -> list[str]:
    scoring._check(root, loaded, model, ITEMS, tolerance)
    return base_answers.list_rejected(root, [loaded.name])


@pytest.mark.parametrize("task", [TASK, TEXT])
def test_answers_that_the_model_gives_again_are_believed_and_it_is_kept_which(
    tmp_path: Path, model: Any, task: str
) -> None:
    loaded = lent(tmp_path, model, task)
    assert scoring._is_unchecked(tmp_path, task)
    assert check(tmp_path, model, loaded) == []
    assert not scoring._is_unchecked(tmp_path, task) and scoring._done(tmp_path, task, "base")
    told: Any = base_answers.list_checked(tmp_path, [task])[task]
    assert told["from"] == "other" and len(set(told["checked"])) == borrowed.LEAST
    assert len({args[0] for args in model.asked}) == borrowed.LEAST, (
        "no more items than these are asked"
    )


def metrics_alone(samples: list[SampleRow]) -> None:
    for sample in samples:
        sample["metrics"]["acc"] = 0.0


def one_metric(samples: list[SampleRow]) -> None:
    samples[7]["metrics"]["acc"] = 1 - samples[7]["metrics"]["acc"]


def likelihoods(samples: list[SampleRow]) -> None:
    """All that follows is written anew, as an able forger would."""
    task = load_task(TASK)
    for sample in samples:
        worst = sample["logprobs"].index(min(sample["logprobs"]))
        wrong = (sample["gold"] + 1) % 3 if worst == sample["gold"] else worst
        sample["logprobs"][wrong] = 0.0
        sample.update(json.loads(json.dumps(borrowed._recompute(sample, task))))


def texts(samples: list[SampleRow]) -> None:
    task = load_task(TEXT)
    for sample in samples:
        sample["prediction"] = "중립" if sample["gold"] == "모순" else "모순"
        sample.update(json.loads(json.dumps(borrowed._recompute(sample, task))))


def other_question(samples: list[SampleRow]) -> None:
    for sample in samples:
        sample["question_hash"] = "0" * 16


def other_prompt(samples: list[SampleRow]) -> None:
    for sample in samples:
        sample["prompt_hash"] = "0" * 64


def fewer(samples: list[SampleRow]) -> None:
    samples.pop()


def twice(samples: list[SampleRow]) -> None:
    samples[3] = samples[4]


def extra(samples: list[SampleRow]) -> None:
    samples[3]["metrics"]["other"] = 1.0


def no_numbers(samples: list[SampleRow]) -> None:
    for sample in samples:
        sample["logprobs"] = cast(list[float], ["a", None, {}])


ALL = [
    metrics_alone,
    one_metric,
    likelihoods,
    other_question,
    other_prompt,
    fewer,
    twice,
    extra,
    no_numbers,
]


@pytest.mark.parametrize(("task", "forge"), [*((TASK, forge) for forge in ALL), (TEXT, texts)])
def test_a_run_all_of_whose_files_were_edited_together_is_found(
    tmp_path: Path, model: Any, task: str, forge: Callable[[list[SampleRow]], None]
) -> None:
    loaded = lent(tmp_path, model, task, None if forge is no_numbers else forge)
    if forge is no_numbers:
        path, note = samples_path(tmp_path, "base", task), note_path(tmp_path, task, "base")
        samples = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        no_numbers(samples)
        write_json(
            note, {**read_json(note), "sha256": write_samples(tmp_path, "base", task, samples)}
        )
    (told,) = check(tmp_path, model, loaded)
    assert told.startswith(f"{task}: base answers of other are not used: ")
    assert scoring._done(tmp_path, task, "base") is None, "it is scored anew"
    assert base_answers.list_checked(tmp_path, [task]) == {}


def test_scores_that_do_not_follow_from_the_samples_are_found(tmp_path: Path, model: Any) -> None:
    loaded = lent(tmp_path, model)
    note = read_json(note_path(tmp_path, TASK, "base"))
    note["values"]["acc"]["value"] = 0.0
    write_json(note_path(tmp_path, TASK, "base"), note)
    (told,) = check(tmp_path, model, loaded)
    assert "scores do not follow" in told


@pytest.mark.parametrize("line", [b"{", b"[" * 100_000, b"{}", b"null", b"\xff"])
def test_samples_that_are_none_are_refused(tmp_path: Path, model: Any, line: bytes) -> None:
    loaded = lent(tmp_path, model)
    path, note = samples_path(tmp_path, "base", TASK), note_path(tmp_path, TASK, "base")
    path.write_bytes(line + b"\n")
    write_json(note, {**read_json(note), "sha256": sha256(path)})
    (told,) = check(tmp_path, model, loaded)
    assert "not exactly one answer per item" in told


def test_likelihoods_may_move_as_far_as_batching_moves_them(tmp_path: Path, model: Any) -> None:
    loaded = lent(tmp_path, model)
    exact = model.rule
    for moved, known in ((5e-5, True), (5e-3, False)):
        model.rule = lambda prompt, choice, by=moved: exact(prompt, choice) + by
        lent_note = read_json(note_path(tmp_path, TASK, "base"))
        assert (check(tmp_path, model, loaded) == []) is known
        if known:
            del lent_note["from"]
            write_json(note_path(tmp_path, TASK, "base"), {**lent_note, "from": "other"})
    assert borrowed.tolerance(PRECISE) == borrowed.NEAR
    for coarse in (
        {**PRECISE, "base_precision": "nf4"},
        {**PRECISE, "compute_dtype": "bfloat16"},
        {},
    ):
        assert borrowed.tolerance(coarse) == borrowed.COARSE


def test_answers_that_are_drawn_are_not_borrowed(tmp_path: Path) -> None:
    task = load_task("ko_naturalness_sampled")
    assert task.draws
    assert not load_task("ko_naturalness").draws and not load_task(TASK).draws
    why, asked = borrowed.find_doubt(tmp_path / "none", task, None, 9, lambda _: [], borrowed.NEAR)
    assert "at random" in why and asked == []


def test_a_fiftieth_is_asked_at_least_twenty_and_each_time_others() -> None:
    assert [len(borrowed.draw_items(items)) for items in (5, 20, 900, 1000, 1001, 25_000)] == [
        5,
        20,
        20,
        20,
        21,
        500,
    ]
    draws = [borrowed.draw_items(900) for _ in range(5)]
    assert all(draw == sorted(set(draw)) for draw in draws)
    assert len({tuple(draw) for draw in draws}) == 5
    random.seed(1)
    first = borrowed.draw_items(900)
    random.seed(1)
    assert borrowed.draw_items(900) != first, "no seed that a forger could know"


def test_a_scoring_believes_says_or_scores_anew(
    tmp_path: Path, model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    lent(tmp_path, model, forge=likelihoods)
    monkeypatch.setattr(scoring, "load_model", lambda *_: model)
    lines = SimpleNamespace(samples={}, rows=0, absent=None)
    monkeypatch.setattr(scoring, "BaselineScorer", lambda _: SimpleNamespace(of=lambda *_: lines))
    scoring.score(tmp_path, {TASK: TaskData()}, dict(PRECISE), ITEMS)
    entry = read_json(tmp_path / "scores.json")[TASK]
    assert entry["base_from"] is None and entry["base"] == entry["tuned"]
    assert "answers item" in base_answers.list_rejected(tmp_path, [TASK])[0]
