"""The set-up: one lock for Python 3.11 and 3.12, everything asked for in it, nothing heavy in the
light install."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kotune.runs.folder import write_text
from kotune.shipped import INSTALL_OLDER_CUDA
from tests import wheels
from tests.conftest import ROOT

LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.mark.parametrize("version", ["3.11", "3.12"])
@pytest.mark.slow
def test_the_lock_resolves_on_each_python(version: str, tmp_path: Path) -> None:
    uv = Path(sys.executable).parent / "uv"
    if not uv.exists():
        pytest.skip("uv is not in this environment (make setup brings it)")
    words = [
        str(uv),
        "pip",
        "compile",
        "pyproject.toml",
        "--extra",
        "train",
        "--extra",
        "dev",
        "-c",
        "requirements.lock",
    ]
    words += [
        "--python-version",
        version,
        "--python-platform",
        "linux",
        "--no-annotate",
        "--no-header",
        "--no-python-downloads",
    ]
    env = {**os.environ, **pip_index()}
    done = subprocess.run(
        [*words, "-o", str(tmp_path / "out")],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    if (
        done.returncode
        and "CI" not in os.environ
        and ("Failed to fetch" in done.stderr or "error sending request" in done.stderr)
    ):
        pytest.skip("no package index can be reached")
    assert done.returncode == 0, done.stderr
    pinned = set(re.findall(r"^([\w.-]+==\S+)", LOCK, re.MULTILINE))
    resolved = set(re.findall(r"^([\w.-]+==\S+)", (tmp_path / "out").read_text(), re.MULTILINE))
    assert len(resolved) > 200
    assert resolved <= pinned


def pip_index() -> dict[str, str]:
    """pip's own index for uv, which does not read pip's configuration (install.sh does the
    same)."""
    words = [sys.executable, "-m", "pip", "config", "get", "global.index-url"]
    index = subprocess.run(words, capture_output=True, text=True, check=False).stdout.strip()
    return {"UV_DEFAULT_INDEX": index} if index else {}


def test_every_package_asked_for_is_locked() -> None:
    for name in (
        "axolotl",
        "torch",
        "transformers",
        "peft",
        "bitsandbytes",
        "lm-eval",
        "datasets",
        "click",
        "pytest",
    ):
        assert re.search(rf"^{name}==", LOCK, re.MULTILINE), name
    assert "axolotl==0.19.0 " in LOCK
    assert "lm-eval==0.4.11 " in LOCK


def test_another_python_is_refused_before_an_environment_of_it_stands_in_the_way(
    tmp_path: Path,
) -> None:
    for name in ("Makefile", "pyproject.toml", "requirements.lock", "install.sh"):
        shutil.copy(ROOT / name, tmp_path)
    other = tmp_path / "python3.10"
    told = "import sys; sys.version_info = (3, 10); exec(sys.argv[2])"
    write_text(other, f"#!/bin/sh\nexec {sys.executable} -c '{told}' \"$@\"\n")
    other.chmod(0o755)
    done = subprocess.run(
        ["make", "setup", f"PYTHON={other}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2 and "error: Python 3.11 or 3.12 is needed" in done.stderr
    assert not (tmp_path / ".venv").exists()


LOCKED = (
    "torch 2.13.0",
    "cuda-toolkit 13.0.3",
    "nvidia-cudnn-cu13 9.2",
    "nvidia-ml-py 12.5",
    "other 1.0",
)


@pytest.fixture
def install(tmp_path: Path) -> Iterator[Callable[..., "subprocess.CompletedProcess[str]"]]:
    """Runs install.sh over a lock of five empty packages, with the real uv and indexes on loopback;
    kotune is not installed."""
    uv = shutil.which("uv", path=str(Path(sys.executable).parent))
    if not uv:
        pytest.skip("uv is not in this environment (make setup brings it)")
    usual, cuda = tmp_path / "indexes" / "simple", tmp_path / "indexes" / "whl" / "cu126"
    needs = ("cuda-toolkit==13.0.3", "nvidia-cudnn-cu13==9.2")
    hashes = [wheels.put(usual, *one.split(), *needs * one.startswith("torch")) for one in LOCKED]
    lock = "".join(
        f"{one.replace(' ', '==')} \\\n    --hash=sha256:{it}\n"
        for one, it in zip(LOCKED, hashes, strict=True)
    )
    write_text(tmp_path / "requirements.lock", lock)
    wheels.put(usual, "other", "2.0")
    wheels.put(usual, "nvidia-cudnn-cu12", "9.1")
    wheels.put(cuda, "torch", "2.13.0+cu126", "nvidia-cudnn-cu12==9.1", "other")
    shutil.copy(ROOT / "install.sh", tmp_path)
    # No package but what is installed.
    plain = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    env = {
        **plain,
        "UV_CACHE_DIR": str(tmp_path / "cache"),
        "UV_NO_CONFIG": "1",
        "NO_PROXY": "127.0.0.1",
        "CUDA": "",
    }
    subprocess.run(
        [uv, "venv", "--quiet", "--python", sys.executable, ".venv"],
        cwd=tmp_path,
        env=env,
        check=True,
    )
    folder = tmp_path / ".venv" / "bin"
    (site,) = (tmp_path / ".venv" / "lib").glob("python3*/site-packages")
    write_text(site / "kotune_tasks" / "install.py", "")
    write_text(
        folder / "uv", f'#!/bin/sh\ncase " $* " in *" -e . "*) exit ;; esac\nexec {uv} "$@"\n'
    )
    with wheels.served(tmp_path / "indexes") as address:
        asked = f"case $3 in global.index-url) echo {address}/simple ;; esac"
        write_text(folder / "pip", f'#!/bin/sh\n[ "$1" != config ] || {asked}\n')
        for name in ("uv", "pip"):
            (folder / name).chmod(0o755)

        def run(*kind: str, **more: str) -> "subprocess.CompletedProcess[str]":
            words = ["bash", "install.sh", ".venv/bin", *kind]
            over = {**env, "TORCH_INDEX": f"{address}/whl", **more}
            return subprocess.run(
                words, cwd=tmp_path, env=over, capture_output=True, text=True, check=False
            )

        yield run


def there(folder: Path) -> set[str]:
    """What is installed in the environment of a folder."""
    found = (folder / ".venv" / "lib").glob("python3*/site-packages/*.dist-info")
    return {path.stem.replace("_", "-") for path in found}


def test_an_older_cuda_brings_its_torch_and_what_that_pins_and_all_else_is_as_locked(
    install: Callable[..., "subprocess.CompletedProcess[str]"], tmp_path: Path
) -> None:
    """There and back: nothing of the other build is left."""
    own = {
        "torch-2.13.0",
        "cuda-toolkit-13.0.3",
        "nvidia-cudnn-cu13-9.2",
        "nvidia-ml-py-12.5",
        "other-1.0",
    }
    older = {"torch-2.13.0+cu126", "nvidia-cudnn-cu12-9.1", "nvidia-ml-py-12.5", "other-1.0"}
    for cuda, wanted in (("", own), ("12.6", older), ("12.6", older), ("13.0", own)):
        done = install(CUDA=cuda)
        assert (done.returncode, there(tmp_path)) == (0, wanted), done.stderr
        assert ("the lock has no hash for these" in done.stderr) == (wanted == older)
    assert "CUDA=12.6" in INSTALL_OLDER_CUDA


@pytest.mark.parametrize(
    ("cuda", "told"),
    [
        ("twelve", "give a version of CUDA, as 12.6"),
        (
            "/usr/local/cuda",
            "give a version of CUDA, as 12.6, or unset",
        ),  # as clusters' modules set it
        ("99.9", r"no torch==2\.13\.0\+cu999 at http://.*/whl/cu999 \(.*\)"),
    ],
)
def test_a_cuda_that_there_is_no_torch_for_is_one_message_and_changes_nothing(
    install: Callable[..., "subprocess.CompletedProcess[str]"], tmp_path: Path, cuda: str, told: str
) -> None:
    done = install(CUDA=cuda)
    assert (done.returncode, there(tmp_path)) == (2, set())
    (line,) = done.stderr.splitlines()
    assert re.match(
        f"error: CUDA={cuda}: {told}.*: CUDA=12.6, and 13.0, which is the lock's own", line
    ), line


def test_the_light_install_has_no_torch_and_asks_for_no_cuda(
    install: Callable[..., "subprocess.CompletedProcess[str]"],
) -> None:
    done = install("light", CUDA="/usr/local/cuda")
    assert done.returncode == 0, done.stderr


def test_make_sets_up_anew_for_another_cuda_and_keeps_the_one_that_was_chosen(
    tmp_path: Path,
) -> None:
    """`make quickstart` of somebody who has chosen one is not to bring the lock's own back."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    for name in ("pyproject.toml", "requirements.lock"):
        write_text(tmp_path / name, "")
    write_text(tmp_path / "install.sh", 'echo "installed ${CUDA:-own}"\n')
    write_text(
        tmp_path / "python",
        f'#!/bin/sh\n[ "$2" != -m ] || exec mkdir -p .venv\nexec {sys.executable} "$@"\n',
    )
    (tmp_path / "python").chmod(0o755)
    env = {
        name: value
        for name, value in os.environ.items()
        if name not in ("CUDA", "MAKEFLAGS", "MAKELEVEL")
    }
    for words, told in (
        ([], ["own"]),
        ([], []),
        (["CUDA=12.6"], ["12.6"]),
        (["CUDA=12.6"], []),
        ([], []),
        (["CUDA="], ["own"]),
        ([], []),
    ):
        command = ["make", "setup", "PYTHON=./python", *words]
        done = subprocess.run(
            command, cwd=tmp_path, env=env, capture_output=True, text=True, check=True
        )
        assert re.findall(r"^installed (.*)", done.stdout, re.MULTILINE) == told, (
            words,
            done.stdout,
        )


def test_the_light_install_is_light() -> None:
    names = {re.split(r"[<>=\[ ]", word)[0] for word in PROJECT["dependencies"]}
    assert names == {"click", "jinja2", "jsonschema", "pydantic", "pyyaml", "rich"}


def test_nothing_of_this_repository_shadows_a_package_it_uses() -> None:
    names = {path.stem for path in ROOT.iterdir() if path.is_dir() or path.suffix == ".py"}
    assert not names & {"axolotl", "datasets", "evaluate", "tokenizers", "transformers", "torch"}


def test_no_page_has_a_blank_or_a_link_that_leads_nowhere() -> None:
    pages = [
        path
        for path in ROOT.rglob("*.md")
        if not {".venv", "build", "runs", "node_modules"} & set(path.parts)
    ]
    assert len(pages) >= 7
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert not re.search(r"@[A-Z_]+@", text), page
        for link in re.findall(r"\]\((?!https?:)([^)#]+)", text):
            assert (page.parent / link).exists(), f"{page}: {link}"


def test_both_readmes_have_the_same_sections_commands_and_links() -> None:
    english, korean = (
        (ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "README.ko.md")
    )
    for pattern in (r"^## ", r"^\| `", r"^\./cli\.py \w+", r"^make \w+"):
        assert len(re.findall(pattern, english, re.MULTILINE)) == len(
            re.findall(pattern, korean, re.MULTILINE)
        ), pattern
    links = [
        set(re.findall(r"\]\(([^)]+)\)", text)) - {"README.md", "README.ko.md"}
        for text in (english, korean)
    ]
    # A page may be linked in the reader's language, where its headings have other anchors.
    same = [{re.sub(r"\.ko\.(md|png)(#.*)?$", r".\1", link) for link in found} for found in links]
    same[0] = {
        link.partition("#")[0]
        if (ROOT / link.partition("#")[0].replace(".md", ".ko.md")).exists()
        else link
        for link in same[0]
    }
    assert same[0] == same[1]


def test_pages_in_two_languages_have_the_same_commands_and_tables() -> None:
    pages = sorted((ROOT / "docs").glob("*.ko.md"))
    assert len(pages) >= 6
    for page in pages:
        korean, english = (
            path.read_text(encoding="utf-8")
            for path in (page, page.with_name(page.name.replace(".ko", "")))
        )
        for pattern in (
            r"^#+ ",
            r"^\|",
            r"^- ",
            r"^\d\. ",
            r"^(?:\./cli\.py|make|docker|sky|sbatch) [^#\n]*",
            r"^  use_\w+",
        ):
            found = [
                [
                    re.sub(r" --lang ko| +$", "", match)
                    for match in re.findall(pattern, text, re.MULTILINE)
                ]
                for text in (english, korean)
            ]
            assert found[0] == found[1], (page, pattern)
