"""What `score` is given is understood, or refused with one message."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kotune.errors import RecipeError
from kotune.layout import WEIGHTS
from kotune.models.presets import PRESETS
from kotune.models.refusals import ADAPTER as CONFIG
from kotune.recipe.existing import existing
from kotune.recipe.reading import digest, load
from kotune.runs.again import again
from tests.conftest import ROOT, Cli
from tests.test_cli import assert_one_message

TASKS = {"tasks": ("nli_sample_ko",)}
LLAMA = PRESETS["quickstart-llama"].base


def adapter(folder: Path, base: Any = LLAMA, weights: str = WEIGHTS) -> Path:
    folder.mkdir(parents=True)
    (folder / CONFIG).write_text(json.dumps({"base_model_name_or_path": base}))
    (folder / weights).write_bytes(b"")
    return folder


def test_a_model_has_no_adapter_and_an_adapter_has_the_base_it_names(tmp_path: Path) -> None:
    model = existing(Path("quickstart-llama"), None, TASKS)
    assert (model.model, model.adapter, model.adapter_path) == ("quickstart-llama", "none", None)
    assert model.data == () and model.tasks == ("nli_sample_ko",)
    given = existing(adapter(tmp_path / "a"), None, TASKS)
    assert (given.model, given.adapter) == ("quickstart-llama", "lora")
    assert given.adapter_path == tmp_path / "a"
    assert digest(model, None) != digest(given, None) != digest(given, 30)


@pytest.mark.parametrize(
    ("named", "base"),
    [
        ("/gone/model", "quickstart-llama"),  # trained on another machine
        ("", "quickstart-llama"),
        (None, "quickstart-llama"),
        ("meta-llama/Llama-3.2-1B-Instruct", "llama-3.2-1b-instruct"),
        ("llama-3.2-1b-instruct", "meta-llama/Llama-3.2-1B-Instruct"),
        ("meta-llama/Llama-3.2-1B-Instruct", LLAMA),  # a folder may be a copy of any model
    ],
)
def test_a_base_may_be_given_unless_it_is_another(tmp_path: Path, named: Any, base: str) -> None:
    assert existing(adapter(tmp_path / "a", named), base, TASKS).model == base


def folder_of(tmp_path: Path, *names: str) -> Path:
    for name in names:
        path = tmp_path / "given" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
    return tmp_path / "given"


Given = Callable[[Path], Path]
REFUSED: list[tuple[Given, str | None, dict[str, Any], str]] = [
    (lambda at: Path("quickstart-lama"), None, TASKS, "did you mean quickstart-llama"),
    (lambda at: folder_of(at, "notes.txt"), None, TASKS, "is not a preset, a hub id"),
    (lambda at: folder_of(at, "model.gguf"), None, TASKS, "holds GGUF weights"),
    (lambda at: folder_of(at, "run.json"), None, TASKS, "a run folder.*give its adapter, .*/model"),
    (lambda at: adapter(at / "a", None), None, TASKS, "names no base model.*--base"),
    (lambda at: adapter(at / "a", 7), None, TASKS, "names no base model.*--base"),
    (lambda at: adapter(at / "a", "/gone/model"), None, TASKS, "/gone/model.* is not here.*--base"),
    (lambda at: adapter(at / "a", weights="adapter_model.bin"), None, TASKS, "pickle"),
    (lambda at: folder_of(at, CONFIG), None, TASKS, "has no weights"),
    (
        lambda at: adapter(at / "a", "meta-llama/Llama-3.2-1B-Instruct"),
        "quickstart-deepseek",
        TASKS,
        "was trained on .*llama-3.2-1b-instruct",
    ),
    (lambda at: adapter(at / "a"), "quickstart-deepseek", TASKS, "was trained on .*quickstart-lla"),
    (lambda at: Path("quickstart-llama"), "quickstart-llama", TASKS, "is not an adapter's folder"),
    (lambda at: Path("quickstart-llama"), None, {"tasks": ("nli",)}, "unknown task `nli`"),
    (lambda at: Path("quickstart-llama"), None, {"tasks": ()}, "tasks: .*one entry or more"),
    (
        lambda at: Path("quickstart-llama"),
        None,
        {**TASKS, "data_path": {"nli_sample": "/gone"}},
        "data_path.*`/gone` does not exist",
    ),
    (lambda at: Path("quickstart-llama"), None, {**TASKS, "template": "x"}, "not a template"),
]


@pytest.mark.parametrize(("subject", "base", "keys", "message"), REFUSED)
def test_what_cannot_be_scored_is_said_in_one_message(
    tmp_path: Path, subject: Given, base: str | None, keys: dict[str, Any], message: str
) -> None:
    with pytest.raises(RecipeError, match=message) as error:
        existing(subject(tmp_path), base, keys)
    assert "\n" not in str(error.value)


def test_a_config_that_is_no_json_is_refused(tmp_path: Path) -> None:
    folder = adapter(tmp_path / "a")
    (folder / CONFIG).write_text("[" * 100_000)
    with pytest.raises(RecipeError, match="cannot be read as JSON"):
        existing(folder, None, TASKS)


def test_recipes_keep_their_keys_and_hashes() -> None:
    """No recipe may leave out its data, and none has keys of `score`."""
    recipe = load(ROOT / "recipes" / "quickstart_llama.yml")
    assert not {"adapter_path"} & recipe.model_dump().keys()
    with pytest.raises(RecipeError, match="adapter: unknown value `none`; known: lora, qlora"):
        load(ROOT / "recipes" / "quickstart_llama.yml", ("adapter=none",))
    with pytest.raises(RecipeError, match="data: must be one entry or more"):
        load(ROOT / "recipes" / "quickstart_llama.yml", ("data=[]",))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("quickstart-llama",), "Missing option '--tasks'"),
        (("quickstart-llama", "--tasks", "nli"), "unknown task"),
        (("quickstart-llama", "--tasks", "nli_sample_ko", "--data", "x"), "give SOURCE=FOLDER"),
        (("quickstart-llama", "--tasks", "nli_sample_ko", "--limit", "0"), "--limit"),
        # Data that are neither shipped nor at hand.
        (("quickstart-llama", "--tasks", "chat_ko"), "give the folder with --data chat=FOLDER"),
    ],
)
def test_the_command_says_what_is_wrong(
    cli: Cli, tmp_path: Path, words: tuple[str, ...], message: str
) -> None:
    assert_one_message(cli("score", *words), 2, message)
    assert not [*(tmp_path / "runs").glob("*/*")]


def test_a_folder_without_a_tokenizer_is_said_before_it_is_loaded(cli: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    shutil.copy(Path(LLAMA) / "config.json", folder)
    done = cli("score", folder, "--tasks", "nli_sample_ko")
    assert_one_message(done, 2, f"model {folder}: it has no tokenizer (tokenizer.json, ")


def test_the_command_is_repeated_without_what_a_stranger_adds() -> None:
    command = "./cli.py score a/model --tasks nli_sample_ko --limit 30 --base 'x y' --evil --oops 1"
    assert again({"command": command}) == (
        "./cli.py score a/model --tasks nli_sample_ko --limit 30 --base 'x y'"
    )
    assert again({"command": "./cli.py score --tasks x"}).startswith("./cli.py score MODEL")
