"""Jobs that are forked from one process: as in a process of their own, and ended with kotune."""

import sys
from pathlib import Path

import pytest

from kotune.errors import KotuneError, StageError
from kotune.worker import call, server, tether
from tests.worker.test_tether import assert_its_child_ends_too


@pytest.fixture
def up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A server that imports nothing heavy, with jobs of its own; the folder where they run."""
    (tmp_path / "jobs.py").write_text(
        "import os, sys, time\n"
        "from types import SimpleNamespace\n"
        "from kotune.errors import RecipeError\n"
        "from kotune.worker import server\n"
        "import builtins\n"
        "builtins.seen = 0\n"
        "def say(root, word): builtins.seen += 1; print(word, root, builtins.seen)\n"
        "def refuse(root): raise RecipeError('no such task')\n"
        "def fall(root): raise ZeroDivisionError('by nought')\n"
        "def die(root): os.kill(os.getpid(), 9)\n"
        "def wait(root): open('pid', 'w').write(str(os.getpid())); time.sleep(60)\n"
        "for run in (say, refuse, fall, die, wait):\n"
        "    sys.modules[f'kotune.{run.__name__}.job'] = SimpleNamespace(run=run)\n"
        "server.IMPORTED = ()\n"
        "server._serve()\n"
    )
    start = tether.start
    monkeypatch.setattr(
        tether,
        "start",
        lambda command, *rest, **more: start(
            [sys.executable, str(tmp_path / "jobs.py")], *rest, **more
        ),
    )
    monkeypatch.setattr(server, "detect_device", lambda: "cpu")
    return tmp_path


def test_a_job_has_its_own_folder_log_and_state(up: Path) -> None:
    servers = set()
    with server.up():
        for name in ("a", "b"):
            (up / name).mkdir()
            call.call("say", up / name, word="안녕")
            servers.add(server._server)
        assert len(servers) == 1
    for name in ("a", "b"):
        assert (up / name / "say.log").read_text(
            encoding="utf-8"
        ) == f"안녕 {up / name} 1\n\nkotune-done\n"
    assert not server.is_up()


def test_a_run_in_a_study_uses_its_server_and_one_alone_starts_one_in_its_folder(up: Path) -> None:
    with server.up():
        call.call("say", up, word="a")
        first = server._server
        with server.up(up):
            call.call("say", up, word="a")
            assert server._server is first
        call.call("say", up, word="a")
        assert server._server is first and first and first.poll() is None
    with server.up(up):
        call.call("say", up, word="a")
        assert server._server
        assert Path(f"/proc/{server._server.pid}/cwd").resolve() == up.resolve()


def test_what_a_job_raised_is_raised(up: Path) -> None:
    with server.up():
        with pytest.raises(KotuneError, match="no such task") as error:
            call.call("refuse", up)
        assert error.value.exit_code == 2
        with pytest.raises(
            StageError, match=r"^fall: .* 1: ZeroDivisionError: by nought; its log: .*fall.log$"
        ):
            call.call("fall", up)
        with pytest.raises(
            StageError, match=r"die: the process ended with -9: killed by another process.*die.log$"
        ):
            call.call("die", up)
        call.call("say", up, word="still there")


def test_a_server_that_is_gone_is_told_and_another_one_started(up: Path) -> None:
    with server.up():
        call.call("say", up, word="first")
        first = server._server
        assert first
        first.kill()
        first.wait()
        call.call("say", up, word="second")
        assert server._server is not first
    assert (up / "say.log").read_text(encoding="utf-8").startswith("second")


@pytest.mark.parametrize(
    ("begins", "told"),
    [
        (
            "server.IMPORTED = ('no_such_library',)",
            r"1: ModuleNotFoundError: No module named 'no_such_library'",
        ),
        ("os.kill(os.getpid(), 9)", "-9: killed by another process, .* out of memory"),
    ],
)
def test_a_server_that_cannot_begin_says_why(up: Path, begins: str, told: str) -> None:
    jobs = (up / "jobs.py").read_text().replace("server.IMPORTED = ()", begins)
    (up / "jobs.py").write_text(jobs)
    with server.up():
        for _ in range(2):
            with pytest.raises(
                StageError, match=f"^say: the process that starts jobs ended with {told}$"
            ):
                call.call("say", up, word="never")


@pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux ends the children of a process that was killed"
)
def test_a_job_ends_with_whoever_started_it(up: Path) -> None:
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from kotune.worker import call, server, tether\n"
        "start = tether.start\n"
        "tether.start = lambda command, *rest, **more: start([sys.executable,"
        " 'jobs.py'], *rest, **more)\n"
        "server.detect_device = lambda: 'cpu'\n"
        "with server.up(): call.call('wait', Path.cwd())\n"
    )
    assert_its_child_ends_too(code, up)


def test_a_gpu_is_not_looked_at_by_the_parent_of_its_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "detect_device", lambda: "cuda")
    with server.up():
        assert not server.is_up()
