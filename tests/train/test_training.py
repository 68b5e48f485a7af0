"""Training counts as done only when proven: the last step, finite losses, finite tensors."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from kotune.display.progress import OutOfMemory
from kotune.errors import Preempted, StageError, exit_code
from kotune.layout import WEIGHTS
from kotune.runs import events
from kotune.runs.folder import write_json, write_text
from kotune.runs.job import LAUNCHERS, Job
from kotune.runs.records import Event, Halved
from kotune.train import gpu, out_of_memory, training
from kotune.train.checkpoints import WHOLE, drop_unusable, keep_matching, last_good_step
from kotune.worker import device, tether

torch = pytest.importorskip("torch")
INPUTS = {"config": "a"}
FILES = [name.replace("*", "") for name in WHOLE]  # of a training in one process
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
    save_file(
        {"a": torch.ones(2), "b": torch.tensor([1.0, value])},
        root / "checkpoints" / "adapter_model.safetensors",
    )
    return root


def test_a_whole_training_is_believed(tmp_path: Path) -> None:
    training.check_finished(trained(tmp_path, GOOD))


@pytest.mark.parametrize(
    ("events", "value", "told"),
    [
        (GOOD[:-1], 1.0, "stopped at step 2 before the last one"),
        ([*GOOD[:-1], {"event": "end", "step": 1, "max_steps": 2}], 1.0, "before the last one"),
        ([], 1.0, "stopped at step 0"),
        (
            [GOOD[0], {"event": "log", "step": 1, "loss": float("nan")}, *GOOD[2:]],
            1.0,
            "loss is nan at step 1",
        ),
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
    with pytest.raises(
        StageError, match=r"stopped at step 0 before the last one: giving up; its log: .*train.log$"
    ):
        list(training.train(tmp_path, INPUTS))
    assert not (tmp_path / "model").exists()


def test_axolotl_that_fails_is_told_with_its_cause_on_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        training, "COMMAND", [sys.executable, "-c", "import sys; print('no room'); sys.exit(3)"]
    )
    with pytest.raises(
        StageError, match=r"^train: axolotl exited with 3: no room; its log: .*train.log$"
    ):
        list(training.train(tmp_path, INPUTS))


def test_metrics_are_followed_while_they_are_written_and_the_adapter_is_kept_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_matching(tmp_path / "checkpoints", INPUTS)
    trained(tmp_path, GOOD)
    lines = "".join(json.dumps(event) + "\n" for event in GOOD)
    code = (
        "import time\n"
        f"for line in {lines!r}.splitlines(True):\n"
        " open('metrics.jsonl', 'a').write(line); time.sleep(0.1)"
    )
    monkeypatch.setattr(training, "COMMAND", [sys.executable, "-c", code])
    followed = [e for e in training.train(tmp_path, INPUTS) if isinstance(e, Event)]
    assert [event.as_json() for event in followed] == GOOD
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["adapter_model.safetensors"]
    assert (tmp_path / "checkpoints").exists()  # until the stage is on record


def test_metrics_are_only_read_again_when_they_have_grown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parsing ten thousand lines at each look would take CPU time from training."""
    reads: list[Path] = []

    def counted(path: Path) -> list[Event]:
        reads.append(path)
        return events.read_metrics(path)

    monkeypatch.setattr(training, "read_metrics", counted)
    monkeypatch.setattr(training, "POLL_SECONDS", 0.01)
    line = json.dumps(GOOD[0])
    code = f"import time\ntime.sleep(0.3); print({line!r}, file=open('m', 'a')); time.sleep(0.5)"
    child = tether.start([sys.executable, "-c", code], tmp_path, 1)
    followed = [e for e in training._follow(tmp_path / "m", child) if isinstance(e, Event)]
    assert [event.as_json() for event in followed] == [GOOD[0]]
    assert len(reads) == 1


def failing(code: str) -> list[str]:
    """An Axolotl that runs this code instead; `options` are what kotune added to its command
    line."""
    return [sys.executable, "-c", f"import os, signal, sys; options = sys.argv[1:]\n{code}"]


BEGUN = (  # the model is loaded
    "open('metrics.jsonl', 'w').write('{\"event\": \"start\", \"step\": 0}' + chr(10))\n"
)


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (
            "sys.exit('torch.OutOfMemoryError: CUDA out of memory.')",
            "too small for the model itself; end other processes on the GPU",
        ),
        (
            "sys.exit('OSError: [Errno 28] No space left on device')",
            "disk is full; free some space(.|\n)*resumes from step 0",
        ),
        ("os.kill(os.getpid(), signal.SIGKILL)", "killed by another process"),
    ],
)
def test_what_ended_training_is_told_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, told: str
) -> None:
    monkeypatch.setattr(training, "COMMAND", failing(code))
    with pytest.raises(StageError, match=told):
        list(training.train(tmp_path, INPUTS))


LAUNCHERS_LAST = (
    "E1130 10:44:29 19187 api.py:1002] failed (exitcode: 143) local_rank: 0 (pid: 19218) of binary:"
    " /bin/python"
)


@pytest.mark.parametrize(
    "code",
    [
        "sys.exit(143)",
        "os.kill(os.getpid(), signal.SIGTERM)",
        f"print({LAUNCHERS_LAST!r}, flush=True); sys.exit(1)",
    ],
)
def test_a_training_that_somebody_else_told_to_stop_is_preempted_not_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    monkeypatch.setattr(training, "COMMAND", failing(code))
    with pytest.raises(Preempted):
        list(training.train(tmp_path, INPUTS))


def test_a_loss_that_is_no_number_is_told_with_its_step_and_checkpoints_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = [
        GOOD[0],
        GOOD[1],
        {"event": "log", "step": 2, "loss": float("nan"), "learning_rate": 3.0},
    ]
    lines = "".join(json.dumps(event) + "\n" for event in events)
    code = (
        f"open('metrics.jsonl', 'w').write({lines!r}); os.mkdir('checkpoints/checkpoint-1');"
        " sys.exit(1)"
    )
    monkeypatch.setattr(training, "COMMAND", failing(code))
    with pytest.raises(
        StageError,
        match=r"loss is nan at step 2 \(last finite at step 1\)(.|\n)*learning_rate \(3 at",
    ):
        list(training.train(tmp_path, INPUTS))
    assert (tmp_path / "checkpoints" / "checkpoint-1").exists()
    assert not (tmp_path / "model").exists()


def with_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fits: str) -> None:
    """An Axolotl whose 16 examples a step find room where `fits` is true of its `options`."""
    write_text(tmp_path / "axolotl.yml", "micro_batch_size: 16\ngradient_accumulation_steps: 1\n")
    lines = "".join(json.dumps(event) + "\n" for event in GOOD)
    code = (
        f"{BEGUN}if not ({fits}): sys.exit('torch.OutOfMemoryError: CUDA out of memory.')\n"
        f"open('metrics.jsonl', 'w').write({lines!r})"
    )
    monkeypatch.setattr(training, "COMMAND", failing(code))
    keep_matching(tmp_path / "checkpoints", INPUTS)
    trained(tmp_path, [])


def test_out_of_memory_halves_the_micro_batch_and_keeps_the_examples_of_a_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_room(tmp_path, monkeypatch, "'--micro-batch-size=4' in options")
    events = [e for e in training.train(tmp_path, INPUTS) if isinstance(e, OutOfMemory)]
    assert events == [OutOfMemory(0, 8, 2), OutOfMemory(0, 4, 4)]
    assert out_of_memory.halvings(tmp_path)[-1] == Halved(
        step=0, micro_batch_size=4, gradient_accumulation_steps=4
    )
    assert (tmp_path / "model").exists()


def test_out_of_memory_without_gradient_checkpointing_switches_it_on_before_a_batch_is_halved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fits = "'--micro-batch-size=8' in options and '--gradient-checkpointing=false' not in options"
    with_room(tmp_path, monkeypatch, fits)
    every = training.train(tmp_path, INPUTS, is_lean=True)
    events = [event for event in every if isinstance(event, OutOfMemory)]
    assert [event.micro_batch_size for event in events] == [None, 8]
    assert [halving.micro_batch_size for halving in out_of_memory.halvings(tmp_path)] == [8]
    assert out_of_memory.options(tmp_path, True) == [
        "--micro-batch-size=8",
        "--gradient-accumulation-steps=2",
    ]


def test_out_of_memory_with_one_example_gives_up_with_advice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_text(tmp_path / "axolotl.yml", "micro_batch_size: 2\ngradient_accumulation_steps: 8\n")
    monkeypatch.setattr(
        training,
        "COMMAND",
        failing(f"{BEGUN}sys.exit('torch.OutOfMemoryError: CUDA out of memory.')"),
    )
    with pytest.raises(
        StageError, match=r"micro_batch_size 1; shorten axolotl\.sequence_len"
    ) as told:
        list(training.train(tmp_path, INPUTS))
    assert exit_code(told.value) == 1
    assert out_of_memory.options(tmp_path, False) == [
        "--micro-batch-size=1",
        "--gradient-accumulation-steps=16",
    ]


@pytest.mark.parametrize("micro", range(1, 33))
@pytest.mark.parametrize("steps", [1, 2, 3, 5])
def test_a_smaller_micro_batch_never_changes_the_effective_batch(micro: int, steps: int) -> None:
    smaller, more = out_of_memory.smaller(micro, steps)
    assert (
        (smaller, more) == (0, 0)
        if micro == 1
        else (smaller * more == micro * steps and 1 <= smaller <= micro // 2)
    )


def test_a_gradient_of_zero_and_a_flat_loss_are_doubted_and_a_falling_one_is_not() -> None:
    def logs(losses: list[float], norm: float) -> list[Event]:
        return [
            Event(event="log", step=step, loss=loss, grad_norm=norm)
            for step, loss in enumerate(losses, 1)
        ]

    def told(losses: list[float], norm: float) -> list[dict[str, object]]:
        return [warning.as_json() for warning in training.warnings(logs(losses, norm))]

    assert told([2.0, 1.5, 1.0], 0.3) == []
    assert told([2.0, 1.5, 1.0], 0.0) == [{"kind": "zero_gradient", "step": 1, "n": 3}]
    assert told([2.0, 2.0001, 2.0], 0.3) == [{"kind": "flat_loss", "step": 3, "n": 3}]


def checkpoint(folder: Path, step: int, without: str = "", value: float = 1.0) -> None:
    """A checkpoint as HF's Trainer leaves it, or without one of its files."""
    from safetensors.torch import save_file

    place = folder / f"checkpoint-{step}"
    place.mkdir(parents=True)
    for name in FILES:
        write_text(place / name, json.dumps({"global_step": step}))
    save_file({"a": torch.tensor([1.0, value])}, place / WEIGHTS)
    if without:
        (place / without).unlink()


@pytest.mark.parametrize("missing", FILES)
def test_a_checkpoint_that_lacks_any_of_its_files_is_not_resumed_from(
    tmp_path: Path, missing: str
) -> None:
    checkpoint(tmp_path, 5)
    checkpoint(tmp_path, 10, without=missing)
    assert drop_unusable(tmp_path) == (5, ["checkpoint-10"])
    assert last_good_step(tmp_path) == 5
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-5"]


@pytest.mark.parametrize("name", [WEIGHTS, "trainer_state.json"])
def test_a_checkpoint_with_a_torn_file_is_not_resumed_from(tmp_path: Path, name: str) -> None:
    checkpoint(tmp_path, 5)
    checkpoint(tmp_path, 10)
    torn = tmp_path / "checkpoint-10" / name
    torn.write_bytes(torn.read_bytes()[: torn.stat().st_size // 2])
    assert drop_unusable(tmp_path) == (5, ["checkpoint-10"])


def test_a_checkpoint_of_several_processes_is_whole_with_a_random_state_of_each(
    tmp_path: Path,
) -> None:
    checkpoint(tmp_path, 5, without="rng_state.pth")
    for rank in (0, 1):
        write_text(tmp_path / "checkpoint-5" / f"rng_state_{rank}.pth", "state")
    assert last_good_step(tmp_path) == 5
    write_text(tmp_path / "checkpoint-5" / "rng_state_1.pth", "")
    assert last_good_step(tmp_path) == 0


def test_a_launcher_and_its_arguments_reach_axolotl_unchanged_behind_kotunes_own(
    tmp_path: Path,
) -> None:
    assert training.command(tmp_path, ()) == [*training.COMMAND, "--launcher", "python"]
    write_json(tmp_path / "axolotl.yml", {"micro_batch_size": 8})
    write_json(
        tmp_path / "checkpoints" / "halved.json",
        [{"step": 0, "micro_batch_size": 4, "gradient_accumulation_steps": 2}],
    )
    own = ["--micro-batch-size=4", "--gradient-accumulation-steps=2"]
    words = ("torchrun", "--nproc_per_node=2", "--rdzv_endpoint=a b:1")
    assert training.command(tmp_path, words) == [
        *training.COMMAND,
        "--launcher",
        "torchrun",
        *own,
        "--",
        *words[1:],
    ]


def test_axolotls_own_command_line_has_these_launchers_and_takes_arguments_behind_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from axolotl.cli import main
    from click.testing import CliRunner

    seen: list[Any] = []
    monkeypatch.setattr(main, "launch_training", lambda *words: seen.append(words))
    write_text(tmp_path / "axolotl.yml", "{}")
    monkeypatch.chdir(tmp_path)
    for launcher in LAUNCHERS:
        words = training.command(tmp_path, (launcher, "--nproc_per_node=2", "--x"))[
            len(tether.PYTHON) + 2 :
        ]
        assert CliRunner().invoke(main.cli, words).exit_code == 0
        assert (seen[-1][1], seen[-1][4]) == (launcher, ["--nproc_per_node=2", "--x"])


def test_of_several_processes_one_writes_metrics(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from types import SimpleNamespace

    from kotune.train.plugin import MetricsWriter, Padding

    monkeypatch.chdir(tmp_path)
    for first in (False, True):
        state = SimpleNamespace(is_world_process_zero=first, global_step=2, max_steps=2)
        MetricsWriter(None, Padding(), "all").on_train_end(None, state, None)
        assert (tmp_path / "metrics.jsonl").exists() == first


def test_tokens_of_padding_are_counted_and_batches_without_any_have_none() -> None:
    torch = pytest.importorskip("torch")
    from types import SimpleNamespace

    from kotune.train.plugin import Padding

    trainer, padding = SimpleNamespace(training_step=lambda model, inputs, *_: "loss"), Padding()
    padding.watch(trainer)
    ids, mask = torch.zeros(2, 8), torch.tensor([[1] * 8, [1] * 2 + [0] * 6])
    assert trainer.training_step(None, {"input_ids": ids, "attention_mask": mask}) == "loss"
    assert padding.since_last() == 1.6
    assert padding.since_last() == 0
    trainer.training_step(None, {"input_ids": ids})
    assert padding.since_last() == 1


def test_a_checkpoint_that_is_not_finite_is_not_resumed_from(tmp_path: Path) -> None:
    checkpoint(tmp_path, 5)
    checkpoint(tmp_path, 10, value=float("nan"))
    assert drop_unusable(tmp_path) == (5, ["checkpoint-10"])


@pytest.mark.parametrize(
    "state",
    ["[]", "{}", '{"global_step": 1e999}', '{"global_step": -1}', "[" * 100_000, "\ufeff", "5"],
)
def test_a_checkpoint_whose_state_is_none_is_not_resumed_from(tmp_path: Path, state: str) -> None:
    checkpoint(tmp_path, 5)
    checkpoint(tmp_path, 10)
    write_text(tmp_path / "checkpoint-10" / "trainer_state.json", state)
    assert last_good_step(tmp_path) == 5
    assert drop_unusable(tmp_path) == (5, ["checkpoint-10"])


def test_a_state_that_is_larger_than_any_is_not_read(tmp_path: Path) -> None:
    checkpoint(tmp_path, 10)
    with (tmp_path / "checkpoint-10" / "trainer_state.json").open("wb") as file:
        file.truncate(10_000_000_000)
    assert last_good_step(tmp_path) == 0


def test_a_file_with_the_name_of_a_checkpoint_is_taken_away(tmp_path: Path) -> None:
    write_text(tmp_path / "checkpoint-3", "none")
    assert drop_unusable(tmp_path) == (0, ["checkpoint-3"]) and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "text",
    [
        '{"a":1}',
        "[5]",
        "[",
        '[{"step":1,"micro_batch_size":0,"gradient_accumulation_steps":1}]',
        # Another experiment, or a step that never ends.
        '[{"step":1,"micro_batch_size":4,"gradient_accumulation_steps":8}]',
        '[{"step":1,"micro_batch_size":1,"gradient_accumulation_steps":1000000000000}]',
    ],
)
def test_halvings_that_are_none_are_forgotten_and_told(tmp_path: Path, text: str) -> None:
    write_json(tmp_path / "axolotl.yml", {"micro_batch_size": 8, "gradient_accumulation_steps": 2})
    assert out_of_memory.damaged(tmp_path) == ""
    write_text(tmp_path / "checkpoints" / "halved.json", text)
    assert training.command(tmp_path, ()) == [*training.COMMAND, "--launcher", "python"]
    assert "checkpoints/halved.json: damaged" in out_of_memory.damaged(tmp_path)


@pytest.mark.parametrize("inputs", ["garbage", "[", "\ufeff{}"])
def test_unfinished_work_whose_note_is_damaged_is_not_used_and_that_is_told(
    tmp_path: Path, inputs: str
) -> None:
    checkpoint(tmp_path / "work", 5)
    write_text(tmp_path / "work" / "inputs.json", inputs)
    assert keep_matching(tmp_path / "work", INPUTS).startswith("work/inputs.json: damaged")
    assert keep_matching(tmp_path / "work", INPUTS) == "" and last_good_step(tmp_path / "work") == 0


def test_an_adapter_of_numbers_that_nobody_knows_is_one_message(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    root = trained(tmp_path, GOOD)
    save_file({"a": torch.ones(2).to(torch.float8_e4m3fn)}, root / "checkpoints" / WEIGHTS)
    with pytest.raises(
        StageError,
        match=(r"not a complete adapter \(an unknown dtype \('F8_E4M3'\)\); run the same command"),
    ):
        training.check_finished(root)


def test_unfinished_work_of_other_inputs_is_forgotten(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoints"
    keep_matching(folder, INPUTS)
    (folder / "checkpoint-5").mkdir()
    keep_matching(folder, INPUTS)
    assert (folder / "checkpoint-5").exists()
    keep_matching(folder, {"config": "b"})
    assert not (folder / "checkpoint-5").exists()


def read(metrics: Path) -> list[dict[str, object]]:
    return [event.as_json() for event in events.read_metrics(metrics)]


def test_metrics_are_kept_up_to_the_checkpoint_that_training_goes_on_from(tmp_path: Path) -> None:
    metrics = trained(tmp_path, GOOD) / "metrics.jsonl"
    events.keep_metrics_until(metrics, 1)
    assert read(metrics) == GOOD[:2]
    events.keep_metrics_until(metrics, 0)
    assert events.read_metrics(metrics) == []


@pytest.mark.parametrize(
    ("line", "step"),
    [
        ("garbage", 1),
        ("", 1),
        ("[]", 2),
        ('{"event": "log"}', 1),
        ('{"event": "log", "step": 1e999}', 1),
        ('{"event": "log", "step": 1, "loss": "x"}', 1),
        ('{"event": "log", "step": 1, "loss": 1' + "0" * 400 + "}", 1),
        ('{"event": "out_of_memory", "step": 1}', 1),
        ("x" * 4_000_001, 1),
        ("garbage", 0),
    ],
    ids=lambda value: str(value)[:40],
)
def test_of_damaged_metrics_the_whole_lines_are_kept_and_the_file_beside_them(
    tmp_path: Path, line: str, step: int
) -> None:
    metrics = trained(tmp_path, GOOD[:2]) / "metrics.jsonl"
    with metrics.open("a") as file:
        file.write(line + "\n")
    was = metrics.read_bytes()
    told = events.keep_metrics_until(metrics, step)
    used = f"; its undamaged lines up to step {step} are used" if step else ""
    assert (
        told == "metrics.jsonl: some lines are damaged; the file is kept as"
        f" metrics.jsonl.damaged{used}"
    )
    assert read(metrics) == (GOOD[:2] if step else [])
    assert (tmp_path / "metrics.jsonl.damaged").read_bytes() == was
    assert events.keep_metrics_until(metrics, step) == ""
    metrics.write_text("garbage\n")
    assert "metrics.jsonl.damaged1" in events.keep_metrics_until(metrics, step)
    assert (tmp_path / "metrics.jsonl.damaged").read_bytes() == was


def test_metrics_that_are_damaged_while_training_goes_on_are_one_message(tmp_path: Path) -> None:
    write_text(tmp_path / "metrics.jsonl", "garbage\n")
    with pytest.raises(
        StageError, match=r"metrics\.jsonl: damaged .*; run the same command again; it keeps the"
    ):
        training.last_step(tmp_path)


def test_a_line_that_is_still_being_written_is_not_read(tmp_path: Path) -> None:
    start = {"event": "start", "step": 0}
    (tmp_path / "metrics.jsonl").write_text(json.dumps(start) + '\n{"event": "lo')
    assert read(tmp_path / "metrics.jsonl") == [start]


def test_axolotl_asks_the_hub_for_nothing_but_a_space_of_the_users(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The model is at hand and was judged; a mirror may offer more of it by now."""
    for name in ("TRACKIO_SPACE_ID", "TRACKIO_SERVER_URL", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    assert training.environment()["HF_HUB_OFFLINE"] == "1"
    monkeypatch.setenv("TRACKIO_SPACE_ID", "me/space")
    assert "HF_HUB_OFFLINE" not in training.environment()


def about_gpus(launcher: tuple[str, ...]) -> list[str]:
    job = SimpleNamespace(launcher=launcher, is_old_gpu=False, recipe=SimpleNamespace(axolotl={}))
    return gpu.notes(cast(Job, job))


@pytest.mark.parametrize(
    ("named", "installed", "seen"),
    [
        (None, 2, ["0", "1"]),
        (None, 1, ["0"]),
        (None, 0, ["0"]),
        ("3, 1", 4, ["3", "1"]),
        ("GPU-1a,MIG-2b", 2, ["GPU-1a", "MIG-2b"]),
    ],
)
def test_one_process_sees_one_gpu_and_a_launchers_processes_see_all(
    monkeypatch: pytest.MonkeyPatch, named: str | None, installed: int, seen: list[str]
) -> None:
    """Axolotl would spread the model of a single process over all that it sees."""
    monkeypatch.setattr(device, "_is_loaded", lambda: True)
    monkeypatch.setattr(device, "_installed", lambda: installed)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if named:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    one_process: tuple[tuple[str, ...], ...] = ((), ("python",))
    for launcher in one_process:
        assert training.environment(launcher)["CUDA_VISIBLE_DEVICES"] == seen[0]
        told = about_gpus(launcher)
        assert (
            told == []
            if len(seen) == 1
            else f"uses the first ({seen[0]})" in told[0] and f"node={len(seen)}" in told[0]
        )
    for launcher in (("torchrun", "--nproc_per_node=2"), ("accelerate",)):
        assert "CUDA_VISIBLE_DEVICES" not in training.environment(launcher)  # the user's own stays
        assert about_gpus(launcher) == []


def test_without_a_gpu_nothing_is_said_of_any(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert "CUDA_VISIBLE_DEVICES" not in training.environment() and about_gpus(()) == []


def test_what_training_makes_lies_where_it_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A home that takes no files: Axolotl's copy of the rows, and what torch compiles, would have
    no place."""
    monkeypatch.setenv("HOME", "/dev/null/home")
    for name in ("HF_HOME", "XDG_CACHE_HOME", "HF_DATASETS_CACHE", "TORCHINDUCTOR_CACHE_DIR"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "checkpoints").mkdir()
    script = (
        "import os; print(os.environ['HF_DATASETS_CACHE'], os.environ['TORCHINDUCTOR_CACHE_DIR'])"
    )
    monkeypatch.setattr(training, "command", lambda *_: [sys.executable, "-c", script])
    assert [*training._axolotl(tmp_path, (), is_lean=False)] == []
    told = (tmp_path / "train.log").read_text().split()
    assert told == [
        str(tmp_path / "caches" / name) for name in ("hf_datasets_cache", "torchinductor_cache_dir")
    ]


@pytest.mark.parametrize(
    "line",
    [
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB",
        "RuntimeError: CUDA error: out of memory",
        "RuntimeError: CUDA driver error: out of memory",
        "RuntimeError: Triton Error [CUDA]: out of memory",
        "RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
    ],
)
def test_want_of_gpu_memory_is_known_however_it_is_said(tmp_path: Path, line: str) -> None:
    (tmp_path / "log").write_text(f'Traceback (most recent call last):\n  File "x"\n{line}\n')
    assert out_of_memory.is_exhausted(tmp_path / "log")
    (tmp_path / "log").write_text(
        "RuntimeError: CUDA error: an illegal memory access was encountered\n"
        "out of memory of the host\n"
    )
    assert not out_of_memory.is_exhausted(tmp_path / "log")
