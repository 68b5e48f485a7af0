"""Saves a checkpoint before training stops on SIGTERM or Ctrl-C. Processes that train together stop
at the same step.

A signal may reach the processes at different moments, or may reach only one of them. If one process
stopped alone, the others would wait for its gradients, and the checkpoint would be incomplete. So
after each step, all processes together check whether any of them got a signal. During an
evaluation, they check after each batch."""

import os
import signal
from typing import Any

from transformers import TrainerCallback

from kotune.errors import PREEMPTED


class Stopper(TrainerCallback):  # type: ignore[misc]
    """On SIGTERM or Ctrl-C, saves a checkpoint after the current step and exits.

    Axolotl would save nothing on SIGTERM. On Ctrl-C it would exit with 0 and leave an unfinished
    adapter that looks finished."""

    def __init__(self, trainer: Any) -> None:
        self.trainer = trainer
        self.is_signalled = False  # whether this process got a signal
        self.has_agreed = False  # whether the last check found a signal in any process

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)

    def _on_signal(self, *_: Any) -> None:
        self.is_signalled = True

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.has_agreed = _any(self.is_signalled, args)
        if self.has_agreed:
            control.should_save = True

    def on_prediction_step(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.has_agreed = self.has_agreed or _any(self.is_signalled, args)
        # Waiting for the end of the evaluation could be too long: a scheduler may kill the job.
        if self.has_agreed:
            self.trainer._save_checkpoint(self.trainer.model, trial=None)
            _leave(args)

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if self.has_agreed:
            _leave(args)


def _any(is_signalled: bool, args: Any) -> bool:
    """Whether any of the processes that train together got a signal. Every process must call this
    function at the same point, because the call waits for all other processes."""
    if args.world_size == 1:
        return is_signalled
    import torch

    flag = torch.tensor(int(is_signalled), device=args.device)
    torch.distributed.all_reduce(flag, op=torch.distributed.ReduceOp.MAX)
    return bool(flag.item())


def _leave(args: Any) -> None:
    """Exit with PREEMPTED when every process has written its part of the checkpoint. A launcher
    ends all processes as soon as one of them exits, so each must wait for the others."""
    _any(False, args)  # used only to wait for the other processes
    os._exit(PREEMPTED)
