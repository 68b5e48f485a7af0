"""What several tests share: the repository's root, the real data where it is at hand, and the
command line."""

import atexit
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import Any

import colorama
import pytest
from hypothesis import settings
from rich.console import Console

from kodata.card import Record, SourceItem
from kodata.reading.digests import CACHE
from kotune.display.progress import Screen
from kotune.errors import TRACEBACK

ROOT = Path(__file__).parent.parent
# Its telemetry would wait for a network that tests do not use.
os.environ["AXOLOTL_DO_NOT_TRACK"] = "1"
os.environ["LC_ALL"] = "C.UTF-8"  # what commands print is English, whatever the user's locale is
# Axolotl's logging calls it, and keeps what pytest had put in stdout's place for one test: later
# ones find that closed.
colorama.init = lambda *_, **__: None
# kotune's cache folder of every test; it is never the user's.
CACHES = Path(tempfile.mkdtemp(prefix="kotune-tests-"))
atexit.register(shutil.rmtree, CACHES, ignore_errors=True)
os.environ[CACHE] = str(CACHES / "shared")  # of fixtures that several modules share
_numbers = count()
TASKS = ROOT / "tasks"
REAL = ROOT.parent / "shared" / "data"
Cli = Callable[..., "subprocess.CompletedProcess[str]"]

settings.register_profile("kotune", deadline=None)  # what is slow on a busy machine is not wrong
settings.load_profile("kotune")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks as slow what comes after the first cases of a test that says how many are enough for
    every run."""
    met: Counter[str] = Counter()
    for item in items:
        if few := item.get_closest_marker("few"):
            name = item.nodeid.partition("[")[0]
            met[name] += 1
            if met[name] > few.args[0]:
                item.add_marker("slow")


def loaded(task: str, folder: str = "") -> ModuleType:
    """A task's functions, loaded by path as lm_eval does."""
    spec = importlib.util.spec_from_file_location(task, TASKS / (folder or task) / f"{task}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def only_records(found: Iterable[SourceItem]) -> Iterator[Record]:
    """The records that a source read. Fails if a row was refused, not read whole or rewritten."""
    for each in found:
        assert isinstance(each, dict), each
        yield each


@cache
def rule_model() -> type:
    """lm_eval's interface around a rule instead of a model: (prompt, choice) -> log-likelihood, or
    (prompt, doc) -> text."""
    pytest.importorskip("lm_eval")
    from lm_eval.api.model import TemplateLM

    class Rule(TemplateLM):
        tokenizer_name = "rule"
        eot_token_id = 0
        tok_encode = loglikelihood_rolling = _loglikelihood_tokens = lambda *_, **__: None

        def __init__(self, rule: Callable[..., Any]) -> None:
            super().__init__()
            self.rule = rule
            self.asked: list[Any] = []

        def loglikelihood(
            self, requests: Any, disable_tqdm: bool = False
        ) -> list[tuple[float, bool]]:
            self.asked += [request.args for request in requests]
            return [(self.rule(*request.args), False) for request in requests]

        def generate_until(self, requests: Any, disable_tqdm: bool = False) -> list[str]:
            self.asked += [request.args for request in requests]
            return [self.rule(request.args[0], request.doc) for request in requests]

        def chat_template(self, chat_template: Any = False) -> str:
            return "marked"

        def apply_chat_template(
            self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True
        ) -> str:
            return (
                "".join(f"<{turn['role']}>{turn['content']}" for turn in chat_history)
                + "<assistant>"
            )

    return Rule


@pytest.fixture(scope="session")
def evaluate() -> Callable[..., dict[str, Any]]:
    """lm_eval over a task with a model that is a rule."""
    lm_eval = pytest.importorskip("lm_eval")
    from lm_eval.tasks import TaskManager

    def run(
        task: str, rule: Callable[..., Any], path: object = None, **options: Any
    ) -> dict[str, Any]:
        model = rule_model()(rule)
        manager = TaskManager(
            include_path=str(TASKS), include_defaults=False, metadata={"data_path": path}
        )
        result = lm_eval.simple_evaluate(
            model, tasks=[task], task_manager=manager, bootstrap_iters=1, **options
        )
        return {
            "asked": model.asked,
            "scores": result["results"][task],
            "samples": result["samples"][task],
        }

    return run


@pytest.fixture(autouse=True, scope="module")
def cache_of_module() -> Iterator[None]:
    """A cache folder for the fixtures of one module: they reuse no base answers of another's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(CACHE, str(CACHES / f"{next(_numbers)}"))
        yield


@pytest.fixture(autouse=True)
def cache_folder(monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache folder of one test. It does not exist yet."""
    folder = CACHES / f"{next(_numbers)}"
    monkeypatch.setenv(CACHE, str(folder))
    return folder


@pytest.fixture(scope="session")
def real_klue() -> Path:
    folder = REAL / "klue-nli"
    if not folder.is_dir():
        pytest.skip("the real KLUE-NLI files are not at ../shared/data/klue-nli")
    return folder


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """Run the command line as a user does, in an empty folder, without a hub."""

    def run(
        *words: object, cwd: Path = tmp_path, **more: str
    ) -> "subprocess.CompletedProcess[str]":
        env = {
            **os.environ,
            "HF_HUB_OFFLINE": "1",
            "HF_HOME": str(tmp_path / "hf"),
            "CUDA_VISIBLE_DEVICES": "",
            **more,
        }
        env = {TRACEBACK: "1", **env}  # a fault of our own is not to look like a stranger's file
        command = [sys.executable, str(ROOT / "cli.py"), *map(str, words)]
        return subprocess.run(
            command, cwd=cwd, env=env, capture_output=True, text=True, check=False
        )

    return run


@pytest.fixture
def users_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A place where the data that a user brings lies where the recipes say."""
    for name in ("aihub", "my_chat"):
        (tmp_path / "data" / name).mkdir(parents=True)
    monkeypatch.chdir(tmp_path)


class OverrunError(BaseException):
    """Not an Exception: nothing may take it for a fault of what is tested."""


@contextmanager
def bounded_time(seconds: int = 60, told: str = "") -> Iterator[None]:
    """Fails what has not ended after `seconds`. It finds what would run for hours, not what is slow
    on a busy machine."""

    def stop(*_: object) -> None:
        raise OverrunError(f"{told}: not done after {seconds} s".removeprefix(": "))

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def silent() -> Screen:
    """What a run is given that shows nothing."""
    return Screen(Console(quiet=True))


def write_recipe(folder: Path, text: str) -> Path:
    """A recipe file in `folder`."""
    path = folder / "recipe.yml"
    path.write_text(text, encoding="utf-8")
    return path
