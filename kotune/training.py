"""Training is Axolotl's: its own process in the run folder, watched through metrics.jsonl, believed only when proven.

Axolotl exits 0 on Ctrl-C and on a run whose weights are all NaN. Here training counts as done when the last step equals
max_steps and every tensor of the adapter is finite; then the adapter is moved to `model/` in one rename. The checkpoints
stay until that is on record.
"""

import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

from kotune import memory, tether
from kotune.axolotl_config import CHECKPOINTS, detect_device
from kotune.checkpoints import WEIGHTS, drop_unusable, keep_matching, last_good_step, not_finite
from kotune.errors import PREEMPTED, Preempted, StageError
from kotune.run import write_text

COMMAND = [sys.executable, "-m", "axolotl.cli.main", "train", "axolotl.yml"]
LAUNCHERS = ("python", "accelerate", "torchrun")  # Axolotl's own
Launcher = tuple[str, ...]  # one of them and its own arguments; empty: python, one process
KEPT = ("adapter_config.json", WEIGHTS, "chat_template.jinja", "README.md")
WORK = (CHECKPOINTS, "prepared")  # of no use once the adapter is on record
POLL_SECONDS = 0.2
FULL = re.compile(
    r"No space left on device|Disk quota exceeded|PytorchStreamWriter failed|enforce fail at inline_container"
)
LITTLE = 1 << 20  # bytes
GRACE = 30.0  # seconds that a training which is told to stop has for its last checkpoint
FLAT = 1e-3  # losses that differ by less than this share of the largest one show no learning
Event = dict[str, Any]


def environment() -> dict[str, str]:
    """The child's environment: telemetry off, our plugin importable, no colour codes in logs."""
    root = str(Path(__file__).parent.parent)
    path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    quiet = {"AXOLOTL_DO_NOT_TRACK": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "TOKENIZERS_PARALLELISM": "false"}
    quiet["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"] = "0"  # a checkpoint is data: nothing in it may run
    # Where a config says dataset_num_proc: 0, Axolotl saves its prepared data with this many worker processes all the same.
    alone = {"AXOLOTL_DATASET_NUM_PROC": "0"} if detect_device() == "cpu" else {}
    programs = os.pathsep.join(
        (str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath))
    )  # torchrun lies there
    return {**os.environ, **quiet, **alone, "PYTHONPATH": path, "PATH": programs, "NO_COLOR": "1"}


def train(root: Path, inputs: dict[str, Any], launcher: Launcher = ()) -> Generator[Event, None, None]:
    """Run `axolotl train` in the run folder; yields each metrics event as it is written, then checks the adapter.

    Goes on from a checkpoint only where that was made from the same `inputs`. Where the GPU's memory is too small, it is
    started again with a smaller micro-batch, and the event is `out_of_memory`. StageError when Axolotl fails, stops early
    or leaves a tensor that is not finite; Preempted when somebody told it to stop.
    """
    keep_matching(root / CHECKPOINTS, inputs)
    while code := (yield from _axolotl(root, launcher)):
        check_losses(root)
        if not memory.is_exhausted(root / "train.log"):
            raise _failure(root, code)
        yield {"event": "out_of_memory", **memory.halve(root, reached(root))}
    check_finished(root)
    _keep_adapter(root)


def _axolotl(root: Path, launcher: Launcher) -> Generator[Event, None, int]:
    """One start of Axolotl; its exit code."""
    metrics = root / "metrics.jsonl"
    step = drop_unusable(root / CHECKPOINTS)
    keep_metrics_until(metrics, step)
    if not step:  # a kill may have left a part of the tokenized data, which Axolotl would not check
        shutil.rmtree(root / "prepared", ignore_errors=True)
    with (root / "train.log").open("w", encoding="utf-8") as log:
        child = tether.start(command(root, launcher), root, log, env=environment())
        try:
            yield from _follow(metrics, child)
        finally:
            tether.end(child, GRACE)
    return child.returncode


def command(root: Path, launcher: Launcher) -> list[str]:
    """What starts Axolotl; the launcher's arguments reach it unchanged, behind `--`."""
    name, *arguments = launcher or LAUNCHERS[:1]
    return [*COMMAND, "--launcher", name, *memory.options(root), *(["--", *arguments] if arguments else [])]


def _failure(root: Path, code: int) -> Exception | Preempted:
    """What a start of Axolotl that ended with another code than 0 means to the user."""
    if code in (PREEMPTED, -signal.SIGTERM):
        return Preempted()
    log = tail(root / "train.log")
    kept = f"checkpoints are kept: the same command goes on from step {last_good_step(root / CHECKPOINTS)}"
    text = (root / "train.log").read_text(encoding="utf-8", errors="replace")
    if FULL.search(text) or shutil.disk_usage(root).free < LITTLE:  # a full disk cuts the log short, too
        return StageError(f"train: the disk is full; free some space. Whole {kept}\n{log}")
    if code == -signal.SIGKILL:
        return StageError(
            f"train: axolotl was killed from outside, as a machine does that is out of memory. Whole {kept}"
        )
    return StageError(f"train: axolotl exited with {code}\n{log}")


def reached(root: Path) -> int:
    """The last step that metrics.jsonl knows of; 0 where training never began."""
    return max((int(event["step"]) for event in read_metrics(root / "metrics.jsonl")), default=0)


def check_finished(root: Path) -> None:
    """StageError unless the last step was reached with finite losses and a finite adapter."""
    ends = [event for event in read_metrics(root / "metrics.jsonl") if event["event"] == "end"]
    if not ends or ends[-1]["step"] != ends[-1]["max_steps"]:
        raise StageError(f"train: stopped at step {reached(root)} before the last one\n{tail(root / 'train.log')}")
    check_losses(root)
    if bad := not_finite(root / CHECKPOINTS / WEIGHTS):
        raise StageError(
            f"train: {bad[0]} and {len(bad) - 1} more tensors hold NaN or infinity; lower axolotl.learning_rate"
        )


def check_losses(root: Path) -> None:
    """StageError with the step of the first loss that is no finite number. Checkpoints before it stay."""
    last = 0
    for event in read_metrics(root / "metrics.jsonl"):
        if not math.isfinite(loss := event.get("loss", 0.0)):
            raise StageError(
                f"train: the loss is {loss} at step {event['step']} (it was a number at step {last}); nothing after step "
                f"{last_good_step(root / CHECKPOINTS)} is kept and nothing is scored. Likely causes, the likeliest first: "
                f"axolotl.learning_rate ({event.get('learning_rate', 0):.2g} at this step) is too high; fp16, whose range "
                "is small (bf16 is not); examples of which no token is trained"
            )
        last = event["step"] if "loss" in event else last


def warnings(events: list[Event]) -> list[dict[str, Any]]:
    """What a finished training should be doubted for: `zero_gradient` with the first step, `flat_loss` with the last."""
    found = []
    if still := [event["step"] for event in events if event.get("grad_norm") == 0]:
        found.append({"kind": "zero_gradient", "step": still[0], "n": len(still)})
    losses = [event["loss"] for event in events if "loss" in event]
    if len(losses) > 2 and max(losses) - min(losses) <= FLAT * abs(max(losses)):
        found.append({"kind": "flat_loss", "step": events[-1]["step"], "n": len(losses)})
    return found


def read_metrics(path: Path) -> list[Event]:
    """The events of metrics.jsonl; none where training never began."""
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]  # the last line may still be on its way


def keep_metrics_until(metrics: Path, step: int) -> None:
    """Keep what was logged up to the checkpoint that training goes on from; the rest will be logged again."""
    kept = [event for event in read_metrics(metrics) if step and event["step"] <= step and event["event"] != "end"]
    write_text(metrics, "".join(json.dumps(event) + "\n" for event in kept))


def tail(log: Path, lines: int = 15) -> str:
    """The last lines of a log with its path, for an error message."""
    text = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else []
    return "\n".join([f"last lines of {log}:", *(f"  {line}" for line in text[-lines:])])


def _follow(metrics: Path, child: "subprocess.Popen[str]") -> Iterator[Event]:
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
    """Adapter, tokenizer and template to model/, whole or not at all."""
    made, partial, final = root / CHECKPOINTS, root / ".model.partial", root / "model"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    for file in made.iterdir():
        if file.is_file() and (file.name in KEPT or file.name.startswith(("tokenizer", "special_tokens"))):
            shutil.copy2(file, partial / file.name)
    shutil.rmtree(final, ignore_errors=True)
    partial.rename(final)
