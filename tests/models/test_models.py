"""Presets, templates, and models from a hub: a stand-in hub on loopback gives the real client's
errors."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from kotune.errors import RecipeError
from kotune.models import hub as model_hub
from kotune.models import presets
from kotune.models.generation import unused_settings
from kotune.models.refusals import refuse
from kotune.recipe.reading import load
from tests.conftest import ROOT, Cli, write_recipe
from tests.hub import Fault, running
from tests.test_cli import assert_one_message

MESSAGES = [{"role": "user", "content": "  질문"}, {"role": "assistant", "content": "\t답"}]
RENDERED = {
    "llama3": (
        (
            "<B><|start_header_id|>user<|end_header_id|>\n\n"
            "  질문<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"
        ),
        "\t답<|eot_id|>",
    ),
    "deepseek_r1": ("<B><｜User｜>  질문<｜Assistant｜><think>\n\n</think>\n\n", "\t답<E>"),
    "deepseek_r1_think": ("<B><｜User｜>  질문<｜Assistant｜>", "\t답<E>"),
    "plain": ("<B>질문:\n  질문\n\n답:\n", "\t답<E>"),
    "chatml": (
        "<B><|im_start|>user\n  질문<|im_end|>\n<|im_start|>assistant\n",
        "\t답<|im_end|>\n",
    ),
    "qwen3": (
        "<|im_start|>user\n  질문<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n",
        "\t답<|im_end|>\n",
    ),
    "gemma3": (
        "<B><start_of_turn>user\n  질문<end_of_turn>\n<start_of_turn>model\n",
        "\t답<end_of_turn>\n",
    ),
    "hyperclovax": (
        "<|im_start|>tool_list\n<|im_end|>\n<|im_start|>user\n  질문<|im_end|>\n"
        "<|im_start|>assistant\n",
        "\t답<|im_end|>\n",
    ),
    "exaone4": (
        "[|user|]\n  질문[|endofturn|]\n[|assistant|]\n<think>\n\n</think>\n\n",
        "\t답[|endofturn|]\n",
    ),
}


@pytest.mark.parametrize("name", sorted(presets.TEMPLATES))
def test_a_template_of_ours_renders_prompt_and_answer_as_one_text(name: str) -> None:
    jinja2 = pytest.importorskip("jinja2")
    # As transformers renders.
    environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(presets.TEMPLATES[name].read_text(encoding="utf-8"))
    whole = template.render(messages=MESSAGES, bos_token="<B>", eos_token="<E>")
    prompt = template.render(
        messages=MESSAGES[:1], bos_token="<B>", eos_token="<E>", add_generation_prompt=True
    )
    assert (prompt, whole) == (RENDERED[name][0], "".join(RENDERED[name]))


def test_a_template_behind_a_link_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its target's text would lie in the run folder and stand in every prompt."""
    monkeypatch.chdir(tmp_path)
    for folder in ("outside", "theirs"):
        Path(folder).mkdir()
    Path("outside/secret.jinja").write_text("secret")
    Path("theirs/own.jinja").write_text("{{ messages }}")
    Path("theirs/file.jinja").symlink_to(tmp_path / "outside" / "secret.jinja")
    Path("theirs/folder").symlink_to("../outside")
    for name in (
        "theirs/file.jinja",
        "theirs/folder/secret.jinja",
        f"{tmp_path}/theirs/folder/secret.jinja",
    ):
        told = presets.template_file_problem(Path(name))
        assert "is a symbolic link" in told and f"`{name}`" in told
    assert (
        presets.template_file_problem(Path("theirs/own.jinja"))
        == presets.template_file_problem(Path("theirs/own.jinja").resolve())
        == ""
    )
    Path("recipe.yml").write_text(
        "model: quickstart-llama\ntemplate: theirs/file.jinja\ndata: [{source: nli_sample}]\n"
    )
    with pytest.raises(RecipeError, match=r"template: .*is a symbolic link"):
        load(Path("recipe.yml"))


def test_the_recipes_template_wins_over_the_presets(tmp_path: Path) -> None:
    mine = tmp_path / "mine.jinja"
    mine.write_text("x")
    assert presets.find("quickstart-llama", None).template == presets.TEMPLATES["llama3"]
    assert presets.find("quickstart-llama", "plain").template == presets.TEMPLATES["plain"]
    assert presets.find("quickstart-llama", "own").template is None
    assert presets.find("quickstart-llama", str(mine)).template == mine
    assert presets.find("owner/name", None).template is None


@pytest.mark.parametrize(
    ("fault", "code", "told"),
    [
        (Fault(403, method="GET", headers={"X-Error-Code": "GatedRepo"}), 1, "request access at"),
        (Fault(404, method="GET", headers={"X-Error-Code": "RepoNotFound"}), 1, "not on the hub"),
        (Fault(401, method="GET"), 1, "HF_TOKEN"),
        (Fault(500, method="GET"), 75, "try again"),
        (None, 75, "try again"),
    ],
)
def test_a_model_that_cannot_be_had_is_one_message_and_an_exit_code(
    tmp_path: Path, fault: Fault | None, code: int, told: str
) -> None:
    with running({}) as hub:
        hub.faults = [fault] if fault else []
        done = fetch(hub.endpoint if fault else "http://127.0.0.1:9", tmp_path)
        assert (done.returncode, "model some/model: " in done.stdout) == (code, True), (
            done.stdout + done.stderr
        )
        assert told in done.stdout
        tries = 4 if code == 75 else 1
        assert not fault or len(hub.asked) == tries


def fetch(endpoint: str, home: Path) -> "subprocess.CompletedProcess[str]":
    """In a process of its own, because the hub's address is read when its library is imported."""
    script = (
        "import kodata.reading.hub\n"
        "kodata.reading.hub.PAUSES = (0, 0, 0)\n"
        "import sys\n"
        "from kotune.models import hub\n"
        "from kotune.errors import exit_code\n"
        "try: hub.fetch('some/model')\n"
        "except Exception as error: print(error); sys.exit(exit_code(error))"
    )
    env = {
        **os.environ,
        "HF_ENDPOINT": endpoint,
        "HF_HOME": str(home),
        "PYTHONPATH": str(ROOT),
        "HF_HUB_OFFLINE": "0",
    }
    return subprocess.run(
        [sys.executable, "-c", script], env=env, capture_output=True, text=True, check=False
    )


def test_a_tokenizer_without_a_template_is_told(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    with pytest.raises(RecipeError, match="name one with `template:`"):
        model_hub.write_own_template(presets.PRESETS["quickstart-llama"].base, tmp_path)


def test_the_template_of_a_hub_model_is_that_of_the_commit_which_is_trained(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    transformers = pytest.importorskip("transformers")
    asked: list[str] = []

    def load(_: str, revision: str, **__: object) -> SimpleNamespace:
        asked.append(revision)
        return SimpleNamespace(chat_template="{{ messages }}")

    monkeypatch.setattr(transformers.AutoTokenizer, "from_pretrained", load)
    model_hub.write_own_template("some/model", tmp_path, "0123")
    assert asked == ["0123"]


def test_a_models_weights_are_fetched_only_where_they_are_needed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    huggingface_hub = pytest.importorskip("huggingface_hub")
    asked: list[list[str]] = []
    snapshot_of = folder(tmp_path / "0123", {}, "model.safetensors")

    def snapshot(_: str, allow_patterns: list[str]) -> str:
        asked.append(allow_patterns)
        return str(snapshot_of)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    assert model_hub.fetch("some/model") == model_hub.fetch("some/model", weights=False) == "0123"
    assert ["*.safetensors" in patterns for patterns in asked] == [True, False]
    assert all({"*.json", "tokenizer.model"} <= set(patterns) for patterns in asked)


NO_TENSORS = b"\2\0\0\0\0\0\0\0{}"


def folder(path: Path, config: dict[str, object], *files: str) -> Path:
    """A model folder with this config.json and files with nothing in them."""
    path.mkdir()
    (path / "config.json").write_text(json.dumps(config))
    for name in files:
        (path / name).write_bytes(NO_TENSORS if name.endswith(".safetensors") else b"")
    return path


def test_weights_that_come_as_pickles_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    huggingface_hub = pytest.importorskip("huggingface_hub")
    assert (
        presets.pickled_weights(folder(tmp_path / "old", {}, "pytorch_model.bin"))
        == "pytorch_model.bin"
    )
    assert (
        presets.pickled_weights(
            folder(tmp_path / "both", {}, "pytorch_model.bin", "model.safetensors")
        )
        is None
    )
    monkeypatch.setattr(
        huggingface_hub, "snapshot_download", lambda *_, **__: str(tmp_path / "old")
    )
    with pytest.raises(RecipeError, match="model some/model: it has no safetensors on the hub"):
        model_hub.fetch("some/model")
    assert model_hub.fetch("some/model", weights=False) == "old"


def test_a_model_that_needs_code_of_its_own_is_refused_and_its_code_not_run(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    from kotune.score import model

    code = {"AutoConfig": "code.Config", "AutoModelForCausalLM": "code.Model"}
    mine = folder(tmp_path / "mine", {"model_type": "mine", "auto_map": code}, "model.safetensors")
    (mine / "code.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    with pytest.raises(RecipeError, match="names code of its own"):
        model_hub.fetch(str(mine))
    with pytest.raises(RecipeError, match="names code of its own"):
        model.load_base(
            str(mine),
            {"base_precision": "float32", "compute_dtype": "float32", "model_revision": None},
        )
    known = folder(
        tmp_path / "known", {"model_type": "llama", "auto_map": code}, "model.safetensors"
    )
    assert model_hub.fetch(str(known)) is None  # transformers has it, and uses its own
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{'model_type': 'llama'}", "config.json is not JSON"),
        ("", "config.json is not JSON"),
        ("\xff", "config.json is not JSON"),
        ("[" * 100_000, "config.json is nested too deep"),
        ("[]", "config.json holds \\[\\] instead of an object"),
        ("null", "config.json holds None instead of an object"),
        (" " * 10_000_001, "config.json has over 10,000,000 bytes"),
        (None, "config.json does not exist"),
        ('{"attn_implementation": "evil/attention"}', "attn_implementation: 'evil/attention'"),
        ('{"_attn_implementation": "evil/attention@main:run"}', "requests code from the hub"),
        ('{"_attn_implementation_internal": "paged|evil/attention"}', "requests code from the hub"),
        ('{"attn_implementation": {"": "sdpa", "text_config": "evil/attention"}}', "never run"),
        (
            '{"text_config": {"experts_implementation": "evil/experts"}}',
            "experts_implementation: 'evil/experts'",
        ),
        ('{"layers": [{"_experts_implementation": "evil:experts"}]}', "never run"),
        ('{"text_config": {"attn_implementation": "evil/attention"}, "auto_map": {}}', "never run"),
    ],
)
def test_a_config_that_is_none_or_asks_for_code_from_the_hub_is_refused_by_name(
    tmp_path: Path, text: str | None, told: str
) -> None:
    (mine := tmp_path / "mine").mkdir()
    if text is not None:
        (mine / "config.json").write_text(text, encoding="latin-1")
    with pytest.raises(RecipeError, match=told) as caught:
        model_hub.fetch(str(mine))
    assert str(caught.value).startswith(f"model {mine}: ") and len(str(caught.value)) < 400


@pytest.mark.parametrize(
    "name", ["generation_config.json", "tokenizer_config.json", "model.safetensors.index.json"]
)
def test_other_files_of_a_model_that_are_not_json_are_refused_too(
    tmp_path: Path, name: str
) -> None:
    mine = folder(tmp_path / "mine", {"model_type": "llama"}, name)
    with pytest.raises(RecipeError, match=f"{name} is not JSON"):
        model_hub.fetch(str(mine))


@pytest.mark.parametrize("file", ["../other/model.safetensors", "/etc/passwd", 3])
def test_an_index_that_names_files_elsewhere_is_refused(tmp_path: Path, file: object) -> None:
    mine = folder(tmp_path / "mine", {"model_type": "llama"})
    (mine / "model.safetensors.index.json").write_text(
        json.dumps({"weight_map": {"lm_head.weight": file}})
    )
    with pytest.raises(RecipeError, match="outside the model"):
        model_hub.fetch(str(mine))


def test_an_adapter_inside_a_model_is_refused(tmp_path: Path) -> None:
    mine = folder(
        tmp_path / "mine",
        {"model_type": "llama", "attn_implementation": "sdpa"},
        "model.safetensors",
    )
    assert model_hub.fetch(str(mine)) is None
    (mine / "adapter_config.json").write_text('{"base_model_name_or_path": "evil/model"}')
    with pytest.raises(RecipeError, match=r"it contains adapter_config\.json"):
        model_hub.fetch(str(mine))


def test_what_a_model_asks_for_when_it_writes_is_told(tmp_path: Path) -> None:
    mine = folder(tmp_path / "mine", {"model_type": "llama"})
    assert unused_settings(str(mine), None) == {}
    asked = {
        "eos_token_id": [1, 2],
        "pad_token_id": 0,
        "temperature": 0.6,
        "max_time": 1.0,
        "top_k": None,
    }
    asked |= {"use_cache": True, "output_attentions": True, "renormalize_logits": False}
    (mine / "generation_config.json").write_text(
        json.dumps({**asked, "transformers_version": "5.16.1"})
    )
    assert unused_settings(str(mine), None) == {"max_time": 1.0, "temperature": 0.6}


@pytest.mark.parametrize("name", ["llama-3.2-1b-instruct", "owner/name"])
def test_a_folder_of_the_hubs_name_is_either_what_is_judged_and_loaded_or_is_not_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A preset is the hub's, whatever lies in the current folder; a folder that a recipe names is
    the folder, wherever children are started."""
    huggingface_hub = pytest.importorskip("huggingface_hub")
    monkeypatch.chdir(tmp_path)
    base = presets.find(name, None).base
    own = shutil.copytree(presets.PRESETS["quickstart-llama"].base, tmp_path / base)
    cached = shutil.copytree(own, tmp_path / "cache" / "0123")
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *_, **__: str(cached))
    found = presets.find(name, None).base
    if name in presets.PRESETS:
        assert (found, model_hub.fetch(found)) == (base, "0123")
    else:
        assert (found, model_hub.fetch(found)) == (str(own), None)


def test_a_pipe_in_the_place_of_a_models_file_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "config.json")
    with pytest.raises(RecipeError, match=r"config\.json is a pipe"):
        model_hub.fetch(str(tmp_path))


def own_model(tmp_path: Path) -> Path:
    return Path(shutil.copytree(presets.PRESETS["quickstart-llama"].base, tmp_path / "theirs"))


@pytest.mark.parametrize(
    "name", ["chat_template.jinja", "tokenizer.json", "additional_chat_templates/tools.jinja"]
)
@pytest.mark.parametrize(
    "command", [("check",), ("preview", "--items", "1"), ("plan",), ("run", "--until", "render")]
)
@pytest.mark.few(4)
def test_a_link_in_a_model_folder_is_never_read(
    tmp_path: Path, cli: Cli, name: str, command: tuple[str, ...]
) -> None:
    """/proc/self/environ in place of a template would print HF_TOKEN and copy it into the run
    folder."""
    model = own_model(tmp_path)
    (model / name).unlink(missing_ok=True)
    (model / name).parent.mkdir(exist_ok=True)
    (model / name).symlink_to("/proc/self/environ")
    recipe = write_recipe(
        tmp_path,
        f"model: {model}\n"
        "template: own\n"
        "data: [{source: nli_sample, samples: 50}]\n"
        "tasks: [nli_sample_ko]\n",
    )
    done = cli(command[0], recipe, *command[1:], HF_TOKEN="hf_Canary123456")
    assert_one_message(done, 2, "is a symbolic link; put the file itself there")
    assert not any(
        b"hf_Canary" in file.read_bytes()
        for file in (tmp_path / "runs").rglob("*")
        if file.is_file()
    )


def test_a_model_in_the_hubs_cache_may_be_given_by_its_folder(tmp_path: Path) -> None:
    model = own_model(tmp_path)
    snapshot = tmp_path / "models--a--b" / "snapshots" / "0123"
    (tmp_path / "models--a--b" / "blobs").mkdir(parents=True)
    snapshot.mkdir(parents=True)
    for file in model.iterdir():
        shutil.copy(file, tmp_path / "models--a--b" / "blobs" / file.name)
        (snapshot / file.name).symlink_to(f"../../blobs/{file.name}")
    refuse(str(snapshot), snapshot)
    secret = tmp_path / "secret"
    secret.write_text("{}")
    (tmp_path / "models--a--b" / "blobs" / "tokenizer.json").unlink()
    (tmp_path / "models--a--b" / "blobs" / "tokenizer.json").symlink_to(secret)
    with pytest.raises(RecipeError, match=r"tokenizer\.json is a symbolic link"):
        refuse(str(snapshot), snapshot)


@pytest.mark.parametrize("kind", ["pipe", "index", "pickle"])
def test_weights_that_are_not_the_models_own_files_are_refused(tmp_path: Path, kind: str) -> None:
    """transformers 5.16 loads what `transformers_weights` names: another index, which may name any
    file, or a pickle."""
    model = own_model(tmp_path)
    config = json.loads((model / "config.json").read_text("utf-8"))
    if kind == "pipe":
        os.mkfifo(model / "extra.json")
    elif kind == "index":
        (model / "x.safetensors.index.json").write_text(
            json.dumps({"weight_map": {"a": "../outside/w.safetensors"}})
        )
    else:
        (model / "config.json").write_text(
            json.dumps({**config, "transformers_weights": "adapter_model.bin"})
        )
    told = {
        "pipe": "extra.json is a pipe",
        "index": "names '../outside",
        "pickle": "transformers_weights: 'adapter_model.bin'",
    }
    with pytest.raises(RecipeError, match=told[kind]):
        refuse(str(model), model)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        (
            "tokenizer_config.json",
            {"chat_template": [{"name": "a", "template": "x"}]},
            "chat template",
        ),
        ("tokenizer.json", {"model": {"type": "nothing"}}, "its tokenizer cannot be loaded"),
        (
            "tokenizer_config.json",
            {"tokenizer_class": "NoSuchTokenizer", "chat_template": 5},
            "cannot be loaded|template is",
        ),
    ],
)
def test_a_tokenizer_or_template_of_another_form_is_one_message(
    tmp_path: Path, name: str, content: dict[str, object], told: str
) -> None:
    pytest.importorskip("transformers")
    model = own_model(tmp_path)
    was = json.loads((model / name).read_text("utf-8")) if name == "tokenizer_config.json" else {}
    (model / name).write_text(json.dumps({**was, **content}))
    with pytest.raises(RecipeError, match=told):
        model_hub.write_own_template(str(model), tmp_path / "run")


@pytest.mark.parametrize(
    "more",
    [
        {"attribute_map": {"transformers_weights": "zzz"}, "zzz": "sub/x.safetensors.index.json"},
        {"text_config": {"attribute_map": {"_attn_implementation": "www"}}},
        {"to_dict": 1},
        {"save_pretrained": 1},
        {"get_text_config": "x"},
        {"sub_configs": {}},
        {"validate": 3},
    ],
)
def test_a_config_that_changes_how_it_is_read_is_refused(
    tmp_path: Path, more: dict[str, object]
) -> None:
    """transformers 5.16 takes them as attributes: another key was read in the place of one that is
    refused by name."""
    model = own_model(tmp_path)
    config = json.loads((model / "config.json").read_text("utf-8"))
    (model / "config.json").write_text(json.dumps({**config, **more}))
    with pytest.raises(RecipeError, match="which changes how other keys are read"):
        refuse(str(model), model)


def test_a_model_folder_of_a_thousand_folders_in_each_other_is_one_message(tmp_path: Path) -> None:
    model = own_model(tmp_path)
    subprocess.run(
        ["sh", "-c", "for n in $(seq 30); do mkdir a && cd a; done"], cwd=model, check=True
    )
    with pytest.raises(RecipeError, match="10 levels of folders"):
        refuse(str(model), model)


def test_an_index_in_a_folder_below_is_looked_at_too(tmp_path: Path) -> None:
    model = own_model(tmp_path)
    (model / "sub").mkdir()
    (model / "sub" / "x.safetensors.index.json").write_text(
        json.dumps({"weight_map": {"a": "/etc/w.bin"}})
    )
    with pytest.raises(RecipeError, match=r"names '/etc/w\.bin'"):
        refuse(str(model), model)
