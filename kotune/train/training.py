"""Training is Axolotl's: its own process in the run folder, watched through metrics.jsonl, believed
only when proven.

Axolotl exits 0 on Ctrl-C and on a run whose weights are all NaN. Here training counts as done when
the last step equals max_steps and every tensor of the adapter is finite; then the adapter is moved
to `model/` in one rename. The checkpoints stay until that is on record."""

import math
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from tempfile import mkdtemp

from kodata import drafts
from kotune.display.progress import Notice, TrainingEvent
from kotune.errors import PREEMPTED, Preempted, StageError
from kotune.layout import (
    CHECKPOINTS,
    CONFIG,
    METRICS,
    MODEL,
    PREPARED,
    TEMPLATE,
    TRAIN_LOG,
    WEIGHTS,
)
from kotune.runs.events import keep_metrics_until, read_metrics
from kotune.runs.folder import Inputs
from kotune.runs.job import LAUNCHERS, Launcher
from kotune.runs.records import Doubted, Event
from kotune.train import out_of_memory
from kotune.train.checkpoints import drop_unusable, keep_matching, last_good_step
from kotune.train.finite import not_finite
from kotune.train.tracking import SPACES
from kotune.worker import faults, tether
from kotune.worker.device import visible

COMMAND = [*tether.PYTHON, "-m", "axolotl.cli.main", "train", CONFIG]
KEPT = ("adapter_config.json", WEIGHTS, TEMPLATE, "README.md")
WORK = (CHECKPOINTS, PREPARED)  # of no use once the adapter is on record
POLL_SECONDS = 0.2
GRACE = 30.0  # seconds that a training which is told to stop has for its last checkpoint
FLAT = 1e-3  # losses that differ by less than this share of the largest one show no learning


def train(
    root: Path, inputs: Inputs, launcher: Launcher = (), is_lean: bool = False
) -> Generator[TrainingEvent, None, None]:
    """Run `axolotl train` in the run folder; yields each metrics event as it is written, then
    checks the adapter.

    Goes on from a checkpoint only where that was made from the same `inputs`; a Notice says
    what of an earlier start cannot be used. Where the GPU's memory is too small, it
    is started again with gradient checkpointing, then with a smaller micro-batch, and the event is
    OutOfMemory. StageError when Axolotl fails, stops early or leaves a tensor that is not
    finite; Preempted when somebody told it to stop. `is_lean`: gradient checkpointing is not
    needed, as far as can be told beforehand."""
    for told in (keep_matching(root / CHECKPOINTS, inputs), out_of_memory.damaged(root)):
        yield from _told(told)
    while code := (yield from _axolotl(root, launcher, is_lean)):
        check_losses(root)
        if not out_of_memory.is_exhausted(root / TRAIN_LOG):
            raise _failure(root, code)
        if not read_metrics(root / METRICS):
            raise StageError(
                f"train: the GPU's memory is too small for the model itself; {out_of_memory.LARGER}"
                f" (Axolotl's own words are in {root / TRAIN_LOG})"
            )
        yield out_of_memory.save(root, reached(root), is_lean)
    check_finished(root)
    _keep_adapter(root)


def _axolotl(root: Path, launcher: Launcher, is_lean: bool) -> Generator[TrainingEvent, None, int]:
    """One start of Axolotl; its exit code."""
    metrics = root / METRICS
    step, removed = drop_unusable(root / CHECKPOINTS)
    for name in removed:
        yield from _told(f"{name}: not whole or not finite, so training does not go on from it")
    yield from _told(keep_metrics_until(metrics, step))
    if not step:  # a kill may have left a part of the tokenized data, which Axolotl would not check
        shutil.rmtree(root / PREPARED, ignore_errors=True)
    with drafts.open_new(root / TRAIN_LOG) as log:
        child = tether.start(
            command(root, launcher, is_lean), root, log, over=surroundings(launcher)
        )
        try:
            yield from _follow(metrics, child)
        finally:
            tether.end(child, GRACE)
    return child.returncode


def _told(text: str) -> Iterator[Notice]:
    """A notice for the screen, if there is a text."""
    if text:
        yield Notice(text)


def surroundings(launcher: Launcher = ()) -> dict[str, str]:
    """What Axolotl has beside every child's environment: the model is at hand and was judged, so
    nobody is asked for more of it; but for a space of trackio's that the user sends metrics to,
    which lies on the hub. One process sees one GPU: of several, Axolotl (0.19) would spread the
    model over all (`device_map: auto`), whose kernels then work on the first alone."""
    offline = {} if any(os.environ.get(name) for name in SPACES) else {"HF_HUB_OFFLINE": "1"}
    one = (
        {"CUDA_VISIBLE_DEVICES": gpus[0]}
        if is_one_process(launcher) and (gpus := visible())
        else {}
    )
    return {**offline, **one}


def is_one_process(launcher: Launcher) -> bool:
    """Whether Axolotl is started as one process, and not by a launcher that starts some for it."""
    return not launcher or launcher[0] == LAUNCHERS[0]


def command(root: Path, launcher: Launcher, is_lean: bool = False) -> list[str]:
    """What starts Axolotl; the launcher's arguments reach it unchanged, behind `--`."""
    name, *arguments = launcher or LAUNCHERS[:1]
    options = out_of_memory.options(root, is_lean)
    return [*COMMAND, "--launcher", name, *options, *(["--", *arguments] if arguments else [])]


def _failure(root: Path, code: int) -> Exception | Preempted:
    """What a start of Axolotl that ended with another code than 0 means to the user."""
    log = root / TRAIN_LOG
    if code in (PREEMPTED, -signal.SIGTERM) or faults.is_preempted(log):
        return Preempted()
    kept = (
        "checkpoints are kept: the same command goes on from step"
        f" {last_good_step(root / CHECKPOINTS)}"
    )
    if faults.is_full(log):
        return faults.JobFaultError(f"train: the disk is full; free some space. Whole {kept}", log)
    if killed := faults.killed(code):
        return faults.JobFaultError(f"train: axolotl was {killed}. Whole {kept}", log)
    return faults.JobFaultError(f"train: axolotl exited with {code}: {faults.cause(log)}", log)


def reached(root: Path) -> int:
    """The last step that metrics.jsonl knows of; 0 where training never began."""
    return max((event.step for event in read_metrics(root / METRICS)), default=0)


def check_finished(root: Path) -> None:
    """StageError unless the last step was reached with finite losses and a finite adapter."""
    ends = [event for event in read_metrics(root / METRICS) if event.event == "end"]
    if not ends or ends[-1].step != ends[-1].max_steps:
        log = root / TRAIN_LOG
        raise faults.JobFaultError(
            f"train: stopped at step {reached(root)} before the last one: {faults.cause(log)}", log
        )
    check_losses(root)
    weights = root / CHECKPOINTS / WEIGHTS
    try:
        bad = not_finite(weights)
    except (OSError, ValueError) as error:
        raise StageError(
            f"train: {weights}: no whole adapter ({error}); run the same command again"
        ) from None
    if bad:
        raise StageError(
            f"train: {bad[0]} and {len(bad) - 1} more tensors hold NaN or infinity; lower"
            " axolotl.learning_rate"
        )


def check_losses(root: Path) -> None:
    """StageError with the step of the first loss that is no finite number. Checkpoints before it
    stay."""
    last = 0
    for event in read_metrics(root / METRICS):
        if event.loss is None:
            continue
        if not math.isfinite(event.loss):
            raise StageError(
                f"train: the loss is {event.loss} at step {event.step} (it was a number at step"
                f" {last}); nothing after step {last_good_step(root / CHECKPOINTS)} is kept and"
                " nothing is scored. Likely causes, the likeliest first: axolotl.learning_rate"
                f" ({event.learning_rate or 0:.2g} at this step) is too high; fp16, whose"
                " range is small (bf16 is not); examples of which no token is trained"
            )
        last = event.step


def warnings(events: list[Event]) -> list[Doubted]:
    """Why a finished training may be doubted: `zero_gradient` with the first step, `flat_loss` with
    the last, each with the number of steps."""
    doubts = []
    if still := [event.step for event in events if event.grad_norm == 0]:
        doubts.append(_doubted("zero_gradient", still[0], len(still)))
    losses = [event.loss for event in events if event.loss is not None]
    if len(losses) > 2 and max(losses) - min(losses) <= FLAT * abs(max(losses)):
        doubts.append(_doubted("flat_loss", events[-1].step, len(losses)))
    return doubts


def _doubted(kind: str, step: int, n: int) -> Doubted:
    return Doubted.model_validate({"kind": kind, "step": step, "n": n})


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
    made, final = root / CHECKPOINTS, root / MODEL
    partial = Path(mkdtemp(drafts.SUFFIX, f".{MODEL}.", root))
    for file in made.iterdir():
        if file.is_file() and (
            file.name in KEPT or file.name.startswith(("tokenizer", "special_tokens"))
        ):
            shutil.copy2(file, partial / file.name)
            (partial / file.name).chmod(drafts.PRIVATE)
    shutil.rmtree(final, ignore_errors=True)
    partial.rename(final)
