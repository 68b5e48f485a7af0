"""Runs Axolotl in its own process in the run folder, reads its progress from metrics.jsonl, and
verifies the result.

Axolotl exits with 0 on Ctrl-C, and also if all weights are NaN. So training counts as finished only
if the last step equals max_steps and every tensor of the adapter is finite. The adapter is then
copied to a new folder, which is renamed to `model/`. The checkpoints are kept until the stage is
recorded as finished."""

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
from kodata.errors import Translatable
from kodata.progress import Progress
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
from kotune.train.finite import nonfinite_tensors
from kotune.train.tracking import SPACES
from kotune.worker import faults, meter, tether
from kotune.worker.device import visible

COMMAND = [*tether.PYTHON, "-m", "axolotl.cli.main", "train", CONFIG]
# Files that are copied to model/, together with the tokenizer's files.
KEPT = ("adapter_config.json", WEIGHTS, TEMPLATE, "README.md")
WORK = (CHECKPOINTS, PREPARED)  # folders not needed after the stage is recorded as finished
POLL_SECONDS = 0.2
GRACE = 30.0  # seconds that Axolotl has to save a checkpoint after a signal to stop
FLAT = 1e-3  # a loss curve is flat if its range is at most this share of its largest loss


def train(
    root: Path, inputs: Inputs, launcher: Launcher = (), is_lean: bool = False
) -> Generator[TrainingEvent, None, None]:
    """Run `axolotl train` in the run folder `root`. Yield each metrics event when it is written.
    Verify the adapter at the end.

    Training resumes from a checkpoint only if the checkpoint was made from the same `inputs`. If
    files of an earlier start cannot be used, a Notice is yielded. If GPU memory is too small,
    training is restarted with gradient checkpointing, and then with a smaller micro-batch. Each
    restart yields an OutOfMemory.

    `launcher`: the launcher of several processes and its arguments, empty for one process.
    `is_lean`: whether training is predicted to fit without gradient checkpointing.

    Raises StageError if Axolotl fails, stops early or leaves a tensor that is not finite. Raises
    Preempted if a signal to stop ended training."""
    for message in (keep_matching(root / CHECKPOINTS, inputs), out_of_memory.damaged(root)):
        yield from _message(message)
    while code := (yield from _axolotl(root, launcher, is_lean)):
        check_losses(root)
        if not out_of_memory.is_exhausted(root / TRAIN_LOG):
            raise _failure(root, code)
        if not read_metrics(root / METRICS):
            raise StageError(
                Translatable(
                    "train: the GPU's memory is too small for the model itself; {advice}"
                    " (Axolotl's log: {log})",
                    advice=out_of_memory.LARGER,
                    log=root / TRAIN_LOG,
                )
            )
        yield out_of_memory.save(root, last_step(root), is_lean)
    check_finished(root)
    _keep_adapter(root)


def _axolotl(root: Path, launcher: Launcher, is_lean: bool) -> Generator[TrainingEvent, None, int]:
    """Start Axolotl once and yield its events until it ends. Returns its exit code."""
    metrics = root / METRICS
    step, removed = drop_unusable(root / CHECKPOINTS)
    for name in removed:
        yield from _message(
            Translatable(
                "{name}: incomplete or not finite; training does not resume from it", name=name
            )
        )
    yield from _message(keep_metrics_until(metrics, step))
    if not step:  # Axolotl would use tokenized data that are incomplete because of a kill
        shutil.rmtree(root / PREPARED, ignore_errors=True)
    with drafts.open_new(root / TRAIN_LOG) as log:
        child = tether.start(
            command(root, launcher, is_lean), root, log, over=environment(launcher)
        )
        try:
            with meter.alone(root):
                yield from _follow(metrics, child)
        finally:
            tether.end(child, GRACE)
    return child.returncode


def _message(text: str) -> Iterator[Notice]:
    """Yield a Notice with the text; nothing if the text is empty."""
    if text:
        yield Notice(text)


def environment(launcher: Launcher = ()) -> dict[str, str]:
    """Environment variables for Axolotl, in addition to those of every child process.

    Access to the hub is off, because the model is already downloaded and checked. Access stays on
    only if trackio sends its metrics to another machine (tracking.SPACES). A single process sees
    only one GPU. Otherwise Axolotl (0.19) would spread the model over all visible GPUs
    (`device_map: auto`), but Axolotl's kernels work only on the first GPU."""
    offline = {} if any(os.environ.get(name) for name in SPACES) else {"HF_HUB_OFFLINE": "1"}
    gpus = visible() if is_one_process(launcher) else []
    return {**offline, **({"CUDA_VISIBLE_DEVICES": gpus[0]} if gpus else {})}


def is_one_process(launcher: Launcher) -> bool:
    """Whether Axolotl runs as a single process, without a launcher that starts several."""
    return not launcher or launcher[0] == LAUNCHERS[0]


def command(root: Path, launcher: Launcher, is_lean: bool = False) -> list[str]:
    """The command that starts Axolotl. The launcher's arguments follow `--` unchanged. `is_lean`:
    as in train()."""
    name, *arguments = launcher or LAUNCHERS[:1]
    options = out_of_memory.options(root, is_lean)
    return [*COMMAND, "--launcher", name, *options, *(["--", *arguments] if arguments else [])]


def _failure(root: Path, code: int) -> Exception | Preempted:
    """The exception for an exit code of Axolotl other than 0."""
    log = root / TRAIN_LOG
    if code in (PREEMPTED, -signal.SIGTERM) or faults.is_preempted(log):
        return Preempted()
    resume = Translatable(
        "Complete checkpoints are kept: the same command resumes from step {step}",
        step=last_good_step(root / CHECKPOINTS),
    )
    if faults.is_full(log):
        return faults.JobFaultError(
            Translatable("train: the disk is full; free some space. {resume}", resume=resume), log
        )
    if killed := faults.killed(code):
        return faults.JobFaultError(f"train: axolotl was {killed}. {resume}", log)
    return faults.JobFaultError(f"train: axolotl exited with {code}: {faults.cause(log)}", log)


def last_step(root: Path) -> int:
    """The last step in metrics.jsonl; 0 if training has not begun."""
    return max((event.step for event in read_metrics(root / METRICS)), default=0)


def check_finished(root: Path) -> None:
    """Raise StageError unless training reached its last step, and all losses and all tensors of the
    adapter are finite."""
    ends = [event for event in read_metrics(root / METRICS) if event.event == "end"]
    if not ends or ends[-1].step != ends[-1].max_steps:
        log = root / TRAIN_LOG
        raise faults.JobFaultError(
            f"train: stopped at step {last_step(root)} before the last one: {faults.cause(log)}",
            log,
        )
    check_losses(root)
    weights = root / CHECKPOINTS / WEIGHTS
    try:
        bad = nonfinite_tensors(weights)
    except (OSError, ValueError) as error:
        raise StageError(
            f"train: {weights}: not a complete adapter ({error}); run the same command again"
        ) from None
    if bad:
        raise StageError(
            f"train: {bad[0]} and {len(bad) - 1} more tensors hold NaN or infinity; lower"
            " axolotl.learning_rate"
        )


def check_losses(root: Path) -> None:
    """Raise StageError if a logged loss is NaN or infinite. The message names the step of the first
    such loss. Checkpoints are not removed."""
    last_finite = 0
    for event in read_metrics(root / METRICS):
        if event.loss is None:
            continue
        if not math.isfinite(event.loss):
            raise StageError(
                f"train: the loss is {event.loss} at step {event.step} (last finite at step"
                f" {last_finite}); nothing after step {last_good_step(root / CHECKPOINTS)} is kept,"
                " and nothing is scored. Causes, most likely first: axolotl.learning_rate"
                f" ({event.learning_rate or 0:.2g} at this step) is too high; fp16 overflows"
                " (bf16 does not); examples without a trained token"
            )
        last_finite = event.step


def warnings(events: list[Event]) -> list[Doubted]:
    """Signs in the metrics of a finished training that the model learned nothing. Each sign has a
    kind, a `step` and a number `n`:

    - `zero_gradient`: the gradient of a logged step is zero. `step` is the first such step, and `n`
      is the number of such steps.
    - `flat_loss`: all logged losses are nearly equal (FLAT). `step` is the last step, and `n` is
      the number of losses.
    """
    signs = []
    if steps := [event.step for event in events if event.grad_norm == 0]:
        signs.append(_sign("zero_gradient", steps[0], len(steps)))
    losses = [event.loss for event in events if event.loss is not None]
    if len(losses) > 2 and max(losses) - min(losses) <= FLAT * abs(max(losses)):
        signs.append(_sign("flat_loss", events[-1].step, len(losses)))
    return signs


def _sign(kind: str, step: int, n: int) -> Doubted:
    return Doubted.model_validate({"kind": kind, "step": step, "n": n})


def _follow(metrics: Path, child: "subprocess.Popen[str]") -> Iterator[Event | Progress]:
    """Yield each event of the metrics file when it is written, until the process `child` has
    exited. Also yield the progress of evaluations."""
    seen, size, now = 0, 0, Progress("", 0)
    while True:
        ended = child.poll() is not None
        # Parsing a long file at each look would take CPU time from training.
        if (written := metrics.stat().st_size if metrics.exists() else 0) != size:
            size = written
            events = read_metrics(metrics)
            yield from events[seen:]
            seen = len(events)
        if (progress := meter.read(metrics.parent)) and progress != now:
            now = progress
            # The plugin reports only evaluations, named after their steps.
            what = Translatable("evaluation at step {step}", step=progress.what)
            yield progress._replace(what=what)
        if ended:
            return
        time.sleep(POLL_SECONDS)


def _keep_adapter(root: Path) -> None:
    """Replace model/ by copies of the adapter, the tokenizer and the template. If copying fails,
    model/ stays as it was."""
    output, final = root / CHECKPOINTS, root / MODEL
    partial = Path(mkdtemp(drafts.SUFFIX, f".{MODEL}.", root))
    for file in output.iterdir():
        if file.is_file() and (
            file.name in KEPT or file.name.startswith(("tokenizer", "special_tokens"))
        ):
            shutil.copy2(file, partial / file.name)
            (partial / file.name).chmod(drafts.PRIVATE)
    shutil.rmtree(final, ignore_errors=True)
    partial.rename(final)
