"""A real study that is killed again and again ends with the scores and the table of one that nobody
disturbed."""

import json
import os
import random
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from kotune.runs.folder import read_json, sha256, write_text
from tests.chaos.victim import ADAPTER, ENVIRONMENT
from tests.conftest import ROOT

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
RECIPE = "model: quickstart-llama\ndata:\n  - source: nli_sample\naxolotl:\n  max_steps: 2\n"
GRID = "recipes: [tiny.yml]\nvary:\n  data.0.samples: [40, 80]\n  seed: [1]\nlimit: 6\n"
KILLS = 5


def start(place: Path) -> "subprocess.Popen[str]":
    write_text(place / "tiny.yml", RECIPE)
    write_text(place / "grid.yml", GRID)
    return subprocess.Popen(
        [sys.executable, str(ROOT / "cli.py"), "study", "grid.yml"],
        cwd=place,
        env={**os.environ, **ENVIRONMENT},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finish(place: Path) -> float:
    """Run the study to its end; the seconds that took."""
    begun = time.monotonic()
    with start(place) as study:
        said, told = study.communicate()
    assert study.returncode == 0, said + told
    return time.monotonic() - begun


def kill(place: Path, seconds: float) -> bool:
    """kill -9 for everything that the study has started, so many seconds after its start; whether
    it was still running."""
    with start(place) as study:
        try:
            study.communicate(timeout=seconds)
            return False
        except subprocess.TimeoutExpired:
            os.killpg(study.pid, signal.SIGKILL)
            study.communicate()
            return True


def scores(place: Path) -> dict[str, Any]:
    """Scores and adapter of every cell."""
    return {
        file.parent.name: (read_json(file), sha256(file.parent / ADAPTER))
        for file in sorted((place / "runs").glob("tiny-*/scores.json"))
    }


def timeless(found: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in found.items() if key != "seconds"}


def table(place: Path) -> Any:
    """What the study found, but for how long that took."""
    text = (place / "runs" / "grid" / "study.json").read_text(encoding="utf-8")
    return json.loads(text, object_hook=timeless)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    """A study that nobody disturbed, and the seconds that it took."""
    place = tmp_path_factory.mktemp("whole")
    return place, finish(place)


def test_a_study_that_is_killed_five_times_ends_with_the_same_table(
    tmp_path: Path, whole: tuple[Path, float]
) -> None:
    rng = random.Random(8)
    killed = [kill(tmp_path, rng.uniform(0.05, 0.6) * whole[1]) for _ in range(KILLS)]
    finish(tmp_path)
    # What is done stays done, so a late one may find none.
    assert sum(killed) >= KILLS - 1, "it ended before it was killed"
    assert scores(tmp_path) == scores(whole[0]) and len(scores(tmp_path)) == 2
    assert table(tmp_path) == table(whole[0]) and len(table(tmp_path)["cells"]) == 2


def test_base_answers_that_were_taken_over_are_those_that_the_base_model_gives(
    tmp_path: Path, whole: tuple[Path, float]
) -> None:
    shutil.copytree(whole[0], tmp_path, dirs_exist_ok=True)
    entries = {name: found["nli_sample_ko"] for name, (found, _) in scores(tmp_path).items()}
    ((name, taken),) = [(name, entry) for name, entry in entries.items() if entry["base_from"]]
    shutil.rmtree(tmp_path / "runs" / taken["base_from"])
    (tmp_path / "runs" / name / "scores.json").unlink()
    _, *words = shlex.split(read_json(tmp_path / "runs" / name / "run.json")["command"])
    subprocess.run(
        [sys.executable, str(ROOT / "cli.py"), *words],
        cwd=tmp_path,
        env={**os.environ, **ENVIRONMENT},
        check=True,
    )
    asked = read_json(tmp_path / "runs" / name / "scores.json")["nli_sample_ko"]
    assert asked == {**taken, "base_from": None}
