"""No child outlives the command that started it, and Ctrl-C and SIGTERM end it with its own exit
code and message."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kotune.worker import tether
from tests.conftest import ROOT
from tests.test_cli import QUICK

STARTER = """
import sys, time
from pathlib import Path
from kotune.worker import tether
with open("log", "w") as log:
    child = tether.start([sys.executable, "-c", "import time; time.sleep(60)"], Path("."), log)
    Path("pid").write_text(str(child.pid))
    time.sleep(60)
"""


def wait_for(told: Path, text: str = "", seconds: float = 30) -> str:
    """What the file holds once `text` stands in it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if told.exists() and (said := told.read_text()) and text in said:
            return said
        time.sleep(0.02)
    raise AssertionError(f"{told}: no `{text}` within {seconds} s")


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that ended and that nobody has asked about does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def has_ended(pid: int, seconds: float = 10) -> bool:
    """Whether a process has ended so long after it was told to: the kernel takes its time on a busy
    machine."""
    end = time.monotonic() + seconds
    while is_alive(pid) and time.monotonic() < end:
        time.sleep(0.05)
    return not is_alive(pid)


def assert_its_child_ends_too(code: str, folder: Path) -> None:
    """Kill what runs this code as soon as its child has written its own number to `pid` in the
    folder."""
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, "-c", code], cwd=folder, env=env) as starter:
        child = int(wait_for(folder / "pid"))
        assert is_alive(child)
        starter.kill()
    assert has_ended(child)


@pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux ends the children of a process that was killed"
)
def test_kill_9_ends_the_children_too(tmp_path: Path) -> None:
    assert_its_child_ends_too(STARTER, tmp_path)


def test_a_child_that_does_not_end_when_asked_is_killed_with_what_it_started(
    tmp_path: Path,
) -> None:
    code = (
        "import os, signal, subprocess, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print(subprocess.Popen(['sleep', '60']).pid, flush=True); time.sleep(60)"
    )
    with (tmp_path / "log").open("w") as log:
        child = tether.start([sys.executable, "-c", code], tmp_path, log)
        worker = int(wait_for(tmp_path / "log", "\n"))
        tether.end(child, grace=0.2)
    assert child.returncode == -signal.SIGKILL
    assert has_ended(worker)


@pytest.mark.parametrize(
    ("number", "code", "word"),
    [
        (signal.SIGINT, 130, "interrupted"),
        (signal.SIGTERM, 143, "terminated"),
        (signal.SIGHUP, 143, "terminated"),
    ],
)
@pytest.mark.parametrize("command", ["run", "preview"])
@pytest.mark.few(2)
def test_a_stopped_command_says_how_to_go_on_with_its_exit_code_and_no_child_is_left(
    tmp_path: Path, command: str, number: int, code: int, word: str
) -> None:
    """In preview, and in a run's proof of parity, the first thing that takes more than a moment."""
    env = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "HF_HUB_OFFLINE": "1", "TMPDIR": str(tmp_path)}
    words = [sys.executable, str(ROOT / "cli.py"), command, str(QUICK)]
    with subprocess.Popen(
        words,
        cwd=tmp_path,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heeding,
    ) as run:
        child = wait_for_child(run.pid)
        run.send_signal(number)
        _, said = run.communicate(timeout=30)
    assert run.returncode == code
    assert said.startswith(word) and said.count("\n") == 1
    assert ("go on with: ./cli.py run" in said) == (command == "run")
    assert has_ended(child)
    assert not list(tmp_path.glob("kotune-preview-*"))


def test_a_second_sigterm_does_not_cut_the_last_checkpoint_short(tmp_path: Path) -> None:
    code = (
        "import time\n"
        "from kotune.commands.boundary import unwind_when_terminated\n"
        "unwind_when_terminated()\n"
        "try: print('ready', flush=True); time.sleep(60)\n"
        "except KeyboardInterrupt: print('told', flush=True); time.sleep(1);"
        " print('saved', flush=True)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, preexec_fn=heeding
    ) as run:
        assert run.stdout
        for line in ("ready\n", "told\n"):
            assert run.stdout.readline() == line
            run.terminate()
        assert run.communicate(timeout=20)[0] == "saved\n"
    assert run.returncode == 0


def heeding() -> None:
    """Signals mean what they mean on a terminal: nohup, or a shell's &, have programs and their
    children ignore some."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def wait_for_child(pid: int, seconds: float = 60) -> int:
    """The process of the first job: a child of `pid`, or one that its server forked."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for child in children(pid):
            if b"kotune.worker.jobs" in command_of(child):
                return child
            if b"kotune.worker.server" in command_of(child) and (forks := children(child)):
                return forks[0]
        time.sleep(0.02)
    raise AssertionError("no child was started")


def children(pid: int) -> list[int]:
    try:
        return [int(n) for n in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:  # it ended meanwhile, as git does, which reads the revision
        return []


def command_of(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except FileNotFoundError:
        return b""
