"""The script for a GPU that is lent: tried on a CPU, so that the GPU's minutes are not spent on its
mistakes."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from benchmarks import on_a_gpu
from benchmarks.on_a_gpu import TINY, Bench, Budget, Row, Scale
from kotune.plan import shapes
from tests.conftest import ROOT

torch = pytest.importorskip("torch")
pytest.importorskip("peft")
ABSENT = (
    "axolotl",
    "lm_eval",
    "datasets",
    "bitsandbytes",
    "click",
    "rich",
    "pydantic",
    "kotune",
    "kodata",
    "tests",
    "kernels",
)
LLAMA, QWEN = on_a_gpu.MODELS


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Toys are too small to be shared out, and a busy machine makes threads wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def bench(**more: Any) -> Bench:
    return Bench("cpu", replace(TINY, **more), Budget(1e9))


def test_the_command_runs_from_a_checkout_on_a_bare_machine(tmp_path: Path) -> None:
    """Nothing of ours is installed, and nothing but torch, transformers and peft can be
    imported."""
    (tmp_path / "sitecustomize.py").write_text(
        f"import sys; sys.modules.update(dict.fromkeys({ABSENT!r}))"
    )
    env = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    command = [sys.executable, str(ROOT / "benchmarks" / "on_a_gpu.py"), "--tiny", "figures.json"]
    env |= {"PYTHONPATH": str(tmp_path), "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads((tmp_path / "figures.json").read_text())
    assert [path.name for path in tmp_path.glob("*.json*")] == ["figures.json"]
    rows = told["rows"]
    assert [row["name"] for row in rows] == ["train"] * 8 + ["score"] * 4 + ["write"] * 8
    assert told["unequal"] == [] and all(row["figures"] and not row["note"] for row in rows)
    assert {row["figures"]["allocated_gib"] for row in rows if row["name"] != "score"} == {None}
    assert all(
        value > 0
        for row in rows
        for key, value in row["figures"].items()
        if key in ("seconds", "ms_own")
    )
    assert done.stdout.count("not measured") >= len(rows)
    assert len({json.dumps(row["setting"]) for row in rows}) == len(rows)


def test_without_a_gpu_nothing_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert on_a_gpu.main([str(tmp_path / "figures.json")]) == 2
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("name", on_a_gpu.MODELS)
def test_real_architectures_and_adapters_are_those_of_the_plan(name: str) -> None:
    model, shape = on_a_gpu.adapted(name, "meta", Scale()), shapes.find(name)
    assert sum(weight.numel() for weight in on_a_gpu.trainable(model)) == shape.trainable(16)
    assert sum(
        weight.numel() for weight in model.parameters()
    ) == shape.parameters + shape.trainable(16)
    assert {weight.dtype for weight in on_a_gpu.trainable(model)} == {torch.float32}
    assert model.get_base_model().lm_head.weight.dtype == torch.bfloat16


def trained(at: Bench, name: str) -> list[Row]:
    """Rows of both heads, with and without checkpointing."""
    wanted = [
        one
        for one in on_a_gpu.measurements(at.scale)
        if one[0] == "train" and one[1]["model"] == name
    ]
    return [on_a_gpu.measured(at, one) for one in wanted]


@pytest.mark.parametrize("name", on_a_gpu.MODELS)
@pytest.mark.few(1)
def test_both_heads_give_one_loss_and_one_gradient_with_and_without_checkpointing(
    name: str,
) -> None:
    rows = trained(bench(dtype="float32"), name)
    assert len(rows) == 4 and not any(row.note for row in rows)
    assert on_a_gpu.differences(rows, "float32") == []


def test_a_head_on_other_positions_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    right = on_a_gpu.loss_on_trained
    wrong = {
        **on_a_gpu.LOSSES,
        "trained positions": lambda model, ids, labels: right(model, ids, labels.roll(1, 1)),
    }
    monkeypatch.setattr(on_a_gpu, "LOSSES", wrong)
    assert len(on_a_gpu.differences(trained(bench(), LLAMA), "bfloat16")) == 2


def test_a_step_trains_the_adapter_which_is_then_as_it_was() -> None:
    at = bench()
    first, second = (on_a_gpu.train(at, LLAMA, "all positions", False) for _ in range(2))
    assert first["loss"] == second["loss"]
    training = on_a_gpu.Training(at, LLAMA, "all positions", False)
    began, went_on = (training.step()[0] for _ in range(2))
    assert went_on < began == first["loss"]


def test_ties_and_changed_answers_are_counted_as_lm_eval_takes_the_first_of_the_best() -> None:
    logits = torch.tensor([[8.0, 8.01, 0.0, 0.0], [1.0, 2.0, 3.0, 0.0]], dtype=torch.float64)
    choices = torch.tensor([[0, 1, 2], [0, 2, 1]])
    assert on_a_gpu.answers(logits, choices, None) == (0, [1, 1])
    assert on_a_gpu.answers(logits, choices, "bfloat16") == (1, [0, 1])


def test_choices_differ_and_a_lift_makes_them_likely() -> None:
    for name in on_a_gpu.MODELS:
        logits, choices = on_a_gpu.logits_of(bench(), name, 12.0)
        assert all(len(set(row)) == 3 for row in choices.tolist())
        assert logits.float().softmax(-1).gather(1, choices).sum(1).min() > 0.9


def test_writing_stops_at_no_token_and_says_where_it_would() -> None:
    at = bench()
    figures = on_a_gpu.write(at, QWEN, 2, True)
    assert set(figures) == {
        "ms_a_step",
        "tokens_per_second",
        "prompt_ms",
        "allocated_gib",
        "reserved_gib",
    }
    at.model(QWEN).get_base_model().generation_config.eos_token_id = [*range(512)]
    with pytest.raises(RuntimeError, match="1 tokens were written, not 5"):
        on_a_gpu.write(at, QWEN, 2, True)


def test_a_spent_budget_skips_what_is_left_and_a_failure_does_not_end_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: Bench) -> on_a_gpu.Figures:
        raise torch.OutOfMemoryError("CUDA out of memory")

    def spend(_: Bench) -> on_a_gpu.Figures:
        clock[0] = 30.0
        return {"ms_a_step": 2.5}

    def three(_: Scale) -> Iterator[on_a_gpu.Measurement]:
        yield "write", {"batch": 1}, fail
        yield "write", {"batch": 2}, spend
        yield "write", {"batch": 3}, partial(pytest.fail, "begun although the budget is spent")

    monkeypatch.setattr(on_a_gpu, "measurements", three)
    clock = [10.0]
    file = tmp_path / "figures.json"
    assert on_a_gpu.measure_all(Bench("cpu", TINY, Budget(20, lambda: clock[0], 10.0)), file) == 1
    notes = [row["note"] for row in json.loads(file.read_text())["rows"]]
    assert notes == ["failed: out of memory", "", "skipped: the budget of 20 s is spent"]
    assert "ms_a_step 2.5" in capsys.readouterr().out


def test_memory_is_asked_for_where_there_is_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """torch's own functions are replaced by ones that count, on a CPU."""
    asked: list[str] = []
    sizes = {"max_memory_allocated": 3, "max_memory_reserved": 4, "memory_allocated": 1}
    for name in ("synchronize", "reset_peak_memory_stats", "empty_cache"):
        monkeypatch.setattr(torch.cuda, name, lambda name=name: asked.append(name))
    for name, size in sizes.items():
        monkeypatch.setattr(torch.cuda, name, lambda size=size: size * on_a_gpu.GIB)
    monkeypatch.setattr(Bench, "on_gpu", True)
    at = bench()
    figures = on_a_gpu.train(at, LLAMA, "trained positions", True)
    assert (figures["allocated_gib"], figures["reserved_gib"], figures["held_gib"]) == (3, 4, 1)
    assert on_a_gpu.score(at, LLAMA, 0.0)["added_gib_float32"] == 2
    assert asked.index("empty_cache") < asked.index("reset_peak_memory_stats") < len(asked) - 2
    assert asked.count("synchronize") >= 2 * TINY.runs
