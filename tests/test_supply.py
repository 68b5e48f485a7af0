"""What is installed is what the lock says, byte by byte, and no page sends anybody to a
stranger."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from kotune.doctor.machine import _lock
from tests.conftest import ROOT

LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
INSTALL = (ROOT / "install.sh").read_text(encoding="utf-8")
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
PIN = re.compile(r"^([A-Za-z0-9][\w.-]*)==", re.MULTILINE)
NAMES = set(PIN.findall(LOCK))
# What only PyPI's build of torch needs.
CUDA = {name for name in NAMES if name.startswith(("nvidia-", "cuda-"))} - {"nvidia-ml-py"}


def pages() -> list[Path]:
    """Whatever tells a person, or a machine, what to install."""
    told = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.split("\n")
    ends = (".md", ".ipynb", ".sh", "Makefile", "Dockerfile", "cli.py")
    return [ROOT / name for name in told if name.endswith(ends) and name != "CHANGELOG.md"]


def test_every_package_of_the_lock_has_hashes_and_doctor_reads_it_still() -> None:
    parts = re.split(r"^(?=[A-Za-z0-9])", LOCK, flags=re.MULTILINE)[1:]
    assert len(parts) > 280
    assert [
        part.split()[0] for part in parts if not re.search(r"--hash=sha256:[0-9a-f]{64}", part)
    ] == []
    assert _lock().keys() == NAMES and all(
        version[0].isdigit() for found in _lock().values() for version in found
    )
    assert "--generate-hashes" in (ROOT / "Makefile").read_text(encoding="utf-8")


def awk(program: str, *words: str) -> set[str]:
    """The packages that an awk program keeps of the lock, whose lines it keeps whole."""
    done = subprocess.run(
        ["awk", *words, program, ROOT / "requirements.lock"],
        capture_output=True,
        text=True,
        check=True,
    )
    kept = re.split(r"^(?=[A-Za-z0-9])", done.stdout, flags=re.MULTILINE)[1:]
    assert all(part in LOCK for part in kept)
    return set(PIN.findall(done.stdout))


def test_the_installers_parts_of_the_lock() -> None:
    """uv and setuptools first; then all but torch and its CUDA where another build of torch is
    there; else all."""
    (program,) = re.findall(r"""^locked\(\) .*? '(.*)' \$lock""", INSTALL, re.MULTILINE)
    (without,) = re.findall(r"""^family='(.*?)'""", INSTALL, re.MULTILINE)
    (nothing,) = re.findall(r"""^cuda='(.*?)'""", INSTALL, re.MULTILINE)
    assert awk(program, "-v", "names=^(uv|setuptools)==") == {"uv", "setuptools"}
    assert awk(program, "-v", f"names=^({without})==", "-v", "not=-v") == NAMES - CUDA - {"torch"}
    assert awk(program, "-v", f"names=^({nothing})==", "-v", "not=-v") == NAMES


def test_the_image_keeps_its_torch_and_holds_the_rest_against_the_lock() -> None:
    (program,) = re.findall(r"awk '(.*?)' \\\n", DOCKERFILE)
    assert NAMES - awk(program) == CUDA | {"torch", "torchao", "triton", "nvidia-ml-py"} & NAMES
    assert DOCKERFILE.count("--build-constraints") == 2 and "--constraints /tmp/lock" in DOCKERFILE


@pytest.mark.parametrize(
    ("base", "loud"), [("axolotlai/axolotl:0.19.0", True), ("axolotlai/axolotl@sha256:ab", False)]
)
def test_an_image_built_from_a_tag_says_so_loudly(base: str, loud: bool) -> None:
    (step,) = re.findall(r"^RUN (case .*? esac)$", DOCKERFILE, re.MULTILINE | re.DOTALL)
    done = subprocess.run(
        ["bash", "-c", step], env={"BASE": base}, capture_output=True, text=True, check=True
    )
    assert (f"WARNING: THE BASE {base} IS A TAG" in done.stderr) == loud


def test_one_index_is_asked_for_a_package_and_files_are_held_against_their_hashes() -> None:
    assert "unsafe" not in INSTALL and "--index-strategy first-index" in INSTALL
    for line in INSTALL.splitlines():
        if (
            re.search(r"pip\" install", line)
            and "--no-index" not in line
            and not line.rstrip().endswith("-e .")
        ):
            assert "--require-hashes" in line or '-c "$part"' in line, line


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_no_page_pipes_a_script_to_a_shell_or_installs_what_nothing_pins(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"(curl|wget)[^\n]*\|\s*(sudo )?(ba)?sh\b", text)
    pinned = r"==|--require-hashes|--constraints?\b|-c [\"$/\w]|--no-deps|words\[@\]"
    for line in re.findall(r"[^\n]*(?:pip\"?|uv tool) install [^\n]*", text.replace("\\\n", " ")):
        assert re.search(pinned, line), line


@pytest.mark.parametrize(
    "page", [*pages(), ROOT / "pyproject.toml"], ids=lambda page: str(page.relative_to(ROOT))
)
def test_no_link_leads_to_a_name_that_a_stranger_could_have(page: Path) -> None:
    """_OWNER_, with its underscores, is nobody's on GitHub; badges are off until it is filled
    in."""
    for line in page.read_text(encoding="utf-8").splitlines():
        assert "/OWNER/" not in line
        if "_OWNER_" in line and "colab-badge" in line:
            assert "<!-- until published: [![Open in Colab]" in line


def test_publishing_turns_the_links_on(tmp_path: Path) -> None:
    (words,) = re.findall(
        r"`sed -i -E '(.*?)' ", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    )
    shutil.copy(ROOT / "README.md", tmp_path)
    subprocess.run(["sed", "-i", "-E", words, tmp_path / "README.md"], check=True)
    text = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert (
        "\n"
        "[![Open in"
        " Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com"
        in text
    )
    assert "/YOU/kotune/" in text and "_OWNER_" not in text and "until published" not in text


@pytest.mark.slow
def test_a_file_that_is_not_what_the_lock_says_is_not_installed(tmp_path: Path) -> None:
    """Half a minute: the light install, with another hash for a package that only another one asks
    for."""
    for name in ("install.sh", "pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    (part,) = re.findall(r"^markupsafe==(?:.|\n)*?(?=^[A-Za-z0-9])", LOCK, re.MULTILINE)
    other = LOCK.replace(part, re.sub(r"sha256:[0-9a-f]{64}", "sha256:" + "0" * 64, part))
    (tmp_path / "requirements.lock").write_text(other, encoding="utf-8")
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    words = ["bash", "install.sh", "venv/bin", "light"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    if "error sending request" in done.stderr or "No matching distribution" in done.stderr:
        pytest.skip("no package index can be reached")
    assert done.returncode and "Hash mismatch" in done.stderr and "markupsafe" in done.stderr


def test_every_change_is_tested_as_anybody_tests_it_on_both_pythons() -> None:
    workflow = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text(encoding="utf-8"))
    assert workflow["permissions"] == {"contents": "read"}
    (job,) = workflow["jobs"].values()
    assert job["strategy"]["matrix"] == {"python": ["3.11", "3.12"]}
    assert [step["run"] for step in job["steps"] if "run" in step] == ["bash .ci/run"]
    assert "secrets" not in json.dumps(workflow)


def test_every_action_is_pinned_to_a_commit_and_names_its_version() -> None:
    used = [
        line
        for path in (ROOT / ".github").rglob("*.yml")
        for line in path.read_text(encoding="utf-8").splitlines()
        if re.search(r"\buses:", line)
    ]
    assert used
    for line in used:
        assert re.search(r"\buses: [\w-]+/[\w/.-]+@[0-9a-f]{40}  # v\d+\.\d+\.\d+$", line), line


def test_hooks_before_a_commit_need_nothing_but_what_the_lock_installs() -> None:
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    (repository,) = config["repos"]
    hooks = {hook["id"]: hook for hook in repository["hooks"]}
    assert repository["repo"] == "local" and hooks.keys() == {"ruff-check", "ruff-format", "mypy"}
    for name, hook in hooks.items():
        assert hook["language"] == "system" and f".venv/bin/{name.split('-')[0]}" in hook["entry"]


def test_what_make_quick_runs_is_there() -> None:
    made = subprocess.run(
        ["make", "-n", "quick"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    named = re.findall(r"tests/\S+", made.stdout)
    assert len(named) > 5
    assert [name for name in named if not (ROOT / name).exists()] == []
