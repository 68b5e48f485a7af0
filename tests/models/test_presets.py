"""Every preset is a checked row of presets.yml that stands in any recipe. The screen says what its
licence asks and how far it is verified, and the pages list it."""

import json
import shutil
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from kotune.display.phrases import LANGUAGES, Phrases
from kotune.errors import RecipeError
from kotune.models import catalogue, presets, table
from kotune.models.notes import notes
from kotune.models.presets import PRESETS, ROWS, TEMPLATES
from kotune.recipe import reading, strict_yaml
from kotune.template import examine
from kotune.train import config as axolotl_config
from tests.conftest import ROOT, Cli, write_recipe
from tests.test_cli import assert_one_message

LLAMA = ROOT / "recipes" / "llama_lora.yml"
EN, KO = (Phrases(language) for language in LANGUAGES)
ROW = {
    "base": "owner/name",
    "licence": "mit",
    "template": "llama3",
    "verified": "card",
    "source": "its card",
}


def test_no_key_of_the_file_stands_twice() -> None:
    assert set(strict_yaml.load(presets.FILE)["models"]) == set(ROWS)


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_renders_in_any_recipe(name: str) -> None:
    recipe = reading.load(LLAMA, (f"model={name}",))
    for device in ("cpu", "cuda"):
        keys = yaml.safe_load(axolotl_config.render(recipe, device))
        assert keys["base_model"].endswith(ROWS[name].base)
        assert keys.get("eot_tokens", [None]) == [ROWS[name].end_of_turn]
    assert (presets.find(name, None).template is None) == (ROWS[name].template == "own")


def read(tmp_path: Path, **row: object) -> catalogue.Preset:
    file = tmp_path / "presets.yml"
    content = {"licences": {"mit": {"name": "MIT"}}, "models": {"a": {**ROW, **row}}}
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    return catalogue.read(file, TEMPLATES)["a"]


SHAPE = ROWS["qwen3-0.6b"].shape_keys()


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"shapes": SHAPE}, "Extra inputs are not permitted"),
        ({"template": "llama"}, "`llama` is not a template of kotune's; known: own, chatml"),
        ({"thinking": "qwen3_think"}, "`qwen3_think` is not a template"),
        ({"shape": {**SHAPE, "vocab_size": 0}}, "greater than 0"),
        ({"shape": {**SHAPE, "vocab_size": "151936"}}, "valid integer"),
        ({"shape": {**SHAPE, "tie": True}}, "Extra inputs are not permitted"),
        ({"context": "4k"}, "valid integer"),
        ({"verified": "yes"}, "'rendered', 'card' or 'inferred'"),
        ({"source": ""}, "at least 1 character"),
        ({"base": None}, "valid string"),
    ],
)
def test_a_bad_row_is_refused(tmp_path: Path, row: dict[str, object], told: str) -> None:
    assert read(tmp_path).licence.name == "MIT"
    with pytest.raises(ValidationError, match=told):
        read(tmp_path, **row)


def test_a_licence_that_the_file_does_not_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="apache"):
        read(tmp_path, licence="apache")


def test_the_screen_says_what_a_licence_asks_and_what_is_verified() -> None:
    assert notes("quickstart-llama") == notes("some/model") == notes("a/folder") == []
    limits, publish, verified = notes("llama-3.2-3b-instruct")
    assert limits.startswith("llama-3.2-3b-instruct: Llama 3.2 Community License. Commercial use")
    assert 'begin its name with "Llama", display "Built with Llama", include' in publish
    assert "kotune has not run it" in verified
    assert len(notes("qwen3-1.7b")) == 1
    for name in ("exaone-4.0-1.2b", "LGAI-EXAONE/EXAONE-4.0-1.2B"):
        assert "NON-COMMERCIAL" in notes(name)[0] and "비상업용" in notes(name, KO)[0]
    for phrases in (EN, KO):
        assert not any("{" in note for name in ROWS for note in notes(name, phrases))


@pytest.mark.parametrize("command", [("run", "--dry-run"), ("check",)])
def test_a_non_commercial_licence_is_said_at_every_start(
    cli: Cli, tmp_path: Path, command: tuple[str, ...]
) -> None:
    recipe = write_recipe(tmp_path, "model: exaone-4.0-1.2b\ndata: [{source: nli_sample}]\n")
    done = cli(command[0], recipe, *command[1:])
    assert done.returncode == 0 and "NON-COMMERCIAL" in done.stdout + done.stderr


@pytest.mark.parametrize(("page", "phrases"), [("models.md", EN), ("models.ko.md", KO)])
def test_the_pages_have_the_tables_of_the_file(page: str, phrases: Phrases) -> None:
    lines = (ROOT / "docs" / page).read_text(encoding="utf-8").splitlines()
    tables = [*table.models(phrases), *table.licences(phrases)]
    assert [line for line in lines if line.startswith("|")] == tables
    unusable = [name for name, row in ROWS.items() if row.unusable]
    assert unusable and all(any(f"`{name}`" in line for line in lines) for name in unusable)


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if row.unusable])
def test_a_model_that_cannot_be_loaded_is_refused_by_its_name_and_hub_id(name: str) -> None:
    for model in (name, ROWS[name].base):
        with pytest.raises(RecipeError, match=r"cannot be trained: transformers 5\.16 refuses"):
            reading.load(LLAMA, (f"model={model}",))


def test_transformers_still_refuses_the_config_of_kanana() -> None:
    """If this fails, take `unusable` out of its row."""
    transformers = pytest.importorskip("transformers")
    with pytest.raises(Exception, match=r"1792.* is not a multiple of .*24"):
        transformers.LlamaConfig(hidden_size=1792, num_attention_heads=24, head_dim=128)


def test_a_sequence_beyond_the_context_is_refused() -> None:
    name = "hyperclovax-seed-text-instruct-0.5b"
    reading.load(LLAMA, (f"model={name}", "axolotl.sequence_len=4096"))
    with pytest.raises(RecipeError, match="4,097 is beyond the 4,096 tokens of hyperclovax"):
        reading.load(LLAMA, (f"model={name}", "axolotl.sequence_len=4097"))


def test_a_prompt_of_hyperclova_x_is_the_one_that_its_card_prints() -> None:
    jinja2 = pytest.importorskip("jinja2")
    environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(TEMPLATES["hyperclovax"].read_text(encoding="utf-8"))
    chat = [{"role": "system", "content": "지시"}, {"role": "user", "content": "질문"}]
    assert template.render(messages=chat, add_generation_prompt=True) == (
        "<|im_start|>tool_list\n<|im_end|>\n<|im_start|>system\n지시<|im_end|>\n"
        "<|im_start|>user\n질문<|im_end|>\n<|im_start|>assistant\n"
    )


def bad_models(root: Path) -> None:
    """Folders that a user could take for a model."""
    shipped = PRESETS["quickstart-llama"].base
    shutil.copytree(shipped, root / "no_tokenizer", ignore=shutil.ignore_patterns("tokenizer*"))
    for name in ("adapter", "gguf"):
        (root / name).mkdir()
    (root / "adapter" / "adapter_config.json").write_text('{"base_model_name_or_path": "a/b"}')
    (root / "gguf" / "a.gguf").write_bytes(b"GGUF")
    code = Path(shutil.copytree(shipped, root / "code")) / "tokenizer_config.json"
    own = {"tokenizer_class": "XTokenizer", "auto_map": {"AutoTokenizer": ["x.XTokenizer", None]}}
    code.write_text(json.dumps({**json.loads(code.read_text("utf-8")), **own}), "utf-8")


@pytest.mark.parametrize(
    ("model", "code", "told"),
    [
        ("adapter", 2, "is an adapter of a/b, not a model; give its base model"),
        ("gguf", 2, "convert it first (docs/models.md)"),
        ("no_tokenizer", 2, "it has no tokenizer (tokenizer.json, tokenizer.model,"),
        ("code", 2, "it has code of its own, and code that comes with a model is never run"),
    ],
)
def test_what_is_no_model_is_one_message_of_check(
    cli: Cli, tmp_path: Path, model: str, code: int, told: str
) -> None:
    pytest.importorskip("transformers")
    bad_models(tmp_path)
    data = "data: [{source: nli_sample, samples: 50}]\n"
    recipe = write_recipe(tmp_path, f"model: {tmp_path / model}\ntemplate: own\n{data}")
    assert_one_message(cli("check", recipe), code, told)


def test_only_what_must_be_fixed_is_reported_of_a_presets_own_template() -> None:
    from kotune.template.findings import TemplateFinding

    warning, error = TemplateFinding("empty-thought", "warning"), TemplateFinding("no-end", "fix")
    of_preset, other = examine.of_model("qwen3-1.7b"), examine.of_model("some/model")
    assert of_preset.unexpected([warning, error]) == [error] and not of_preset.is_tested
    assert other.unexpected([warning, error]) == [warning, error]
