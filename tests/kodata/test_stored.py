"""A Korean path is found however it is typed and stored."""

import unicodedata
from pathlib import Path
from typing import Literal

import pytest

from kodata.stored import as_stored
from kotune.recipe.reading import load
from tests.conftest import write_recipe

Form = Literal["NFC", "NFD"]


@pytest.mark.parametrize(("stored", "typed"), [("NFD", "NFC"), ("NFC", "NFD")])
def test_a_path_is_found_however_it_is_typed(tmp_path: Path, stored: Form, typed: Form) -> None:
    folder = "대화 자료/받은 것"
    there = tmp_path / unicodedata.normalize(stored, folder)
    there.mkdir(parents=True)
    asked = tmp_path / unicodedata.normalize(typed, folder)
    assert not asked.exists() and as_stored(asked) == there
    (there / "train.jsonl").write_text('{"prompt": "가", "answer": "나"}\n')
    text = f"model: quickstart-llama\ndata: [{{source: chat, path: '{asked}'}}]\n"
    recipe = load(write_recipe(tmp_path, text))
    assert recipe.data[0].path == there
    write_recipe(there, "model: quickstart-llama\ndata: [{source: nli_sample}]\n")
    assert (
        load(
            asked
            / write_recipe(there, "model: quickstart-llama\ndata: [{source: nli_sample}]\n").name
        ).seed
        == 42
    )


@pytest.mark.parametrize("name", ["없는 것", "가\x00나", "가" * 5_000, "/", "."])
def test_what_is_not_there_stays_as_it_was_typed(name: str) -> None:
    assert as_stored(Path(name)) == Path(name)
