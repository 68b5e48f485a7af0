"""Training that is told to stop keeps a checkpoint first: of one process, and of several that train
together at one step of all.

A signal reaches processes at different moments, or only one of them. A process that stopped alone
would leave the others waiting for its gradients, and a checkpoint that lacks a part. So they agree
after each step, and during an evaluation after each batch."""

import os
import signal
from typing import Any

from transformers import TrainerCallback

from kotune.errors import PREEMPTED


class Stopper(TrainerCallback):  # type: ignore[misc]
    """SIGTERM: a checkpoint after the step that is being done, then the end. Axolotl would keep
    nothing on SIGTERM, and on Ctrl-C exit 0 with what looks like a finished adapter."""

    def __init__(self, trainer: Any) -> None:
        self.trainer = trainer
        # this process; a signal may come at any moment, and changes nothing until all have agreed
        self.told = False
        self.agreed = False

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._tell)

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)

    def _tell(self, *_: Any) -> None:
        self.told = True

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.agreed = _any(self.told, args)
        if self.agreed:
            control.should_save = True

    def on_prediction_step(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.agreed = self.agreed or _any(self.told, args)
        if self.agreed:  # an evaluation may take longer than whoever stops us waits
            self.trainer._save_checkpoint(self.trainer.model, trial=None)
            _leave(args)

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if self.agreed:
            _leave(args)


def _any(told: bool, args: Any) -> bool:
    """Whether one of the processes that train together was told. All of them ask at the same point:
    each waits for the others."""
    if args.world_size == 1:
        return told
    import torch

    found = torch.tensor(int(told), device=args.device)
    torch.distributed.all_reduce(found, op=torch.distributed.ReduceOp.MAX)
    return bool(found.item())


def _leave(args: Any) -> None:
    """The end, once the last process has written its part: a launcher ends all as soon as one of
    them is gone."""
    _any(False, args)
    os._exit(PREEMPTED)
