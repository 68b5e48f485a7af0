"""The set-up: one lock for Python 3.11 and 3.12, everything asked for in it, nothing heavy in the light install."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from kotune.runs.folder import write_text
from tests.conftest import ROOT

LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.mark.parametrize("version", ["3.11", "3.12"])
@pytest.mark.slow
def test_the_lock_resolves_on_each_python(version: str, tmp_path: Path) -> None:
    uv = Path(sys.executable).parent / "uv"
    if not uv.exists():
        pytest.skip("uv is not in this environment (make setup brings it)")
    words = [uv, "pip", "compile", "pyproject.toml", "--extra", "train", "--extra", "dev", "-c", "requirements.lock"]
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
        [*words, "-o", tmp_path / "out"], cwd=ROOT, env=env, capture_output=True, text=True, check=False
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
    """pip's own index for uv, which does not read pip's configuration (install.sh does the same)."""
    words = [sys.executable, "-m", "pip", "config", "get", "global.index-url"]
    index = subprocess.run(words, capture_output=True, text=True, check=False).stdout.strip()
    return {"UV_DEFAULT_INDEX": index} if index else {}


def test_every_package_asked_for_is_locked() -> None:
    for name in ("axolotl", "torch", "transformers", "peft", "bitsandbytes", "lm-eval", "datasets", "click", "pytest"):
        assert re.search(rf"^{name}==", LOCK, re.MULTILINE), name
    assert "axolotl==0.19.0 " in LOCK
    assert "lm-eval==0.4.11 " in LOCK


def test_another_python_is_refused_before_an_environment_of_it_stands_in_the_way(tmp_path: Path) -> None:
    for name in ("Makefile", "pyproject.toml", "requirements.lock", "install.sh"):
        shutil.copy(ROOT / name, tmp_path)
    other = tmp_path / "python3.10"
    told = "import sys; sys.version_info = (3, 10); exec(sys.argv[2])"
    write_text(other, f"#!/bin/sh\nexec {sys.executable} -c '{told}' \"$@\"\n")
    other.chmod(0o755)
    done = subprocess.run(
        ["make", "setup", f"PYTHON={other}"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2 and "error: Python 3.11 or 3.12 is needed" in done.stderr
    assert not (tmp_path / ".venv").exists()


def test_the_light_install_is_light() -> None:
    names = {re.split(r"[<>=\[ ]", word)[0] for word in PROJECT["dependencies"]}
    assert names == {"click", "jinja2", "jsonschema", "pydantic", "pyyaml", "rich"}


def test_nothing_of_this_repository_shadows_a_package_it_uses() -> None:
    names = {path.stem for path in ROOT.iterdir() if path.is_dir() or path.suffix == ".py"}
    assert not names & {"axolotl", "datasets", "evaluate", "tokenizers", "transformers", "torch"}


def test_no_page_has_a_blank_or_a_link_that_leads_nowhere() -> None:
    pages = [path for path in ROOT.rglob("*.md") if not {".venv", "runs", "node_modules"} & set(path.parts)]
    assert len(pages) >= 7
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert not re.search(r"@[A-Z_]+@", text), page
        for link in re.findall(r"\]\((?!https?:)([^)#]+)", text):
            assert (page.parent / link).exists(), f"{page}: {link}"


def test_both_readmes_have_the_same_sections_commands_and_links() -> None:
    english, korean = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "README.ko.md"))
    for pattern in (r"^## ", r"^\| `", r"^\./cli\.py \w+", r"^make \w+"):
        assert len(re.findall(pattern, english, re.MULTILINE)) == len(re.findall(pattern, korean, re.MULTILINE)), (
            pattern
        )
    links = [set(re.findall(r"\]\(([^)]+)\)", text)) - {"README.md", "README.ko.md"} for text in (english, korean)]
    same = [
        {link.replace(".ko.md", ".md") for link in found} for found in links
    ]  # a page may be linked in the reader's language
    assert same[0] == same[1]


def test_pages_in_two_languages_have_the_same_commands_and_tables() -> None:
    pages = sorted((ROOT / "docs").glob("*.ko.md"))
    assert len(pages) >= 6
    for page in pages:
        korean, english = (
            path.read_text(encoding="utf-8") for path in (page, page.with_name(page.name.replace(".ko", "")))
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
                [re.sub(r" +$", "", match) for match in re.findall(pattern, text, re.MULTILINE)]
                for text in (english, korean)
            ]
            assert found[0] == found[1], (page, pattern)
