"""What several tests share: the repository's root, the real data where it is at hand, and the command line."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import colorama
import pytest

ROOT = Path(__file__).parent.parent
os.environ["AXOLOTL_DO_NOT_TRACK"] = "1"  # its telemetry would wait for a network that tests do not use
# Axolotl's logging calls it, and keeps what pytest had put in stdout's place for one test: later ones find that closed.
colorama.init = lambda *_, **__: None
REAL = ROOT.parent / "shared" / "data"
Cli = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def real_klue() -> Path:
    folder = REAL / "klue-nli"
    if not folder.is_dir():
        pytest.skip("the real KLUE-NLI files are not at ../shared/data/klue-nli")
    return folder


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """Run the command line as a user does, in an empty folder, without a hub."""

    def run(*words: object, cwd: Path = tmp_path, **more: str) -> "subprocess.CompletedProcess[str]":
        env = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "hf"), "CUDA_VISIBLE_DEVICES": "", **more}
        command = [sys.executable, str(ROOT / "cli.py"), *map(str, words)]
        return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)

    return run


@pytest.fixture
def users_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A place where the data that a user brings lies where the recipes say."""
    for name in ("aihub", "my_chat"):
        (tmp_path / "data" / name).mkdir(parents=True)
    monkeypatch.chdir(tmp_path)


def write_recipe(folder: Path, text: str) -> Path:
    """A recipe file in `folder`."""
    path = folder / "recipe.yml"
    path.write_text(text, encoding="utf-8")
    return path
