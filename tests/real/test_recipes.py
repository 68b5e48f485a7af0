"""The recipes for real checkpoints, checked with a stand-in in place of the converted models."""

import shutil
from pathlib import Path

import pytest

from kotune.models import presets
from kotune.recipe import reading
from tests.conftest import ROOT
from tests.real.convert import CHECKPOINTS

RECIPES = sorted((ROOT / "recipes" / "real").glob("*.yml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_names_a_converted_model_and_make_real_check_runs_it(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for checkpoint in CHECKPOINTS:
        folder = tmp_path / "build" / "real" / checkpoint.name
        shutil.copytree(str(presets.PRESETS["quickstart-llama"].base), folder)
    monkeypatch.chdir(tmp_path)
    recipe = reading.load(path)
    assert Path(recipe.model).parent == Path("build/real")
    assert (recipe.template == "own") == ("smollm" in path.stem)  # Gemma's is a base model
    assert f"$(REAL_RUN) recipes/real/{path.name}" in (ROOT / "Makefile").read_text("utf-8")
    assert f"`real/{path.name}`" in (ROOT / "recipes" / "README.md").read_text("utf-8")
