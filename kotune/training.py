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

from kotune.axolotl_config import CHECKPOINTS
from kotune.errors import StageError

COMMAND = [sys.executable, "-m", "axolotl.cli.main", "train", "axolotl.yml", "--launcher", "python"]
KEPT = ("adapter_config.json", "adapter_model.safetensors", "chat_template.jinja", "README.md")
POLL_SECONDS = 0.2


def environment() -> dict[str, str]:
    """The child's environment: telemetry off, our plugin importable, no colour codes in logs."""
    root = str(Path(__file__).parent.parent)
    path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    quiet = {"AXOLOTL_DO_NOT_TRACK": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "TOKENIZERS_PARALLELISM": "false"}
    return {**os.environ, **quiet, "PYTHONPATH": path, "NO_COLOR": "1"}


def train(root: Path) -> Iterator[dict[str, Any]]:
    """Run `axolotl train` in the run folder; yields each metrics event as it is written, then checks the adapter.

    StageError when Axolotl fails, stops early or leaves a tensor that is not finite.
    """
    metrics = root / "metrics.jsonl"
    metrics.unlink(missing_ok=True)
    drop_torn_checkpoints(root / CHECKPOINTS)
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
            raise StageError(f"train: loss is {event['loss']} at step {event['step']}; lower the learning rate")
    bad = not_finite(root / CHECKPOINTS / "adapter_model.safetensors")
    if bad:
        raise StageError(
            f"train: {bad[0]} and {len(bad) - 1} more tensors hold NaN or infinity; lower the learning rate"
        )


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The events of metrics.jsonl; none where training never began."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def not_finite(weights: Path) -> list[str]:
    """Names of the tensors in a safetensors file that hold NaN or infinity."""
    import torch
    from safetensors import safe_open

    with safe_open(weights, framework="pt") as file:
        names = list(file.keys())  # a handle, not a dict: it cannot be iterated
        return [name for name in names if not torch.isfinite(file.get_tensor(name)).all()]


def drop_torn_checkpoints(folder: Path) -> None:
    """Axolotl resumes from the highest-numbered folder unchecked; trainer_state.json is written last, so it tells."""
    for checkpoint in folder.glob("checkpoint-*"):
        try:
            json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            shutil.rmtree(checkpoint)


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
    shutil.rmtree(made)
    shutil.rmtree(root / "prepared", ignore_errors=True)
