"""Training counts as done only when proven: the last step, finite losses, finite tensors."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from kotune import training
from kotune.errors import StageError

torch = pytest.importorskip("torch")
INPUTS = {"config": "a"}
GOOD: list[dict[str, Any]] = [
    {"event": "start", "step": 0, "max_steps": 2},
    {"event": "log", "step": 1, "loss": 1.5},
    {"event": "log", "step": 2, "loss": 1.0},
    {"event": "end", "step": 2, "max_steps": 2},
]


def trained(root: Path, events: list[dict[str, Any]], value: float = 1.0) -> Path:
    """A run folder as Axolotl leaves it after training."""
    from safetensors.torch import save_file

    (root / "metrics.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    (root / "checkpoints").mkdir(exist_ok=True)
    save_file({"a": torch.ones(2), "b": torch.tensor([1.0, value])}, root / "checkpoints" / "adapter_model.safetensors")
    return root


def test_a_whole_training_is_believed(tmp_path: Path) -> None:
    training.check_finished(trained(tmp_path, GOOD))


@pytest.mark.parametrize(
    ("events", "value", "told"),
    [
        (GOOD[:-1], 1.0, "stopped at step 2 before the last one"),
        ([*GOOD[:-1], {"event": "end", "step": 1, "max_steps": 2}], 1.0, "before the last one"),
        ([], 1.0, "stopped at step 0"),
        ([GOOD[0], {"event": "log", "step": 1, "loss": float("nan")}, *GOOD[2:]], 1.0, "loss is nan at step 1"),
        (GOOD, float("nan"), "b and 0 more tensors hold NaN"),
        (GOOD, float("inf"), "b and 0 more tensors hold NaN"),
    ],
)
def test_a_training_that_only_looks_finished_is_not(
    tmp_path: Path, events: list[dict[str, Any]], value: float, told: str
) -> None:
    with pytest.raises(StageError, match=told):
        training.check_finished(trained(tmp_path, events, value))


def test_axolotl_that_exits_zero_without_training_is_a_failure_that_names_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "COMMAND", [sys.executable, "-c", "print('giving up')"])
    with pytest.raises(StageError, match=r"stopped at step 0(.|\n)*train.log(.|\n)*giving up"):
        list(training.train(tmp_path, INPUTS))
    assert not (tmp_path / "model").exists()


def test_axolotl_that_fails_is_told_with_its_last_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "COMMAND", [sys.executable, "-c", "import sys; print('no room'); sys.exit(3)"])
    with pytest.raises(StageError, match=r"axolotl exited with 3(.|\n)*no room"):
        list(training.train(tmp_path, INPUTS))


def test_metrics_are_followed_while_they_are_written_and_the_adapter_is_kept_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training.keep_matching_checkpoints(tmp_path, INPUTS)
    trained(tmp_path, GOOD)
    lines = "".join(json.dumps(event) + "\n" for event in GOOD)
    code = f"import time\nfor line in {lines!r}.splitlines(True):\n open('metrics.jsonl', 'a').write(line); time.sleep(0.1)"
    monkeypatch.setattr(training, "COMMAND", [sys.executable, "-c", code])
    assert list(training.train(tmp_path, INPUTS)) == GOOD
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["adapter_model.safetensors"]
    assert not (tmp_path / "checkpoints").exists()


def test_a_checkpoint_whose_last_written_file_is_torn_is_not_resumed_from(tmp_path: Path) -> None:
    for name, text in (
        ("checkpoint-5", '{"global_step": 5}'),
        ("checkpoint-10", '{"global_st'),
        ("checkpoint-15", None),
    ):
        (tmp_path / name).mkdir()
        if text is not None:
            (tmp_path / name / "trainer_state.json").write_text(text)
    assert training.drop_torn_checkpoints(tmp_path) == 5
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-5"]


def test_checkpoints_and_tokenized_data_of_other_inputs_are_forgotten(tmp_path: Path) -> None:
    training.keep_matching_checkpoints(tmp_path, INPUTS)
    for folder in ("checkpoints/checkpoint-5", "prepared"):
        (tmp_path / folder).mkdir()
    training.keep_matching_checkpoints(tmp_path, INPUTS)
    assert (tmp_path / "checkpoints" / "checkpoint-5").exists()
    training.keep_matching_checkpoints(tmp_path, {"config": "b"})
    assert not (tmp_path / "checkpoints" / "checkpoint-5").exists()
    assert not (tmp_path / "prepared").exists()


def test_checkpoints_of_a_broken_training_are_forgotten(tmp_path: Path) -> None:
    trained(tmp_path, GOOD, float("nan"))
    with pytest.raises(StageError, match="NaN"):
        training.check_finished(tmp_path)
    assert not (tmp_path / "checkpoints").exists()


def test_metrics_are_kept_up_to_the_checkpoint_that_training_goes_on_from(tmp_path: Path) -> None:
    metrics = trained(tmp_path, GOOD) / "metrics.jsonl"
    training.keep_metrics_until(metrics, 1)
    assert training.read_metrics(metrics) == GOOD[:2]
    training.keep_metrics_until(metrics, 0)
    assert training.read_metrics(metrics) == []


def test_a_line_that_is_still_being_written_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text('{"event": "start"}\n{"event": "lo')
    assert training.read_metrics(tmp_path / "metrics.jsonl") == [{"event": "start"}]
