"""Processes that train together stop at one step, whichever of them is told: real ones, over gloo,
without a model."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kotune.errors import PREEMPTED
from tests.conftest import ROOT

pytest.importorskip("torch")

# Each process makes ten steps: a step's end, and where it is the fourth an evaluation of three
# batches or a save that was due. `told`: where the signal comes in the process of rank 1 alone;
# what a process does is written to its file, line by line.
SCRIPT = """
import os, signal, sys
from pathlib import Path
from types import SimpleNamespace
import torch
# Importing it takes longer than all of this.
sys.modules["transformers"] = SimpleNamespace(TrainerCallback=object)
from kotune.train.stopping import Stopper

def work(rank, told, folder):
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    lines = (folder / str(rank)).open("a", buffering=1)
    note = lambda *words: print(*words, file=lines)
    args = SimpleNamespace(world_size=2, device=torch.device("cpu"))
    control, step = SimpleNamespace(should_save=False), 0
    trainer = SimpleNamespace(model=None, _save_checkpoint=lambda *_, **__: note("save", step))
    stopper = Stopper(trainer)
    stopper.on_train_begin(args, None, control)
    def signalled(here):
        if rank == 1 and here == told:
            os.kill(os.getpid(), signal.SIGTERM)
    for step in range(1, 11):
        signalled(f"step {step}")
        stopper.on_step_end(args, None, control)
        signalled(f"after step {step}")
        for batch in range(3 * (step == 4 and told.startswith("batch"))):
            signalled(f"batch {batch}")
            stopper.on_prediction_step(args, None, control)
        if control.should_save or step == 4:
            note("save", step)
            stopper.on_save(args, None, control)
    note("ended", step)
    os._exit(0)

children = {}
for told in sys.argv[2:]:
    folder = Path(sys.argv[1]) / told
    folder.mkdir()
    for rank in (0, 1):
        child = os.fork()
        if not child:
            work(rank, told, folder)
        children[child] = f"{told} {rank}"
codes = {children[child]: os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children}
print(__import__("json").dumps(codes))
"""
CASES = {
    "nowhere": (0, ["save 4", "ended 10"]),
    "step 3": (PREEMPTED, ["save 3"]),
    "after step 3": (PREEMPTED, ["save 4"]),
    "after step 4": (
        PREEMPTED,
        ["save 4", "save 5"],
    ),  # of the save that is due at 4 the other process knows nothing else
    "batch 1": (PREEMPTED, ["save 4"]),
}


def test_all_stop_at_one_step_with_their_part_of_the_checkpoint_written(tmp_path: Path) -> None:
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", SCRIPT, str(tmp_path), *CASES]
    done = subprocess.run(
        command, env=env, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    codes = json.loads(done.stdout.splitlines()[-1])
    for told, (code, lines) in CASES.items():
        for rank in (0, 1):
            found = (tmp_path / told / str(rank)).read_text().splitlines()
            assert (codes[f"{told} {rank}"], found) == (code, lines), told
