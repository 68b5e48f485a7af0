"""Whatever ends a child process, a command says it in one message: the stage, the cause and the
log, which has the traceback."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kotune.errors import StageError
from kotune.worker import call, faults, server, tether

JOBS = """
import ctypes, os, signal, sys
from types import SimpleNamespace
from kotune.worker import jobs, server
class Odd:
    def __repr__(self): raise RuntimeError('no repr')
def chained(root):
    try: {}['here']
    except KeyError as error: raise RuntimeError('the cause\\nand a second line') from error
def password(root): raise OSError('cannot ask https://user:secret@hub.example/api')
def key(root): {}['there']
def memory(root): raise MemoryError
def disk(root): raise OSError(28, 'No space left on device', 'parity.json')
def result(root):
    import json
    json.dumps({'a': Odd()})
def said(root): sys.exit('library says no')
def nought(root): sys.exit(0)
def gone(root): os._exit(0)
def killed(root): os.kill(os.getpid(), signal.SIGKILL)
def crash(root): ctypes.string_at(0)
def term(root): os.kill(os.getpid(), signal.SIGTERM)
def deep(root): deep(root)
RUNS = (
    chained, password, key, memory, disk, result, said, nought, gone, killed, crash, term, deep
)
for run in RUNS:
    sys.modules[f'kotune.{run.__name__}.job'] = SimpleNamespace(run=run)
server.IMPORTED = ()
sys.exit(jobs.main(sys.argv[1])) if sys.argv[1:] else server._serve()
"""
TOLD = {
    "chained": "1: RuntimeError: the cause",
    "password": r"1: OSError: cannot ask https://.*hub.example/api",
    "key": "1: KeyError: 'there'",
    "memory": "1: MemoryError: the machine has too little memory",
    "disk": "1: the disk is full; free some space and run the same command again",
    "result": "1: TypeError: Object of type Odd is not JSON serializable",
    "said": "1: (SystemExit: )?library says no",
    "nought": "(0: without a result|1: SystemExit: 0)",
    "gone": "0: without a result",
    "killed": "-9: killed by another process, for example because the machine is out of memory",
    "crash": "-11: ended by SIGSEGV",
    "term": "-15: ended by SIGTERM",
    "deep": "1: RecursionError: maximum recursion depth exceeded",
}


@pytest.fixture(params=["forked", "alone"])
def folder(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Path]:
    """A folder for jobs that fail, each in a process of its own or forked from the server."""
    (tmp_path / "jobs.py").write_text(JOBS)
    start = tether.start

    def started(command: list[str], *rest: object, **more: object) -> "subprocess.Popen[str]":
        rooms = [] if command[-1] == "kotune.worker.server" else command[-1:]
        return start([sys.executable, str(tmp_path / "jobs.py"), *rooms], *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(tether, "start", started)
    monkeypatch.setattr(server, "detect_device", lambda: "cpu")
    with server.up() if request.param == "forked" else contextlib.nullcontext():
        yield tmp_path


@pytest.mark.parametrize("job", TOLD)
def test_a_fault_of_any_kind_is_one_message_and_its_traceback_is_in_the_log(
    folder: Path, job: str
) -> None:
    log = folder / f"{job}.log"
    with pytest.raises(
        StageError, match=f"^{job}: the process ended with {TOLD[job]}; its log: {log}$"
    ) as caught:
        call.call(job, folder)
    assert "\n" not in str(caught.value) and "secret" not in str(caught.value)
    if job in ("chained", "key", "crash", "deep", "disk", "result"):
        assert f"in {job}" in log.read_text()


def test_the_log_of_a_job_in_a_temporary_folder_stays(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    with (
        pytest.raises(StageError, match=r"^key: .*KeyError: 'there'; its log: ") as caught,
        call.temporary("key") as at,
    ):
        call.call("key", at)
    log = Path(str(caught.value).rpartition("its log: ")[2])
    assert "in key" in log.read_text() and not at.exists() and folder.exists()


def test_a_folder_that_takes_no_log_is_told(folder: Path) -> None:
    with pytest.raises((StageError, OSError), match=r"key|gone"):
        call.call("key", folder / "gone")


@pytest.mark.parametrize(
    ("log", "told"),
    [
        (
            (
                "[rank1]: Traceback (most recent call last):\n"
                "[rank1]:   File 'a'\n"
                "[rank1]: ValueError: no such key\n"
                "bye\n"
            ),
            "ValueError: no such key",
        ),
        (
            (
                "Traceback (most recent call last):\n"
                "  File 'a'\n"
                "KeyError: 'x'\n"
                "Traceback (most recent call last):\n"
                "  File 'b'\n"
                "subprocess.CalledProcessError: Command 'axolotl' returned non-zero"
                " exit status 1.\n"
            ),
            "KeyError: 'x'",
        ),
        (
            (
                "Traceback (most recent call last):\n"
                "  File 'b'\n"
                "subprocess.CalledProcessError: Command died with SIGKILL\n"
            ),
            "subprocess.CalledProcessError: Command died with SIGKILL",
        ),
        ("one\n\ntwo\n\n", "two"),
        ("", ""),
        ("Traceback (most recent call last):\n  cut", "cut"),
    ],
)
def test_the_cause_is_the_last_exception_that_is_not_a_launchers(
    tmp_path: Path, log: str, told: str
) -> None:
    (tmp_path / "log").write_text(log)
    assert faults.cause(tmp_path / "log") == told
    assert faults.cause(tmp_path / "none") == ""
