"""Axolotl with a fault: `python tests/chaos/faulty.py FAULT [VALUE ...] -- AXOLOTL'S ARGUMENTS`.

`boundary N MODE LOG`: ends as a kill does at the Nth thing done to a file below checkpoints/ (0:
never), `before` it or with the file half written (`torn`); LOG gets a line for each. `memory N`: no
room for micro-batches of more than N. `nan N`: the loss is NaN from the Nth micro-batch on."""

import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


def boundary(number: str, mode: str, log: str) -> None:
    from ckpt_chaos import inject

    inject.arm(
        "checkpoints",
        crash_at=int(number) or None,
        mode=mode,
        log_path=log,
        lazy_native=True,
        torn_python=True,
    )


def memory(most: str) -> None:
    def check(inputs: Any, step: Callable[[], Any]) -> Any:
        import torch

        if len(inputs["input_ids"]) > int(most):
            raise torch.OutOfMemoryError("CUDA out of memory. (simulated)")
        return step()

    _around_step(check)


def nan(first: str) -> None:
    seen: list[int] = []

    def spoil(_: Any, step: Callable[[], Any]) -> Any:
        seen.append(1)
        return step() * float("nan") if len(seen) >= int(first) else step()

    _around_step(spoil)


def _around_step(fault: Callable[[Any, Callable[[], Any]], Any]) -> None:
    from transformers import Trainer

    whole = Trainer.training_step

    def training_step(self: Any, model: Any, inputs: Any, *more: Any) -> Any:
        return fault(inputs, lambda: whole(self, model, inputs, *more))

    Trainer.training_step = training_step


def command(fault: str, *values: object) -> list[str]:
    """What training.COMMAND is to be for the fault; options may follow it."""
    return [sys.executable, __file__, fault, *map(str, values), "--", "train", "axolotl.yml"]


if __name__ == "__main__":
    at = sys.argv.index("--")
    Path("checkpoints").mkdir(exist_ok=True)
    faults: dict[str, Callable[..., None]] = {"boundary": boundary, "memory": memory, "nan": nan}
    faults[sys.argv[1]](*sys.argv[2:at])
    sys.argv = ["axolotl", *sys.argv[at + 1 :]]
    runpy.run_module("axolotl.cli.main", run_name="__main__")
