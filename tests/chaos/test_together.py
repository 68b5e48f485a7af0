"""Two processes that train together, by torchrun through Axolotl, stopped and killed."""

import os
import signal
import time
from pathlib import Path

import pytest

from tests.chaos.victim import ADAPTER, SAVED, Victim

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
TOGETHER = (
    "--set",
    "axolotl.micro_batch_size=8",
    "--set",
    "axolotl.gradient_accumulation_steps=1",
    "--until",
    "train",
    "--launcher",
    "torchrun",
    "--",
    "--nproc_per_node=2",
)


def of_rank(victim: Victim, rank: int) -> int:
    """The process of this rank."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            is_here = (process / "cwd").resolve() == victim.root.resolve()
            if is_here and f"RANK={rank}".encode() in (process / "environ").read_bytes().split(
                b"\0"
            ):
                return int(process.name)
        except OSError:
            continue
    raise AssertionError(f"no process of rank {rank}")


def test_a_sigterm_that_reaches_one_process_stops_all_at_one_step_with_a_whole_checkpoint(
    tmp_path: Path,
) -> None:
    victim = Victim(tmp_path / "place")
    sent: list[int] = []

    def told() -> bool:
        if not sent and victim.reached() > SAVED:
            sent.append(victim.reached())
            os.kill(of_rank(victim, 1), signal.SIGTERM)
        return False

    with victim.start(*TOGETHER) as run:
        while run.poll() is None and not told():
            time.sleep(0.02)
        said = run.communicate()[1]
    assert run.returncode == 143, said
    assert victim.step() > SAVED and victim.step() == victim.reached() and not victim.left()
    parts = {
        file.name
        for file in (victim.root / "checkpoints" / f"checkpoint-{victim.step()}").iterdir()
    }
    assert {"rng_state_0.pth", "rng_state_1.pth", "optimizer.pt", "trainer_state.json"} <= parts
    assert f"resumes from step {victim.step()}" in victim.finish(*TOGETHER)
    assert (victim.root / ADAPTER).exists()


def test_kill_9_of_the_command_leaves_no_process_at_work(tmp_path: Path) -> None:
    victim = Victim(tmp_path / "place")
    victim.stop(signal.SIGKILL, lambda: victim.reached() > SAVED, *TOGETHER)
    assert not victim.left()
