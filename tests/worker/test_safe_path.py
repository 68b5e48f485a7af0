"""No process of ours imports a file of a run folder, of the current folder or of the checkout in
the place of a module."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kodata.errors import FaultError
from kodata.reading import columns
from kotune.errors import StageError
from kotune.models.rendering import template_problem
from kotune.train import training
from kotune.worker import call, server, tether
from kotune.worker.environment import environment
from tests.conftest import ROOT, Cli
from tests.test_cli import QUICK

NAMES = [
    "abc",
    "argparse",
    "base64",
    "bz2",
    "codecs",
    "collections",
    "contextlib",
    "copy",
    "ctypes",
    "dataclasses",
    "enum",
    "functools",
    "hashlib",
    "io",
    "json",
    "logging",
    "multiprocessing",
    "os",
    "pathlib",
    "pickle",
    "random",
    "re",
    "shutil",
    "signal",
    "site",
    "socket",
    "ssl",
    "struct",
    "subprocess",
    "tempfile",
    "threading",
    "traceback",
    "typing",
    "sitecustomize",
    "usercustomize",
    "click",
    "yaml",
    "pydantic",
    "rich",
    "torch",
    "transformers",
    "axolotl",
    "lm_eval",
    "peft",
    "accelerate",
    "kotune_tasks",
]
BUSY = (
    "import abc, ctypes, enum, json, logging, os, random, re, signal, socket, ssl, subprocess, sys,"
    " tempfile, typing"
)


@pytest.fixture
def planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A run folder and, the current one, another folder, both full of modules that write down that
    they were imported."""
    for folder in (tmp_path / "run", tmp_path / "here"):
        plant(folder, tmp_path / "imported")
    monkeypatch.chdir(tmp_path / "here")
    yield tmp_path / "run"
    assert not (tmp_path / "imported").exists(), (tmp_path / "imported").read_text()


def plant(folder: Path, told: Path) -> None:
    folder.mkdir(exist_ok=True)
    for name in NAMES:
        (folder / f"{name}.py").write_text(f"open({str(told)!r}, 'a').write(__file__ + '\\n')\n")


def run_in(folder: Path, command: list[str]) -> str:
    """What a tethered command says, which must end well."""
    child = tether.start(command, folder, subprocess.PIPE)
    said, _ = child.communicate()
    assert child.returncode == 0, said
    return str(said)


def test_the_modules_that_are_planted_would_be_imported(tmp_path: Path) -> None:
    plant(tmp_path, tmp_path / "imported")
    subprocess.run([sys.executable, "-c", "import json"], cwd=tmp_path, check=False)
    assert f"{tmp_path / 'json.py'}\n" in (tmp_path / "imported").read_text()


@pytest.mark.parametrize("paths", ["", ":", ".", "/nowhere::"], ids=repr)
def test_tether_its_command_and_what_that_starts(
    planted: Path, monkeypatch: pytest.MonkeyPatch, paths: str
) -> None:
    """Also where a search path has an empty part, which means the folder that a process is in."""
    if paths != ".":  # here somebody asks for the current folder
        monkeypatch.setenv("PYTHONPATH", paths + os.environ.get("PYTHONPATH", ""))
    monkeypatch.setenv("PATH", f":{os.environ['PATH']}:")
    inner = f"{BUSY}\nsubprocess.run([sys.executable, '-c', {BUSY!r}], check=True)"
    run_in(
        planted,
        [sys.executable, "-c", f"{inner}\nfrom kotune.worker import call; print(call.__file__)"],
    )
    assert "" not in environment()["PATH"].split(":")


def test_a_job_and_the_server_of_jobs(planted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StageError, match=r"No module named 'kotune\.nowhere'"):
        call.call("nowhere", planted)
    start = tether.start
    light = "from kotune.worker import server; server.IMPORTED = ('ssl', 'random'); server._serve()"
    monkeypatch.setattr(
        tether,
        "start",
        lambda _, *rest, **more: start([*tether.PYTHON, "-c", light], *rest, **more),
    )
    monkeypatch.setattr(server, "detect_device", lambda: "cpu")
    with server.up(), pytest.raises(StageError, match=r"No module named 'kotune\.nowhere'"):
        call.call("nowhere", planted)


def test_the_command_line_in_a_folder_full_of_modules(planted: Path, cli: Cli) -> None:
    for words in (["check", QUICK], ["--help"], ["run", QUICK, "--dry-run"]):
        done = cli(*words, cwd=Path.cwd())
        assert done.returncode == 0, done.stderr


def test_a_checkout_full_of_modules(tmp_path: Path) -> None:
    """The command line there, and what it starts."""
    tree, told = tmp_path / "tree", tmp_path / "imported"
    for name in ("kotune", "kodata", "tasks", "recipes"):
        shutil.copytree(
            ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__", "*.safetensors")
        )
    for name in ("cli.py", "pyproject.toml"):
        shutil.copy(ROOT / name, tree)
    plant(tree, told)
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "kotune_tasks").symlink_to(tree / "tasks")
    env = {**os.environ, "PYTHONPATH": str(tmp_path / "tasks")}
    child = (
        "import subprocess, sys; sys.argv = ['cli.py', '--help']\n"
        "import runpy\n"
        "try: runpy.run_path('cli.py', run_name='__main__')\n"
        "except SystemExit: pass\n"
        "from pathlib import Path\n"
        "from kotune.worker import tether\n"
        f"code = {BUSY + chr(10) + 'import kotune.worker.call as used; print(used.__file__)'!r}\n"
        "ended = tether.start([sys.executable, '-c', code], Path('.'), subprocess.PIPE)\n"
        "print(ended.communicate()[0])"
    )
    for words in (["cli.py", "check", "recipes/quickstart_llama.yml"], ["-P", "-c", child]):
        done = subprocess.run(
            [sys.executable, *words], cwd=tree, env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert not told.exists(), told.read_text()
    assert str(tree / "kotune" / "worker" / "call.py") in done.stdout


def test_another_sitecustomize_is_still_executed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text("import builtins\nbuiltins.theirs = 'was here'\n")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}")
    assert run_in(tmp_path, [sys.executable, "-c", "print(theirs)"]) == "was here\n"


def test_training_is_started_like_the_others() -> None:
    assert training.COMMAND[:2] == [sys.executable, "-P"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "launcher",
    [["torchrun", "--nproc_per_node=1"], ["accelerate", "launch", "--num_processes=1", "--cpu"]],
    ids=lambda words: words[0],
)
def test_the_workers_of_a_launcher(planted: Path, launcher: list[str]) -> None:
    (planted / "given.json").write_text("[7]")
    assert "7" in run_in(planted, [*launcher, "-m", "json.tool", "given.json"])


@pytest.mark.slow
def test_a_run_and_a_preview(tmp_path: Path, cli: Cli) -> None:
    here, told = tmp_path / "here", tmp_path / "imported"
    plant(here, told)
    assert cli("run", QUICK, "--until", "prepare", cwd=here).returncode == 0
    (folder,) = (here / "runs").iterdir()
    plant(folder, told)
    for words in (["run", QUICK, "--until", "render"], ["preview", QUICK]):
        done = cli(*words, cwd=here)
        assert done.returncode == 0, done.stderr
    assert not told.exists(), told.read_text()


def test_reading_and_rendering_take_no_module_from_an_empty_part_of_a_search_path(
    planted: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PYTHONPATH", f"{os.pathsep}{tmp_path / 'nothing'}{os.pathsep}")
    (file := tmp_path / "rows.parquet").write_bytes(b"PAR1")
    with pytest.raises(FaultError):
        list(columns.rows(file, "parquet"))
    assert template_problem("{{ messages | length }}") == ""
