"""The Colab notebook: stripped, its pins those of the lock, every command one that exists; the slow
test runs it on the CPU."""

import ast
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from kotune.plan import gpus
from kotune.recipe import reading
from tests.conftest import ROOT

FILE = ROOT / "notebooks" / "kotune_colab.ipynb"
NOTEBOOK = json.loads(FILE.read_text(encoding="utf-8"))
CELLS = {cell["id"]: "".join(cell["source"]) for cell in NOTEBOOK["cells"]}
CODE = {cell["id"]: CELLS[cell["id"]] for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
REPOSITORY = PROJECT["urls"]["Repository"]
PUBLISHED = "https://github.com/somebody/kotune"
CANARY = "hf_CanaryThatNoCellMayShow0000"


def assigned(cell: str, name: str) -> Any:
    """The literal that a cell assigns to a name."""
    return next(
        ast.literal_eval(node.value)
        for node in ast.parse(CODE[cell]).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name
    )


PINS = assigned("choose", "PINS")
T4, L4, OLD = (
    "Tesla T4, 580.65.06, 15360 MiB",
    "NVIDIA L4, 580.65.06, 23034 MiB",
    "NVIDIA L4, 550.54.15, 23034 MiB",
)


def test_the_notebook_is_valid_and_carries_no_outputs() -> None:
    nbformat = pytest.importorskip("nbformat")
    nbformat.validate(NOTEBOOK)
    for cell in NOTEBOOK["cells"]:
        assert cell.get("outputs", []) == [] and cell.get("execution_count") is None, cell["id"]


def test_every_heading_is_korean_with_a_line_of_english_below() -> None:
    for name, text in CELLS.items():
        if name not in CODE:
            first, second = text.splitlines()[:2]
            assert re.match(r"#+ .*[가-힣]|## \d+\. ", first) and re.fullmatch(
                r"\*[ -~]+\*", second
            ), name


def test_pins_are_those_of_the_lock() -> None:
    lock = dict(
        re.findall(
            r"^([\w.-]+)==([\w.]+)",
            (ROOT / "requirements.lock").read_text(encoding="utf-8"),
            re.MULTILINE,
        )
    )
    assert {name: pin for name, pin in PINS.items() if name != "python"} == {
        name: lock[name] for name in ("uv", "torch", "axolotl", "lm-eval")
    }
    low, high = re.findall(r"3\.(\d+)", PROJECT["requires-python"])
    assert int(low) <= int(PINS["python"].partition(".")[2]) < int(high)


def test_one_address_stands_everywhere() -> None:
    """Who publishes kotune replaces OWNER; here the places that were forgotten are told."""
    place = REPOSITORY.removeprefix("https://github.com/")
    badge = f"https://colab.research.google.com/github/{place}/blob/main/notebooks/{FILE.name}"
    assert f'REPOSITORY = "{REPOSITORY}"' in CELLS["choose"]
    pages = [
        ROOT / name for name in ("README.md", "README.ko.md", "docs/colab.md", "docs/colab.ko.md")
    ]
    for text in (CELLS["kotune"], *(page.read_text(encoding="utf-8") for page in pages)):
        assert re.findall(r"https://colab\.research\.google\.com/github[^)\s]*", text) == [badge]
    for page in (ROOT / "docs").glob("*.md"):
        cloned = re.findall(r"git clone (\S+)", page.read_text(encoding="utf-8"))
        assert set(cloned) <= {REPOSITORY}, page


def test_recipes_and_gpus_that_may_be_chosen_exist() -> None:
    chosen = re.findall(
        r'^(?:SECOND_)?RECIPE = "(\w+)"  # @param (\[.*\])', CELLS["choose"], re.MULTILINE
    )
    assert len(chosen) == 2
    for default, names in chosen:
        # "run all" needs no token.
        assert default in json.loads(names) and default.startswith("quickstart")
        for name in json.loads(names):
            reading.load(ROOT / "recipes" / f"{name}.yml")
    names = assigned("gpu", "NAMES")
    assert len(gpus.select(list(names.values()))) == len(names)


class Colab:
    """Executes the cells as Colab would: no command runs, each is kept with its environment and
    answered as told."""

    def __init__(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, gpu: str, secret: str | None = CANARY
    ) -> None:
        self.folder, self.gpu, self.called, self.shown = folder, gpu, [], []  # type: ignore[var-annotated]
        self.names: dict[str, Any] = {}
        for name in ("SMOKE", "HF_TOKEN"):
            monkeypatch.delenv(name, raising=False)
        for name, value in {
            "UV_CONSTRAINT": "/none",
            "PYTHONPATH": "/env/python",
            "PIP_X": "1",
            "FORCE_COLOR": "1",
        }.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("LD_LIBRARY_PATH", "/usr/lib64-nvidia")
        monkeypatch.setattr(subprocess, "run", self._nvidia_smi)
        monkeypatch.setattr(subprocess, "Popen", self._popen)
        module, drive, userdata = (
            ModuleType(name) for name in ("google.colab", "drive", "userdata")
        )
        module.drive, module.userdata = drive, userdata  # type: ignore[attr-defined]
        drive.mount = lambda _: None  # type: ignore[attr-defined]
        userdata.get = {"HF_TOKEN": secret}.__getitem__ if secret else {}.__getitem__  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "google.colab", module)
        display = SimpleNamespace(HTML=str, display=self.shown.append)
        monkeypatch.setitem(sys.modules, "IPython.display", display)

    def run_all(self, **chosen: object) -> None:
        """Every cell in its order, with these values in the form; Colab's own folders lie in
        ours."""
        for name, source in CODE.items():
            exec(source.replace("/content", str(self.folder / "content")), self.names)
            if name == "choose":
                self.names |= {"REPOSITORY": PUBLISHED, **chosen}

    def commands(self, word: str) -> list[list[str]]:
        """What was handed to ./cli.py's command of this name."""
        return [words[3:] for words, _ in self.called if words[1:3] == ["cli.py", word]]

    def _nvidia_smi(self, words: list[str], **_: Any) -> "subprocess.CompletedProcess[str]":
        if not self.gpu:
            raise FileNotFoundError(words[0])
        return subprocess.CompletedProcess(words, 0, f"{self.gpu}\n")

    def _popen(self, words: list[str], env: dict[str, str], **_: Any) -> SimpleNamespace:
        self.called.append((words, env))
        return SimpleNamespace(stdout=iter(self._answer(words)), wait=lambda: 0)

    def _answer(self, words: list[str]) -> list[str]:
        if words[1:3] == ["-P", "-c"]:
            return [json.dumps(PINS) + "\n"]
        if words[1:3] == ["cli.py", "run"]:
            folder = Path(words[words.index("--runs-dir") + 1]) / f"{Path(words[3]).stem}-0"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "report.html").write_text("<p>&보고서</p>", encoding="utf-8")
            return [f"a-model, lora -> {folder}\n", "report   0.1 s\n"]
        if words[1:3] == ["cli.py", "compare"]:
            Path(words[words.index("--html") + 1]).write_text("<p>비교</p>", encoding="utf-8")
        return []


Opened = Callable[..., Colab]


@pytest.fixture
def colab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Opened:
    return lambda gpu=L4, **more: Colab(tmp_path, monkeypatch, gpu, **more)


REAL = {"RECIPE": "deepseek_lora", "SECOND_RECIPE": "llama_lora"}


@pytest.mark.parametrize(("gpu", "limit"), [(L4, "quick"), (T4, "all")])
def test_run_all_gives_commands_that_the_command_line_takes(
    colab: Opened, gpu: str, limit: str
) -> None:
    from cli import cli

    opened = colab(gpu)
    opened.run_all(**REAL, LIMIT=limit)
    words = [words for words, _ in opened.called if words[1] == "cli.py"]
    assert [line[2] for line in words] == ["doctor", "plan", "plan", "run", "run", "run", "compare"]
    for _, _, name, *rest in words:
        cli.commands[name].make_context(name, list(rest))  # a UsageError for what it does not take
    first, again, second = opened.commands("run")
    assert first == again and (first[0], second[0]) == (
        "recipes/deepseek_lora.yml",
        "recipes/llama_lora.yml",
    )
    assert first[1:] == second[1:]  # the two differ in nothing else
    assert ("--limit" in first) == (limit == "quick")
    for line in (*opened.commands("plan"), first):
        reading.load(
            ROOT / line[0], tuple(line[at + 1] for at, word in enumerate(line) if word == "--set")
        )
    runs = str(opened.folder / "content" / "drive" / "MyDrive" / "kotune" / "runs")
    assert first[first.index("--runs-dir") + 1] == runs
    assert [name.startswith(runs) for name in opened.commands("compare")[0][:2]] == [True, True]
    assert [page.count("<iframe") for page in opened.shown] == [
        1,
        1,
    ] and "&amp;보고서" in opened.shown[0]


def test_the_environment_is_one_of_its_own_at_the_pinned_versions(colab: Opened) -> None:
    opened = colab()
    opened.run_all()
    lines = [" ".join(words) for words, _ in opened.called]
    home = opened.folder / "content" / "kotune"
    assert lines[0] == f"git clone --quiet {PUBLISHED} {home}"
    assert f"{sys.executable} -P -m pip install --quiet uv=={PINS['uv']}" in lines
    assert (
        f"{sys.executable} -P -m uv venv --quiet --seed --python {PINS['python']} {home}/.venv"
        in lines
    )
    assert "bash install.sh .venv/bin" in lines
    assert {words[0] for words, _ in opened.called if "cli.py" in words} == {
        f"{home}/.venv/bin/python"
    }
    for _, env in opened.called:  # Colab's settings for its own Python and uv
        assert not [name for name in env if name.startswith(("UV_", "PIP_", "PYTHON", "FORCE_"))]


def test_other_versions_than_pinned_end_it(colab: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = colab()
    monkeypatch.setattr(
        opened, "_answer", lambda words: [json.dumps({**PINS, "torch": "2.11.0+cu128"})]
    )
    with pytest.raises(Exception, match=r"2\.11\.0\+cu128"):
        opened.run_all()


def test_a_token_reaches_the_commands_and_no_output(
    colab: Opened, capsys: pytest.CaptureFixture[str]
) -> None:
    opened = colab()
    opened.run_all(**REAL)
    assert {env.get("HF_TOKEN") for words, env in opened.called if "cli.py" in words} == {CANARY}
    told = capsys.readouterr()
    assert CANARY not in told.out + told.err + "".join(opened.shown)
    assert not [words for words, _ in opened.called if CANARY in " ".join(words)]


def test_without_a_token_only_llama_is_warned_of(
    colab: Opened, capsys: pytest.CaptureFixture[str]
) -> None:
    colab(secret=None).run_all()
    assert "KeyError" in (quick := capsys.readouterr().out) and "Llama" not in quick
    colab(secret=None).run_all(**REAL)
    assert "Llama recipes will be refused" in capsys.readouterr().out


def test_a_t4_trains_in_fp16_and_says_so(colab: Opened, capsys: pytest.CaptureFixture[str]) -> None:
    opened = colab(T4)
    opened.run_all(**REAL)
    assert "a T4 has no bf16" in capsys.readouterr().out
    for line in (*opened.commands("plan"), *opened.commands("run")):
        assert {"axolotl.bf16=false", "axolotl.fp16=true"} <= set(line)
    other = colab(L4)
    other.run_all(**REAL)
    assert "axolotl.fp16=true" not in other.commands("run")[0]


def test_without_a_gpu_real_recipes_end_before_anything_is_installed(colab: Opened) -> None:
    opened = colab("")
    with pytest.raises(Exception, match="No GPU"):
        opened.run_all(**REAL)
    assert not opened.called
    opened.run_all()
    assert "--gpu" not in opened.commands("plan")[0]


@pytest.mark.parametrize("gpu", [L4, ""])
def test_a_gpu_gets_what_triton_makes_its_kernels_with(colab: Opened, gpu: str) -> None:
    opened = colab(gpu)
    opened.run_all()
    found = [words for words, _ in opened.called if words[:1] == ["apt-get"]]
    assert [words[-2:] for words in found] == ([["build-essential", "python3-dev"]] if gpu else [])


def test_a_driver_older_than_torchs_cuda_gets_nvidias_package(colab: Opened) -> None:
    opened = colab(OLD)
    opened.run_all()
    assert ["apt-get", "install", "--quiet", "--yes", "cuda-compat-13-0"] in [
        words for words, _ in opened.called
    ]
    assert (
        opened.called[-1][1]["LD_LIBRARY_PATH"] == "/usr/local/cuda-13.0/compat:/usr/lib64-nvidia"
    )


def test_an_address_that_nobody_filled_in_and_a_refused_drive_are_one_message(
    colab: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = colab()
    with pytest.raises(Exception, match="Fill in REPOSITORY"):
        opened.run_all(REPOSITORY="https://github.com/OWNER/of-nobody")
    monkeypatch.setattr(
        sys.modules["google.colab"].drive, "mount", lambda _: Path("/no/such/drive").read_bytes()
    )
    with pytest.raises(Exception, match="untick ON_DRIVE"):
        opened.run_all()
    opened.run_all(ON_DRIVE=False)
    assert str(opened.folder / "content" / "runs") in opened.commands("run")[0]


def test_a_command_that_fails_ends_it_with_its_exit_code(
    colab: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = colab()
    failing = SimpleNamespace(stdout=iter(["error: the hub cannot be reached\n"]), wait=lambda: 75)
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: failing)
    with pytest.raises(Exception, match="Exit code 75"):
        opened.run_all()


@pytest.mark.e2e
@pytest.mark.slow
def test_the_notebook_runs_from_top_to_bottom_on_a_cpu(tmp_path: Path) -> None:
    """Both quickstart recipes for ten steps, in this environment, by nbmake."""
    pytest.importorskip("nbmake")
    copy = tmp_path / FILE.name
    copy.write_bytes(FILE.read_bytes())
    env = {
        **os.environ,
        "SMOKE": "1",
        "TMPDIR": str(tmp_path),
        "HF_HOME": str(tmp_path / "hf"),
        "HF_HUB_OFFLINE": "1",
    }
    env |= {"HF_TOKEN": CANARY, "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": str(ROOT)}
    words = [
        "-m",
        "pytest",
        "--nbmake",
        "--overwrite",
        "--nbmake-timeout=1200",
        "-p",
        "no:cacheprovider",
        str(copy),
    ]
    done = subprocess.run(
        [sys.executable, *words], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-6000:]
    assert CANARY not in copy.read_text(encoding="utf-8")
    cells = json.loads(copy.read_text(encoding="utf-8"))["cells"]
    told = {cell["id"]: json.dumps(cell.get("outputs", []), ensure_ascii=False) for cell in cells}
    assert told["resume"].count("done before, nothing changed") == 5
    assert "step 10: loss" in told["first"] and "step 10: loss" in told["second"]
    assert "\\u001b" not in "".join(told.values())  # colours and progress bars are for a terminal
    for name in ("first", "compare"):
        assert told[name].count("<iframe srcdoc=") == 1 and "&lt;html" in told[name], name
