"""Training is Axolotl's: its own process in the run folder, watched through metrics.jsonl, believed only when proven.

Axolotl exits 0 on Ctrl-C and on a run whose weights are all NaN. Here training counts as done when the last step equals
max_steps and every tensor of the adapter is finite; then the adapter is moved to `model/` in one rename.
"""

import json
import math
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kotune.axolotl_config import CHECKPOINTS, detect_device
from kotune.errors import StageError
from kotune.run import read_json, write_json, write_text

COMMAND = [sys.executable, "-m", "axolotl.cli.main", "train", "axolotl.yml", "--launcher", "python"]
KEPT = ("adapter_config.json", "adapter_model.safetensors", "chat_template.jinja", "README.md")
POLL_SECONDS = 0.2


def environment() -> dict[str, str]:
    """The child's environment: telemetry off, our plugin importable, no colour codes in logs."""
    root = str(Path(__file__).parent.parent)
    path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    quiet = {"AXOLOTL_DO_NOT_TRACK": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "TOKENIZERS_PARALLELISM": "false"}
    # Where a config says dataset_num_proc: 0, Axolotl saves its prepared data with this many worker processes all the same.
    alone = {"AXOLOTL_DATASET_NUM_PROC": "0"} if detect_device() == "cpu" else {}
    return {**os.environ, **quiet, **alone, "PYTHONPATH": path, "NO_COLOR": "1"}


def train(root: Path, inputs: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Run `axolotl train` in the run folder; yields each metrics event as it is written, then checks the adapter.

    Goes on from a checkpoint only where that was made from the same `inputs`. StageError when Axolotl fails, stops early
    or leaves a tensor that is not finite.
    """
    metrics = root / "metrics.jsonl"
    keep_matching_checkpoints(root, inputs)
    keep_metrics_until(metrics, drop_torn_checkpoints(root / CHECKPOINTS))
    with (root / "train.log").open("w", encoding="utf-8") as log:
        child = subprocess.Popen(COMMAND, cwd=root, env=environment(), stdout=log, stderr=subprocess.STDOUT)
        try:
            yield from _follow(metrics, child)
        finally:
            if child.poll() is None:
                child.terminate()
                child.wait()
    if child.returncode != 0:
        raise StageError(f"train: axolotl exited with {child.returncode}\n{tail(root / 'train.log')}")
    check_finished(root)
    _keep_adapter(root)


def check_finished(root: Path) -> None:
    """StageError unless the last step was reached with finite losses and a finite adapter."""
    events = read_metrics(root / "metrics.jsonl")
    end = next((event for event in events if event["event"] == "end"), None)
    if end is None or end["step"] != end["max_steps"]:
        reached = events[-1]["step"] if events else 0
        raise StageError(f"train: stopped at step {reached} before the last one\n{tail(root / 'train.log')}")
    for event in events:
        if not math.isfinite(event.get("loss", 0.0)):
            forget(root)
            raise StageError(f"train: loss is {event['loss']} at step {event['step']}; lower the learning rate")
    bad = not_finite(root / CHECKPOINTS / "adapter_model.safetensors")
    if bad:
        forget(root)
        raise StageError(
            f"train: {bad[0]} and {len(bad) - 1} more tensors hold NaN or infinity; lower the learning rate"
        )


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The events of metrics.jsonl; none where training never began."""
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]  # the last line may still be on its way


def not_finite(weights: Path) -> list[str]:
    """Names of the tensors in a safetensors file that hold NaN or infinity."""
    from safetensors import safe_open

    with safe_open(weights, framework="np") as file:
        names = list(file.keys())  # a handle, not a dict: it cannot be iterated
        if any(file.get_slice(name).get_dtype() == "BF16" for name in names):
            return _not_finite_in_torch(weights)
        import numpy as np

        return [name for name in names if not np.isfinite(file.get_tensor(name)).all()]


def _not_finite_in_torch(weights: Path) -> list[str]:
    """For bfloat16, which numpy does not know. Importing torch takes seconds, so it is not done where numpy will do."""
    import torch
    from safetensors import safe_open

    with safe_open(weights, framework="pt") as file:
        return [name for name in list(file.keys()) if not torch.isfinite(file.get_tensor(name)).all()]


def forget(root: Path) -> None:
    """Remove what a later training would resume from: checkpoints, and tokenized data that Axolotl does not check."""
    for name in (CHECKPOINTS, "prepared"):
        shutil.rmtree(root / name, ignore_errors=True)


def keep_matching_checkpoints(root: Path, inputs: dict[str, Any]) -> None:
    """Forget checkpoints of other data, configuration or code."""
    note = root / CHECKPOINTS / "inputs.json"
    if not note.exists() or read_json(note) != inputs:
        forget(root)
        write_json(note, inputs)


def drop_torn_checkpoints(folder: Path) -> int:
    """Axolotl resumes from the highest-numbered folder unchecked; trainer_state.json is written last, so it tells.

    Returns the step of the last whole checkpoint, 0 where there is none.
    """
    steps = [0]
    for checkpoint in folder.glob("checkpoint-*"):
        try:
            steps.append(json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))["global_step"])
        except (OSError, ValueError):
            shutil.rmtree(checkpoint)
    return max(steps)


def keep_metrics_until(metrics: Path, step: int) -> None:
    """Keep what was logged up to the checkpoint that training goes on from; the rest will be logged again."""
    kept = [event for event in read_metrics(metrics) if step and event["step"] <= step]
    write_text(metrics, "".join(json.dumps(event) + "\n" for event in kept))


def tail(log: Path, lines: int = 15) -> str:
    """The last lines of a log with its path, for an error message."""
    text = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else []
    return "\n".join([f"last lines of {log}:", *(f"  {line}" for line in text[-lines:])])


def _follow(metrics: Path, child: "subprocess.Popen[bytes]") -> Iterator[dict[str, Any]]:
    """Yield each whole line of a growing file until its writer has ended."""
    seen = 0
    while True:
        ended = child.poll() is not None
        events = read_metrics(metrics)
        yield from events[seen:]
        seen = len(events)
        if ended:
            return
        time.sleep(POLL_SECONDS)


def _keep_adapter(root: Path) -> None:
    """Adapter, tokenizer and template to model/, whole or not at all; checkpoints are only for resuming."""
    made, partial, final = root / CHECKPOINTS, root / ".model.partial", root / "model"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    for file in made.iterdir():
        if file.is_file() and (file.name in KEPT or file.name.startswith(("tokenizer", "special_tokens"))):
            shutil.copy2(file, partial / file.name)
    shutil.rmtree(final, ignore_errors=True)
    partial.rename(final)
    forget(root)
