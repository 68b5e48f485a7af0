"""One short run of the quickstart recipe in a folder of its own, to be started, killed and looked
at."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kotune.runs.events import read_metrics
from kotune.runs.folder import Run, sha256
from kotune.train.checkpoints import last_good_step
from tests.conftest import ROOT

STEPS, SAVED = 12, 3
SHORT = {
    "axolotl.max_steps": STEPS,
    "axolotl.save_steps": SAVED,
    "axolotl.logging_steps": 1,
    "data.0.samples": 200,
}
ADAPTER = "model/adapter_model.safetensors"
# One thread: the number of threads changes the order of additions, and so the last bits of an
# adapter.
ENVIRONMENT = {
    "CUDA_VISIBLE_DEVICES": "",
    "HF_HUB_OFFLINE": "1",
    "OMP_NUM_THREADS": "1",
    "PYTHONPATH": str(ROOT),
}


@dataclass(frozen=True)
class Victim:
    """The run below `place`."""

    place: Path

    def start(self, *words: str) -> "subprocess.Popen[str]":
        """The command line, as a user starts it."""
        settings = [word for key, value in SHORT.items() for word in ("--set", f"{key}={value}")]
        recipe = ROOT / "recipes" / "quickstart_llama.yml"
        command = [
            sys.executable,
            str(ROOT / "cli.py"),
            "run",
            str(recipe),
            *settings,
            "--limit",
            "6",
            *words,
        ]
        self.place.mkdir(parents=True, exist_ok=True)
        return subprocess.Popen(
            command,
            cwd=self.place,
            env={**os.environ, **ENVIRONMENT},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def finish(self, *words: str) -> str:
        """Run it to its end; what it said."""
        with self.start(*words) as run:
            said, told = run.communicate()
        assert run.returncode == 0, said + told
        return said

    def stop(self, number: int, when: Callable[[], bool], *words: str) -> tuple[int | None, str]:
        """Send the signal once `when()` holds; the exit code, None where the run had ended by
        itself, and its stderr."""
        with self.start(*words) as run:
            while run.poll() is None and not when():
                time.sleep(0.02)
            ended = run.poll() is not None
            if not ended:
                run.send_signal(number)
            told = run.communicate()[1]
        return None if ended else run.returncode, told

    def kill(self, seconds: float, *words: str) -> bool:
        """kill -9 so many seconds after the start; whether it was still running."""
        end = time.monotonic() + seconds
        return self.stop(signal.SIGKILL, lambda: time.monotonic() >= end, *words)[0] is not None

    @property
    def root(self) -> Path:
        """The run folder; it need not be there yet."""
        return next((self.place / "runs").glob("*"), self.place / "runs" / "none")

    def copied(self, place: Path) -> "Victim":
        shutil.copytree(self.place, place)
        return Victim(place)

    def forget(self, *stages: str) -> None:
        """As if these stages had not been done."""
        run = Run(self.root)
        run.update(
            stages={
                name: record.as_json()
                for name, record in run.record().stages.items()
                if name not in stages
            }
        )
        gone = {
            "train": ("model", "metrics.jsonl"),
            "score": ("samples", "scores.json"),
            "report": ("report.html", "report.md"),
        }
        for name in (name for stage in stages for name in gone[stage]):
            place = self.root / name
            shutil.rmtree(place) if place.is_dir() else place.unlink(missing_ok=True)

    def is_done(self, stage: str) -> bool:
        """Whether the stage is on record: a kill may come when only the command's end is
        missing."""
        return stage in Run(self.root).record().stages

    def step(self) -> int:
        return last_good_step(self.root / "checkpoints")

    def reached(self) -> int:
        return max((event.step for event in read_metrics(self.root / "metrics.jsonl")), default=0)

    def losses(self) -> list[tuple[int, float]]:
        return [
            (e.step, e.loss)
            for e in read_metrics(self.root / "metrics.jsonl")
            if e.loss is not None
        ]

    def digest(self, *names: str) -> str:
        return sha256(*(self.root / name for name in names))

    def notes(self) -> int:
        """How many variants of tasks are noted as scored."""
        return len(list((self.root / "scored").glob("*/*.json")))

    def left(self, seconds: float = 10) -> list[str]:
        """The workers that are still there so long after a kill: on a busy machine a large process
        takes its time to end."""
        end = time.monotonic() + seconds
        while (found := self.workers()) and time.monotonic() < end:
            time.sleep(0.1)
        return found

    def workers(self) -> list[str]:
        """Commands of processes that still work in the run folder."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if (process / "cwd").resolve() == self.root.resolve():
                    found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
            except OSError:
                continue
        return found


def seconds(victim: Victim, stage: str) -> float:
    """How long a stage took."""
    record: dict[str, Any] = json.loads((victim.root / "run.json").read_text(encoding="utf-8"))
    return float(record["stages"][stage]["seconds"])
