"""What Triton needs to begin on a GPU is looked for where it looks, before anything is
downloaded."""

import inspect
import sysconfig
from pathlib import Path
from typing import Any

import pytest

from kotune import pipeline
from kotune.doctor import machine
from kotune.errors import StageError
from kotune.pipeline import RunOptions
from kotune.train import gpu
from kotune.worker import compiler, driver
from tests.conftest import silent, write_recipe

RECIPE = "model: quickstart-llama\ndata: [{source: nli_sample}]\n"


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with headers and an empty folder for programs."""
    monkeypatch.delenv("CC", raising=False)
    (tmp_path / "Python.h").write_text("")
    monkeypatch.setattr(sysconfig, "get_paths", lambda *_, **__: {"include": str(tmp_path)})
    monkeypatch.setattr(compiler, "environment", lambda: {"PATH": str(tmp_path)})
    monkeypatch.setattr(driver, "problem", lambda: None)
    return tmp_path


def program(folder: Path, name: str) -> None:
    (folder / name).write_text("#!/bin/sh\n")
    (folder / name).chmod(0o755)


@pytest.mark.parametrize("name", ["gcc", "clang"])
def test_a_compiler_and_the_headers_are_enough(bare: Path, name: str) -> None:
    assert compiler.missing() == "no C compiler (gcc or clang)"
    program(bare, name)
    assert compiler.missing() == ""
    (bare / "Python.h").unlink()
    assert compiler.missing() == f"no Python.h in {bare}"


def test_a_compiler_that_is_named_is_the_one(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(bare, "gcc")
    monkeypatch.setenv("CC", "icc")
    assert compiler.missing() == "no C compiler (CC=icc)"
    program(bare, "icc")
    assert compiler.missing() == ""


def test_triton_looks_in_the_same_places() -> None:
    build = pytest.importorskip("triton.runtime.build")
    source = inspect.getsource(build._build)
    for word in (
        'environ.get("CC")',
        'which("clang")',
        'which("gcc")',
        "get_default_scheme",
        "posix_prefix",
        '["include"]',
    ):
        assert word in source


def test_a_run_ends_before_anything_is_written(
    bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "detect_device", lambda: "cuda")
    recipe, screen = write_recipe(tmp_path, RECIPE), silent()
    with pytest.raises(
        StageError,
        match=r"no C compiler \(gcc or clang\), .*build-essential.*axolotl\.lora_mlp_kernel=false",
    ):
        pipeline.run(recipe, RunOptions(runs_dir=tmp_path / "runs"), screen)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    "others",
    [{"until": "prepare"}, {"overrides": tuple(f"axolotl.{key}=false" for key in gpu.TRITON)}],
)
def test_who_needs_none_is_asked_for_none(
    bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, others: dict[str, Any]
) -> None:
    monkeypatch.setattr(pipeline, "detect_device", lambda: "cuda")
    begun: list[str] = []
    monkeypatch.setattr(pipeline, "_stage", lambda _, stage, *__: begun.append(stage))
    pipeline.run(
        write_recipe(tmp_path, RECIPE), RunOptions(runs_dir=tmp_path / "runs", **others), silent()
    )
    assert begun[0] == "prepare"


def test_doctor_tells_it_where_there_is_a_gpu() -> None:
    assert machine.compiler("", True).state == "ok"
    assert machine.compiler("no Python.h in /x", False).state == "ok"
    found = machine.compiler("no Python.h in /x", True)
    assert (found.state, found.do) == ("fix", compiler.INSTALL)
    assert "no Python.h in /x" in found.told and "Triton" in found.told
