"""The progress of a child process reaches its parent, and never stops the work."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from kodata.progress import Progress
from kotune.layout import PROGRESS
from kotune.worker import call, meter, server, tether

CHILD = """
import json, pathlib, sys, time
sys.stdin.read()
for done in (1, 2):
    path = pathlib.Path("new")
    path.write_text(json.dumps(["work", done, 2, "items", 7 * done]))
    path.rename("progress.json")
    seen = pathlib.Path(f"seen{done}")
    while not seen.exists():
        time.sleep(0.01)
print("kotune-done", flush=True)
"""


class Clock:
    now = 5.0

    def __call__(self) -> float:
        return self.now


def test_steps_are_counted_as_items_with_tokens(tmp_path: Path) -> None:
    clock = Clock()
    made = meter.Meter(tmp_path, clock)
    assert meter.read(tmp_path) is None
    made.begin("a task, base", 10, "items")
    assert meter.read(tmp_path) == Progress("a task, base", 0, 10, "items")
    made.expect(30)  # three choices an item
    clock.now += 1
    made.add(7, tokens=100)
    assert meter.read(tmp_path) == Progress("a task, base", 2, 10, "items", 100)
    made.add(50, tokens=1)  # more than was expected
    assert meter.read(tmp_path) == Progress("a task, base", 10, 10, "items", 101)


def test_the_file_is_written_now_and_then(tmp_path: Path) -> None:
    clock = Clock()
    made = meter.Meter(tmp_path, clock)
    made.begin("a", 1000, "items")
    for _ in range(100):
        made.add(1)
    assert meter.read(tmp_path) == Progress("a", 0, 1000, "items")
    clock.now += meter.EVERY
    made.add(1)
    assert meter.read(tmp_path) == Progress("a", 101, 1000, "items")


def test_nothing_to_do_is_no_fault(tmp_path: Path) -> None:
    made = meter.Meter(tmp_path, Clock())
    made.begin("a", 0, "items")
    made.expect(0)
    made.add(1)
    assert meter.read(tmp_path) == Progress("a", 0, 0, "items")


def test_a_folder_that_takes_no_file_does_not_stop_the_work(tmp_path: Path) -> None:
    made = meter.Meter(tmp_path / "gone", Clock())
    made.begin("a", 1, "items")
    made.add(1)
    assert meter.read(tmp_path / "gone") is None


@pytest.mark.parametrize(
    "value",
    [
        "",
        "{",
        "3",
        "[]",
        '["a", 1, 2, "rows"]',
        '["a", "1", 2, "rows", 0]',
        '["a", true, 2, "rows", 0]',
        "[1, 1, 2, 3, 0]",
        "[" * 9000,
        f'["{"a" * meter.MOST}", 1, 2, "rows", 0]',
    ],
)
def test_a_damaged_file_is_no_progress(tmp_path: Path, value: str) -> None:
    (tmp_path / PROGRESS).write_text(value)
    assert meter.read(tmp_path) is None


def test_a_pipe_in_its_place_is_no_progress(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / PROGRESS)
    assert meter.read(tmp_path) is None


def test_a_child_is_followed_and_its_file_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Progress] = []
    (tmp_path / PROGRESS).write_text(json.dumps(["of a killed one", 1, 2, "items", 0]))
    start = tether.start

    def started(_: list[str], *given: Any, **more: Any) -> Any:
        return start([sys.executable, "-c", CHILD], *given, **more)

    def watch(progress: Progress) -> None:
        told.append(progress)
        (tmp_path / f"seen{progress.done}").touch()

    monkeypatch.setattr(tether, "start", started)
    monkeypatch.setattr(call, "POLL", 0.01)
    call.call("score", tmp_path, watch)
    assert told == [Progress("work", done, 2, "items", 7 * done) for done in (1, 2)]
    assert not (tmp_path / PROGRESS).exists()


def test_a_job_of_the_server_is_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server answers with the exit code when the job is done. Until then, progress is shown."""
    ticks: list[None] = []
    child = "import sys, time; sys.stdin.readline(); time.sleep(0.2); print(0, flush=True); input()"
    start = tether.start

    def started(_: list[str], *given: Any, **more: Any) -> Any:
        return start([sys.executable, "-c", child], *given, **more)

    monkeypatch.setattr(tether, "start", started)
    monkeypatch.setattr(server, "detect_device", lambda: "cpu")
    monkeypatch.setattr(server, "POLL", 0.01)
    with server.up():
        assert server.run("score", tmp_path, "{}", lambda: ticks.append(None)) == 0
    assert ticks
