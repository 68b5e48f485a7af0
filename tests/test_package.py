"""kotune as a package: what the wheel holds, and that the command `kotune` works from it where no
checkout is."""

import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from kotune.runs.folder import read_json, write_text
from tests.conftest import ROOT

NAMES = {
    "kodata": "kodata",
    "kotune": "kotune",
    "tasks": "kotune_tasks",
    "recipes": "kotune_recipes",
}
HEAVY = (
    "torch",
    "transformers",
    "axolotl",
    "lm_eval",
    "datasets",
    "numpy",
    "huggingface_hub",
    "datasketch",
)
# Python starts with this file: whatever is opened or listed in the checkout, but for its
# environment, is written down.
WATCH = """
import sys

def _seen(event, arguments):
    if event in ("open", "os.listdir", "os.scandir") and str(arguments[0]).startswith({root!r}):
        if not str(arguments[0]).startswith({venv!r}):
            with open({log!r}, "a") as log:
                log.write(str(arguments[0]) + chr(10))

sys.addaudithook(_seen)
"""


@dataclass(frozen=True)
class Installed:
    """An environment with the wheel, inside somebody else's git repository. `seen`: what was read
    of the checkout."""

    root: Path
    seen: Path

    @property
    def packages(self) -> Path:
        return next(self.root.glob("lib/python3*/site-packages"))

    def start(
        self, program: str, *words: object, cwd: Path, **more: str
    ) -> "subprocess.CompletedProcess[str]":
        env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        env |= {
            "HF_HUB_OFFLINE": "1",
            "HF_HOME": str(self.root / "hf"),
            "CUDA_VISIBLE_DEVICES": "",
            **more,
        }
        command = [str(self.root / "bin" / program), *map(str, words)]
        return subprocess.run(
            command, cwd=cwd, env=env, capture_output=True, text=True, check=False
        )


Kotune = Callable[..., "subprocess.CompletedProcess[str]"]


def files_of(folder: Path) -> list[str]:
    """What git knows or would add, and is there."""
    words = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    told = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    if told.returncode:
        pytest.skip("git does not tell which files belong to this checkout")
    return sorted({name for name in told.stdout.split("\0") if name and (folder / name).is_file()})


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy, since setuptools writes beside what it builds."""
    pytest.importorskip("setuptools", "77")
    place = tmp_path_factory.mktemp("wheel")
    for name in files_of(ROOT):
        copy = place / "tree" / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, copy)
    stale = place / "tree" / "build" / "lib" / "kotune" / "gone.py"  # of an earlier build
    write_text(stale, "")
    code = f"from setuptools import build_meta; build_meta.build_wheel({str(place)!r})"
    subprocess.run(
        [sys.executable, "-c", code], cwd=place / "tree", capture_output=True, text=True, check=True
    )
    return next(place.glob("*.whl"))


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The wheel in an environment of its own, which finds everything else in the environment of
    these tests."""
    uv = Path(sys.executable).parent / "uv"
    if not uv.exists():
        pytest.skip("uv is not in this environment (make setup brings it)")
    project = tmp_path_factory.mktemp("project")
    own = Installed(project / "venv", project / "seen")
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b.c"]
    for words in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "of somebody else"]):
        subprocess.run([*git, *words], cwd=project, check=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", own.root], check=True)
    words = [
        str(uv),
        "pip",
        "install",
        "--quiet",
        "--offline",
        "--no-index",
        "--no-deps",
        "--python",
        str(own.root / "bin/python"),
    ]
    subprocess.run([*words, wheel], check=True)
    # A path in a .pth file is searched, but .pth files there, as that of the editable install, are
    # not read.
    write_text(own.packages / "others.pth", sysconfig.get_path("purelib") + "\n")
    watch = WATCH.format(root=f"{ROOT}/", venv=f"{Path(sys.prefix)}/", log=str(own.seen))
    write_text(own.packages / "sitecustomize.py", watch)
    return own


@pytest.fixture
def kotune(installed: Installed, tmp_path: Path) -> Kotune:
    """The command `kotune` of the installation, in an empty folder."""
    (tmp_path / "empty").mkdir()

    def run(*words: object, **more: str) -> "subprocess.CompletedProcess[str]":
        return installed.start("kotune", *words, cwd=tmp_path / "empty", **more)

    return run


def succeeded(done: "subprocess.CompletedProcess[str]") -> str:
    assert done.returncode == 0, done.stdout + done.stderr
    assert "cli.py" not in done.stdout and "make setup" not in done.stdout + done.stderr
    return done.stdout


def test_the_wheel_holds_the_four_folders_under_names_of_their_own_and_nothing_else(
    wheel: Path,
) -> None:
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    folders = {name.partition("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert folders == {*NAMES.values(), f"kotune-{importlib.metadata.version('kotune')}.dist-info"}
    parts = [name.split("/") for name in files_of(ROOT)]
    assert held == {
        "/".join([NAMES[first], *rest])
        for first, *rest in parts
        if first in NAMES and [first, rest[0]] != ["recipes", "real"]
    }
    assert wheel.stat().st_size < 15_000_000


def test_every_module_is_the_installations_and_nothing_is_read_of_the_checkout(
    installed: Installed, tmp_path: Path
) -> None:
    code = (
        "import kodata, kotune.cli, kotune_tasks; print(*(m.__file__ for m in (kodata, kotune,"
        " kotune_tasks)))"
    )
    files = succeeded(installed.start("python", "-c", code, cwd=tmp_path)).split()
    assert [Path(file).parent.parent for file in files] == [installed.packages] * 3
    assert not installed.seen.exists()
    other = installed.start("python", "-c", f"open({str(ROOT / 'LICENSE')!r})", cwd=tmp_path)
    # It would be noticed.
    assert other.returncode == 0 and installed.seen.read_text() == f"{ROOT / 'LICENSE'}\n"
    installed.seen.unlink()


def test_shipped_recipes_studies_and_tasks_are_found_by_name(
    installed: Installed, kotune: Kotune
) -> None:
    assert "Usage: kotune [OPTIONS] COMMAND" in succeeded(kotune("--help"))
    assert "no problems. quickstart-llama, lora, nli_sample (label)" in succeeded(
        kotune("check", "quickstart_llama")
    )
    assert "base_model: meta-llama/Llama-3.2-1B-Instruct" in succeeded(
        kotune("render", "llama_lora")
    )
    listed = {line.split()[0] for line in succeeded(kotune("recipes")).splitlines()}
    # recipes/real needs models that a checkout converts.
    files = [*(ROOT / "recipes").glob("*.yml"), *(ROOT / "recipes").glob("studies/*.yml")]
    shipped = {path.stem for path in files} - {"defaults"}
    assert listed == shipped >= {"quickstart_llama", "quickstart_study"}
    assert succeeded(kotune("tasks")).strip() == str(installed.packages / "kotune_tasks")
    study = succeeded(kotune("study", "quickstart_study", "--dry-run"))
    assert study.count("missing") >= 12 and "quickstart_deepseek" in study
    assert not installed.seen.exists()


def test_plan_and_doctor_need_no_checkout(installed: Installed, kotune: Kotune) -> None:
    assert "2,409" in succeeded(kotune("plan", "quickstart_llama"))
    checks = {
        check["name"]: check for check in json.loads(kotune("doctor", "--json").stdout)["checks"]
    }
    assert (
        checks["packages"]["state"] == "ok"
        and "only a checkout has a lock" in checks["packages"]["told"]
    )
    assert not installed.seen.exists()


def test_what_is_told_names_the_command_and_the_recipes_as_they_are_typed_here(
    installed: Installed, kotune: Kotune, tmp_path: Path
) -> None:
    done = kotune("run", "quickstart_lama")
    assert (
        done.returncode == 2
        and "did you mean quickstart_llama?; `kotune recipes` lists" in done.stderr
    )
    succeeded(kotune("run", "quickstart_llama", "--until", "prepare"))
    record = read_json(next((tmp_path / "empty" / "runs").glob("quickstart_llama-*")) / "run.json")
    assert record["command"] == "kotune run quickstart_llama"
    assert record["code_revision"] is None  # the git repository around it is not ours
    assert not installed.seen.exists()


def test_slurm_starts_the_installed_command_and_other_engines_name_the_clone(
    installed: Installed, kotune: Kotune, tmp_path: Path
) -> None:
    succeeded(kotune("launch", "quickstart_llama", "--on", "slurm", "--dry-run"))
    script = (tmp_path / "empty/runs/launch/kotune-quickstart-llama.sbatch").read_text(
        encoding="utf-8"
    )
    assert f"{installed.root}/bin/kotune run " in script and "cli.py" not in script
    assert " quickstart_llama" in script
    for engine in ("docker", "sky"):
        done = kotune("launch", "quickstart_llama", "--on", engine, "--dry-run")
        assert (
            done.returncode == 2
            and "clone the repository" in done.stderr
            and done.stderr.count("\n") == 1
        )


def test_the_light_install_names_the_extra(
    installed: Installed, kotune: Kotune, tmp_path: Path
) -> None:
    """Importing any package of the `train` extra fails, as where only the light install is
    there."""
    watch = (installed.packages / "sitecustomize.py").read_text(encoding="utf-8")
    absent = "".join(f"sys.modules[{name!r}] = None\n" for name in HEAVY)
    write_text(tmp_path / "light" / "sitecustomize.py", watch + absent)
    light = {"PYTHONPATH": str(tmp_path / "light")}
    study = ["study", "quickstart_study", "--dry-run"]
    for words in (
        ["check", "quickstart_llama"],
        ["render", "llama_lora"],
        ["recipes"],
        ["tasks"],
        ["doctor"],
        study,
    ):
        succeeded(kotune(*words, **light))
    planned = " ".join(succeeded(kotune("plan", "llama_lora", **light)).split())
    assert "the light install has no tokenizer" in planned
    assert "`bash install.sh ENVIRONMENT/bin package`" in planned
    for words in (
        ["run", "quickstart_llama"],
        ["preview", "quickstart_llama"],
        ["lm_eval", "--help"],
    ):
        done = kotune(*words, **light)
        assert (
            done.returncode == 2
            and "bash install.sh ENVIRONMENT/bin package" in done.stderr
            and "Traceback" not in done.stderr
        )
    assert not installed.seen.exists() and not list((tmp_path / "empty").iterdir())


def test_lm_eval_is_told_where_the_tasks_lie(
    installed: Installed, kotune: Kotune, tmp_path: Path
) -> None:
    """With an lm_eval of the test's own, which prints its arguments."""
    tasks = str(installed.packages / "kotune_tasks")
    other = tmp_path / "other" / "lm_eval"
    for name, text in (
        ("__init__", ""),
        ("__main__", "import sys\ndef cli_evaluate(): print(*sys.argv[1:], sep='\\n')\n"),
        ("models/__init__", ""),
        ("api/__init__", ""),
        ("api/registry", "from unittest.mock import Mock\nmodel_registry = Mock()\n"),
    ):
        write_text(other / f"{name}.py", text)
    (other / "tasks").mkdir()
    path = {"PYTHONPATH": str(tmp_path / "other")}
    started = succeeded(kotune("lm_eval", "ls", "tasks", **path)).splitlines()
    assert started == ["ls", "tasks", "--include_path", tasks]
    started = succeeded(kotune("lm_eval", "--include_path", "mine", **path)).splitlines()
    assert started == ["--include_path", "mine"]
    succeeded(installed.start("python", "-m", "kotune_tasks.install", cwd=tmp_path, **path))
    stub = tmp_path / "other" / "lm_eval" / "tasks" / "kotune" / "nli_sample_ko.yaml"
    assert (
        stub.read_text(encoding="utf-8") == f'include: "{tasks}/nli_sample_ko/nli_sample_ko.yaml"\n'
    )


@pytest.mark.slow
@pytest.mark.e2e
def test_the_whole_quickstart_from_the_wheel(
    installed: Installed, kotune: Kotune, tmp_path: Path
) -> None:
    (tmp_path / "empty" / "random.py").write_text(
        "raise ImportError('of the folder that it is started in')\n"
    )
    succeeded(kotune("run", "quickstart_llama"))
    run = next((tmp_path / "empty" / "runs").glob("quickstart_llama-*"))
    scores = read_json(run / "scores.json")["nli_sample_ko"]
    assert scores["tuned"]["acc"]["value"] > scores["base"]["acc"]["value"] + 0.2
    assert succeeded(kotune("run", "quickstart_llama")).count("done before, nothing changed") == 5
    assert "runs/quickstart_llama-" in succeeded(
        kotune("report", "quickstart_llama", "--lang", "ko")
    )
    assert not installed.seen.exists()
