"""A short sample of `make chaos`, and the faults that it does not draw: signals, NaN, memory, a
full disk."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kotune.display.progress import OutOfMemory
from kotune.errors import StageError
from kotune.runs.events import read_metrics
from kotune.runs.records import Event
from kotune.train import training
from tests.chaos import faulty
from tests.chaos.victim import ADAPTER, ENVIRONMENT, SAVED, STEPS, Victim

pytestmark = pytest.mark.e2e
ROOM = 4096  # KiB: for the run folder with one checkpoint, not with two


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Victim:
    """The run that nobody disturbs."""
    victim = Victim(tmp_path_factory.mktemp("whole") / "place")
    victim.finish()
    return victim


@pytest.fixture
def victim(whole: Victim, tmp_path: Path) -> Iterator[Victim]:
    """A run that is ready to train."""
    copy = whole.copied(tmp_path / "place")
    copy.forget("train", "score", "report")
    yield copy
    shutil.rmtree(copy.place)


@pytest.mark.slow
def test_a_training_killed_after_its_last_checkpoint_makes_no_step_more(
    whole: Victim, victim: Victim
) -> None:
    code, _ = victim.stop(signal.SIGKILL, lambda: victim.step() == STEPS, "--until", "train")
    assert code == -signal.SIGKILL
    assert f"goes on from step {STEPS}" in victim.finish("--until", "train")
    assert victim.digest(ADAPTER) == whole.digest(ADAPTER)
    assert victim.losses() == whole.losses()


@pytest.mark.slow  # two minutes; make test has test_tether.py, which is the short sample
def test_sigterm_saves_a_checkpoint_in_time_and_the_run_goes_on_to_the_same_adapter(
    whole: Victim, victim: Victim
) -> None:
    soon_after_a_save = lambda: victim.reached() > SAVED
    code, said = victim.stop(signal.SIGTERM, soon_after_a_save, "--until", "train")
    assert code == 143
    assert victim.step() > SAVED and victim.step() >= victim.reached()
    assert f"training up to step {victim.step()}; go on with: ./cli.py run" in said
    assert not victim.left()
    assert (
        not (victim.root / ADAPTER).exists()
        and not (victim.root / "checkpoints" / "adapter_model.safetensors").exists()
    )
    assert "goes on from step" in victim.finish("--until", "train")
    assert victim.digest(ADAPTER) == whole.digest(ADAPTER)
    assert victim.losses() == whole.losses()


@pytest.mark.slow
def test_a_killed_training_loses_at_most_save_steps_and_goes_on_to_the_same_adapter(
    whole: Victim, victim: Victim
) -> None:
    code, _ = victim.stop(signal.SIGKILL, lambda: victim.reached() > SAVED + 1, "--until", "train")
    assert code == -signal.SIGKILL
    assert victim.reached() - victim.step() <= SAVED
    assert not victim.left()
    victim.finish("--until", "train")
    assert victim.digest(ADAPTER) == whole.digest(ADAPTER)


@pytest.mark.slow
def test_a_killed_scoring_keeps_what_is_scored_and_ends_with_the_same_scores(
    whole: Victim, tmp_path: Path
) -> None:
    victim = whole.copied(tmp_path / "place")
    victim.forget("score", "report")
    victim.stop(signal.SIGKILL, lambda: victim.notes() == 1)
    base = victim.root / "samples" / "base" / "nli_sample_ko.jsonl"
    before = base.stat().st_mtime_ns
    victim.finish()
    assert base.stat().st_mtime_ns == before
    assert victim.digest("scores.json") == whole.digest("scores.json")
    assert not (victim.root / "scored").exists()


@pytest.mark.slow
def test_the_same_recipe_and_seed_give_the_same_adapter_scores_and_report_but_for_times(
    whole: Victim, tmp_path: Path
) -> None:
    again = Victim(tmp_path / "place")
    again.finish()
    assert again.digest(ADAPTER, "scores.json") == whole.digest(ADAPTER, "scores.json")
    timed = ("seconds", "a second", "memory", "a minute")
    texts = [
        [
            line
            for line in (one.root / "report.md").read_text().splitlines()
            if not any(word in line for word in timed)
        ]
        for one in (whole, again)
    ]
    assert texts[0] == texts[1]


@pytest.mark.slow
def test_a_loss_that_is_nan_stops_training_at_the_step_that_logs_it(
    victim: Victim, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "COMMAND", faulty.command("nan", SAVED + 2))
    with pytest.raises(
        StageError, match=f"loss is nan at step {SAVED + 2} .*it was a number at step {SAVED + 1}"
    ):
        list(training.train(victim.root, {"fault": "nan"}))
    assert victim.step() == SAVED
    assert read_metrics(victim.root / "metrics.jsonl")[-1].step == SAVED + 2


@pytest.mark.slow
def test_out_of_memory_goes_on_with_smaller_micro_batches_to_the_same_number_of_steps(
    victim: Victim, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "COMMAND", faulty.command("memory", 8))
    events = list(training.train(victim.root, {"fault": "memory"}))
    assert [e.micro_batch_size for e in events if isinstance(e, OutOfMemory)] == [8]
    last = events[-1]
    assert isinstance(last, Event) and last.step == last.max_steps == STEPS


@pytest.mark.slow
def test_a_full_disk_is_told_and_with_room_the_run_ends_with_the_same_adapter(
    whole: Victim, victim: Victim
) -> None:
    """A small tmpfs at the run's place, in a mount namespace of its own."""
    if subprocess.run(["unshare", "-rm", "true"], check=False, capture_output=True).returncode:
        pytest.skip("this machine allows no mount namespace, in which a small disk can be made")
    (victim.place / "runs").rename(victim.place / "prepared")
    (victim.place / "runs").mkdir()
    code = (
        "import subprocess, sys\n"
        "from pathlib import Path\n"
        "from tests.chaos.victim import Victim\n"
        "victim = Victim(Path.cwd())\n"
        "with victim.start('--until', 'train') as run: told = run.communicate()[1]\n"
        "print(run.returncode, victim.step(), told)\n"
        "subprocess.run(['mount', '-o', 'remount,size=64m', 'runs'], check=True)\n"
        "victim.finish('--until', 'train')\n"
        "print(victim.digest('model/adapter_model.safetensors'))"
    )
    script = (
        f'mount -t tmpfs -o size={ROOM}k tmpfs runs && cp -a prepared/. runs && exec "$0" -c "$1"'
    )
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script, sys.executable, code],
        cwd=victim.place,
        capture_output=True,
        text=True,
        env={**os.environ, **ENVIRONMENT},
        check=False,
    )
    said = done.stdout
    assert said.startswith(f"1 {SAVED} error: "), said + done.stderr
    assert (
        "the disk is full; free some space. Whole checkpoints are kept: the same command goes on"
        f" from step {SAVED}" in said
    )
    assert said.split()[-1] == whole.digest(ADAPTER)
