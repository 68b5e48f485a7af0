"""The house: rooms that a newcomer can guess, imports that go one way, names that stand in one
place."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from kotune import layout
from tests.conftest import ROOT

ROOMS = sorted(path.parent for path in (ROOT / "kotune").glob("*/__init__.py"))
SOURCES = sorted(
    path for room in ("kotune", "kodata", "tasks") for path in (ROOT / room).rglob("*.py")
)


def test_imports_go_one_way() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Contracts: 4 kept, 0 broken." in done.stdout, done.stdout


def test_few_modules_lie_outside_rooms() -> None:
    assert len([*(ROOT / "kotune").glob("*.py")]) <= 8 + 1  # and __init__
    assert max(len([*room.glob("*.py")]) for room in ROOMS) <= 17


def test_tests_have_the_same_rooms() -> None:
    # test_cli.py has the commands.
    rooms = {room.name for room in ROOMS} - {"commands"} | {"kodata", "metrics", "tasks"}
    assert rooms <= {path.parent.name for path in (ROOT / "tests").glob("*/__init__.py")}


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.name)
def test_a_room_says_in_two_sentences_what_is_done_there(room: Path) -> None:
    """And holds nothing else in its __init__."""
    module = ast.parse((room / "__init__.py").read_text(encoding="utf-8"))
    said = ast.get_docstring(module) or ""
    assert len(re.findall(r"[.](?=\s|$)", said)) == 2 and len(module.body) == 1


def test_file_names_of_a_run_folder_stand_in_one_module() -> None:
    """Those that nothing but a run folder has."""
    names = {
        layout.CONFIG,
        layout.RECORD,
        layout.SCORES,
        layout.METRICS,
        layout.PARITY,
        layout.WEIGHTS,
        layout.TRAIN,
    }
    names |= {
        layout.VALIDATION,
        layout.MANIFEST,
        layout.REPORT_PAGE,
        layout.REPORT_MARKDOWN,
        layout.TRAIN_LOG,
    }
    found = []
    for path in (
        path
        for path in SOURCES
        if path.is_relative_to(ROOT / "kotune") and path.name != "layout.py"
    ):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and node.value in names:
                found.append(f"{path.relative_to(ROOT)}:{node.lineno}: {node.value}")
    assert found == []


def test_classes_have_names_of_their_own() -> None:
    """But for private ones and type aliases."""
    seen: dict[str, Path] = {}
    for path in SOURCES:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                assert node.name not in seen, f"{node.name} is in {seen[node.name]} and in {path}"
                seen[node.name] = path


def test_contributing_names_files_that_exist() -> None:
    """Of every row of "to add X, touch these files"."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("| to | touch |")[2]
    rows = [line for line in text.splitlines()[2:] if line.startswith("|")]
    assert len(rows) >= 10
    for row in rows:
        paths = [name for name in re.findall(r"`([^` ]+)`", row) if "/" in name]
        assert paths, row
        for path in paths:
            assert (ROOT / path).exists(), f"{row}: no {path}"
