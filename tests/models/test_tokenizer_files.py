"""What a tokenizer's files may say: all that honest ones do, nothing by which transformers reads,
writes or asks elsewhere."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kotune.errors import RecipeError
from kotune.models import presets, sizes
from kotune.models.adapters import refuse_saved
from kotune.models.refusals import refuse, refuse_config
from kotune.models.tokenizer_files import (
    ADDED,
    IN_PYTHON,
    KINDS_IN_PYTHON,
    MAX_BYTES,
    TEXT_AS_VOCABULARY,
    TOKENIZER_CONFIG,
    TOKENS,
    is_class,
    unsafe_key,
)
from tests.conftest import ROOT, Cli, bounded_time, write_recipe
from tests.hub import MOVING, running
from tests.test_cli import assert_one_message

SECRET = "hf_Canary123456"
MADE = {"lstrip": False, "normalized": False, "rstrip": False, "single_word": False}


def token(content: str, **more: Any) -> dict[str, Any]:
    return {"content": content, **MADE, **more}


# In the form that each of these has on the hub, with fewer tokens.
HONEST: dict[str, dict[str, Any]] = {
    "Llama 3.2": {
        "added_tokens_decoder": {
            "128000": token("<|begin_of_text|>", special=True),
            "128009": token("<|eot_id|>", special=True),
        },
        "bos_token": "<|begin_of_text|>",
        "chat_template": "{{- bos_token }}",
        "clean_up_tokenization_spaces": True,
        "eos_token": "<|eot_id|>",
        "model_input_names": ["input_ids", "attention_mask"],
        "model_max_length": 131072,
        "tokenizer_class": "PreTrainedTokenizerFast",
    },
    "Qwen2.5": {
        "add_bos_token": False,
        "add_prefix_space": False,
        "added_tokens_decoder": {"151643": token("<|endoftext|>", special=True)},
        "additional_special_tokens": ["<|im_start|>", "<|im_end|>"],
        "bos_token": None,
        "chat_template": "{%- if tools %}",
        "clean_up_tokenization_spaces": False,
        "eos_token": "<|im_end|>",
        "errors": "replace",
        "model_max_length": 131072,
        "pad_token": "<|endoftext|>",
        "split_special_tokens": False,
        "tokenizer_class": "Qwen2Tokenizer",
        "unk_token": None,
    },
    "DeepSeek-R1-Distill": {
        "add_bos_token": True,
        "add_eos_token": False,
        "bos_token": {"__type": "AddedToken", **token("<｜begin▁of▁sentence｜>")},
        "clean_up_tokenization_spaces": False,
        "eos_token": {"__type": "AddedToken", **token("<｜end▁of▁sentence｜>")},
        "legacy": True,
        "model_max_length": 16384,
        "pad_token": {"__type": "AddedToken", **token("<｜end▁of▁sentence｜>")},
        "sp_model_kwargs": {},
        "unk_token": None,
        "tokenizer_class": "LlamaTokenizerFast",
        "chat_template": "{% if not x %}",
    },
    "Gemma 3": {
        "add_bos_token": True,
        "added_tokens_decoder": {"0": token("<pad>", special=True)},
        "boi_token": "<start_of_image>",
        "bos_token": "<bos>",
        "clean_up_tokenization_spaces": False,
        "eoi_token": "<end_of_image>",
        "eos_token": "<eos>",
        "extra_special_tokens": {
            "boi_token": "<start_of_image>",
            "image_token": "<image_soft_token>",
        },
        "image_token": "<image_soft_token>",
        "model_max_length": 1000000000000000019884624838656,
        "pad_token": "<pad>",
        "processor_class": "Gemma3Processor",
        "sp_model_kwargs": None,
        "spaces_between_special_tokens": False,
        "tokenizer_class": "GemmaTokenizer",
        "unk_token": "<unk>",
        "use_default_system_prompt": False,
    },
    "GPT-NeoX": {  # and polyglot-ko
        "add_prefix_space": False,
        "eos_token": "<|endoftext|>",
        "name_or_path": "EleutherAI/gpt-neox-20b",
        "special_tokens_map_file": "/admin/home/.cache/huggingface/hub/x/special_tokens_map.json",
        "tokenizer_class": "GPTNeoXTokenizer",
        "model_max_length": 2048,
    },
    "BERT": {
        "do_lower_case": False,
        "strip_accents": None,
        "tokenize_chinese_chars": True,
        "never_split": ["[PAD]"],
        "cls_token": "[CLS]",
        "tokenizer_file": None,
        "tokenizer_class": "BertTokenizer",
        "do_basic_tokenize": True,
    },
    "with several templates, code of its own that is not run, and what transformers 5 saves": {
        "chat_template": [
            {"name": "default", "template": "x"},
            {"name": "tool_use", "template": "y"},
        ],
        "auto_map": {"AutoTokenizer": ["tokenization_x.XTokenizer", None]},
        "is_local": True,
        "local_files_only": False,
        "backend": "tokenizers",
        "tokenizer_class": "TokenizersBackend",
        "vocab_size": 1120,
        "verbose": False,
        "extra_special_tokens": [
            "<|end_of_text|>",
            {"__type": "AddedToken", **token("<think>", special=False)},
        ],
    },
}


@pytest.mark.parametrize("name", HONEST)
def test_what_honest_tokenizers_say_passes(name: str) -> None:
    assert unsafe_key(TOKENIZER_CONFIG, HONEST[name]) is None


def test_other_honest_files_pass() -> None:
    named = {"bos_token": token("<s>"), "unk_token": "<unk>", "pad_token": None}
    assert unsafe_key(TOKENS, {**named, "additional_special_tokens": ["<a>", token("<b>")]}) is None
    assert unsafe_key(ADDED, {"<|im_end|>": 151645, "/etc/passwd": 3}) is None
    for model in ("quickstart-llama", "quickstart-deepseek"):
        folder = Path(presets.PRESETS[model].base)
        refuse(str(folder), folder)


FILE = "/proc/self/environ"
HOSTILE: dict[str, Any] = {
    "vocab": FILE,
    "merges": FILE,
    "init_inputs": [FILE],
    "vocab_file": FILE,
    "merges_file": FILE,
    "tokenizer_file": FILE,
    "spm_file": FILE,
    "gguf_file": "x.gguf",
    "cache_dir": "/tmp",
    "tokenizer_object": "x",
    "entity_vocab": FILE,
    "fast_tokenizer_files": ["tokenizer.4.0.0.json"],
    "mecab_kwargs": {"mecab_dic": FILE},
    "sudachi_config_path": FILE,
    "source_spm": FILE,
    "sp_model_kwargs": {"model_file": FILE},
    "proxies": {"https": "evil"},
    "token": "x",
    "revision": "main",
    "subfolder": "..",
    "_commit_hash": "0" * 40,
    "trust_remote_code": True,
    "tokenizer_class": "AutoModelForCausalLM",
    "processor_class": "LlamaForCausalLM",
    "model_max_length": FILE,
    "model_input_names": [FILE],
    "normalizer_file": 0,
    "bos_token": {"content": "<s>", "vocab": FILE},
    "extra_special_tokens": {"vocab_file": FILE},
    "nobody_knows": FILE,
    "added_tokens_decoder": {"0": {"content": ["x"]}},
    "nobody_knows_either": {"a": [[{"b": "c"}]]},
}


@pytest.mark.parametrize("key", HOSTILE)
def test_what_could_lead_elsewhere_is_refused_by_name(tmp_path: Path, key: str) -> None:
    model = own_model(tmp_path)
    put(model, TOKENIZER_CONFIG, **{key: HOSTILE[key]})
    with pytest.raises(RecipeError, match=rf"its tokenizer_config\.json has `{key}: "):
        refuse(str(model), model)


@pytest.mark.parametrize(
    "key", ["vocab", "vocab_file", "tokenizer_file", "name_or_path", "nobody_knows", "is_local"]
)
def test_a_map_of_special_tokens_holds_tokens_alone(key: str) -> None:
    """It is laid over all else, after transformers' own look at paths."""
    assert unsafe_key(TOKENS, {"bos_token": "<s>", key: FILE}) == key
    assert unsafe_key(ADDED, {"<s>": FILE}) == "<s>"


def test_unknown_keys_pass_where_they_hold_no_text() -> None:
    assert (
        unsafe_key(
            TOKENIZER_CONFIG,
            {"nobody_knows": 1, "nor_this": True, "nor_that": [1, [2.5]], "none": None},
        )
        is None
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"model": {"vocab": "/etc/passwd"}}', True),
        ('{"model": {"merges" :\n "/etc/passwd"}}', True),
        ('{"model": {"\\u0076oc\\u0061B": "x"}}', True),
        ('{"model": {"vocab": {"vocab": 1, "merges": 2, "\\"vocab\\": \\"": 3}}}', False),
        (
            (
                '{"model": {"vocab": [["vocab", -1.5], ["merges", -2]], "merges": ["vocab :", "a'
                ' \\"b"]}}'
            ),
            False,
        ),
    ],
)
def test_a_tokenizer_json_has_words_and_no_files_names(text: str, told: bool) -> None:
    assert bool(TEXT_AS_VOCABULARY.search(text.encode())) == told


def test_the_largest_tokenizer_json_is_looked_at_in_bounded_time() -> None:
    for piece in (b'"abcdef": 123, ', b'"vocab" ', b'"vocab', b" "):
        with bounded_time():
            assert not TEXT_AS_VOCABULARY.search(piece * (35_000_000 // len(piece)))
    assert MAX_BYTES >= 35_000_000


def own_model(tmp_path: Path) -> Path:
    tmp_path.mkdir(exist_ok=True)
    return Path(shutil.copytree(presets.PRESETS["quickstart-llama"].base, tmp_path / "theirs"))


def put(model: Path, name: str, **keys: Any) -> None:
    was = json.loads((model / name).read_text("utf-8")) if (model / name).exists() else {}
    (model / name).write_text(json.dumps({**was, **keys}), encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "keys", "told"),
    [
        (
            "config.json",
            {"configuration_files": ["config.4.0.0.json"]},
            "has `configuration_files`",
        ),
        (
            "config.json",
            {"text_config": {"configuration_files": ["config.4.0.0.json"]}},
            "has `configuration_files`",
        ),
        (
            "config.json",
            {"quantization_config": {"quant_method": "bitsandbytes"}},
            "has `quantization_config`",
        ),
        (
            "config.json",
            {"tokenizer_class": "AutoModelForCausalLM"},
            "tokenizer_class: 'AutoModelForCausalLM'",
        ),
        (
            "processor_config.json",
            {"audio_tokenizer": {"audio_tokenizer_name_or_path": "evil/x"}},
            "audio_tokenizer",
        ),
        (
            "preprocessor_config.json",
            {"image_processor_type": "LlamaForCausalLM"},
            "image_processor_type",
        ),
        ("generation_config.json", {"\ud800": "\ud800x"}, "holds half a character"),
        ("tokenizer_config.json", {"chat_template": "\udfff"}, "holds half a character"),
    ],
)
def test_other_files_that_lead_elsewhere_or_cannot_be_told_are_refused(
    tmp_path: Path, name: str, keys: dict[str, Any], told: str
) -> None:
    model = own_model(tmp_path)
    put(model, name, **keys)
    with pytest.raises(RecipeError, match=told):
        refuse(str(model), model)


def test_whole_characters_that_are_escaped_pass(tmp_path: Path) -> None:
    model = own_model(tmp_path)
    put(model, "generation_config.json", a="😀")
    assert "\\ud83d" in (model / "generation_config.json").read_text("utf-8")
    refuse(str(model), model)


@pytest.mark.parametrize(
    "command", [("check",), ("preview", "--items", "1"), ("plan",), ("run", "--until", "render")]
)
@pytest.mark.parametrize("door", ["vocab", "map", "words"])
@pytest.mark.few(4)
def test_no_tokenizer_reads_the_users_environment(
    tmp_path: Path, cli: Cli, door: str, command: tuple[str, ...]
) -> None:
    """HF_TOKEN became a token of the vocabulary, and stood in model/tokenizer.json of the run."""
    model = own_model(tmp_path)
    put(model, TOKENIZER_CONFIG, tokenizer_class="FunnelTokenizer")
    if door == "words":
        words = {
            "type": "WordPiece",
            "unk_token": "[UNK]",
            "vocab": FILE,
            "max_input_chars_per_word": 9,
        }
        (model / "tokenizer.json").write_text(
            json.dumps({"version": "1.0", "added_tokens": [], "model": words})
        )
    else:
        (model / "tokenizer.json").unlink()
        put(model, TOKENIZER_CONFIG if door == "vocab" else TOKENS, vocab=FILE)
    recipe = write_recipe(
        tmp_path,
        f"model: {model}\n"
        "template: llama3\n"
        "data: [{source: nli_sample, samples: 50}]\n"
        "tasks: [nli_sample_ko]\n",
    )
    done = cli(command[0], recipe, *command[1:], HF_TOKEN=SECRET)
    assert_one_message(
        done, 2, "names a file" if door == "words" else "has `vocab: '/proc/self/environ'`"
    )
    assert not any(
        SECRET.encode() in file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()
    )


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        (
            "tokenizer.json",
            {"model": {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "?"}},
            "cannot process a text",
        ),
        ("tokenizer.json", {}, "its tokenizer cannot be loaded"),
        ("config.json", {"hidden_size": "STRANGER"}, "hidden_size"),
    ],
)
@pytest.mark.few(1)
def test_files_that_a_library_falls_over_are_one_message(
    tmp_path: Path, cli: Cli, name: str, content: dict[str, Any], told: str
) -> None:
    pytest.importorskip("axolotl")
    model = own_model(tmp_path)
    was = json.loads((model / name).read_text("utf-8"))
    (model / name).write_text(json.dumps({**was, **content} if content else {}))
    recipe = write_recipe(
        tmp_path,
        f"model: {model}\n"
        "template: llama3\n"
        "data: [{source: nli_sample, samples: 50}]\n"
        "tasks: [nli_sample_ko]\n",
    )
    done = cli("preview", recipe, "--items", "1")
    assert done.returncode == 2 and done.stderr.startswith(f"error: model {model}: "), done.stderr
    assert told in done.stderr and len(done.stderr.splitlines()) == 1


ADAPTER = {
    "peft_type": "LORA",
    "base_model_name_or_path": "x",
    "target_modules": ["q_proj"],
    "r": 8,
    "lora_alpha": 16,
    "megatron_config": None,
    "megatron_core": "megatron.core",
    "loftq_config": {},
    "rank_pattern": {},
    "target_parameters": [],
    "init_lora_weights": True,
    "bias": "none",
}


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({}, ""),
        (
            {"peft_type": "PROMPT_TUNING", "tokenizer_kwargs": {"trust_remote_code": True}},
            "peft_type",
        ),
        ({"megatron_config": {"a": 1}}, "megatron_config"),
        ({"megatron_core": "antigravity"}, "megatron_core"),
        ({"corda_config": {"cache_file": "/x"}}, "corda_config"),
        ({"nobody_knows": "x"}, "nobody_knows"),
    ],
)
def test_what_a_run_saved_is_judged_before_it_is_loaded(
    tmp_path: Path, keys: dict[str, Any], told: str
) -> None:
    """peft loads an adapter of any kind, with what its configuration names."""
    (tmp_path / "adapter_config.json").write_text(json.dumps({**ADAPTER, **keys}))
    shutil.copy(Path(presets.PRESETS["quickstart-llama"].base) / "tokenizer_config.json", tmp_path)
    if told:
        with pytest.raises(RecipeError, match=f"adapter_config.json has `{told}: "):
            refuse_saved("run/model", tmp_path)
        return
    refuse_saved("run/model", tmp_path)
    (tmp_path / TOKENS).write_text('{"vocab": "/dev/ptmx"}')
    with pytest.raises(
        RecipeError, match=r"model run/model: its special_tokens_map\.json has `vocab: "
    ):
        refuse_saved("run/model", tmp_path)


def test_nobody_is_asked_for_what_was_not_there_when_a_model_was_judged(tmp_path: Path) -> None:
    """A mirror offered special_tokens_map.json, or a template, only once the tokenizer was
    loaded."""
    pytest.importorskip("transformers")
    base = Path(presets.PRESETS["quickstart-llama"].base)
    files = {
        ("evil/model", file.name): file.read_bytes() for file in base.iterdir() if file.is_file()
    }
    script = (
        "from kotune.models import hub\n"
        "from kotune.score.model import load_base\n"
        "found = hub.fetch('evil/model')\n"
        "print(found, flush=True)\n"
        "assert input() == 'go on'\n"
        "hub.tokenizer_of('evil/model', found)\n"
        "load_base('evil/model', {'base_precision': 'auto', 'compute_dtype': 'auto',"
        " 'model_revision': found})\n"
        "assert hub.fetch('evil/model', revision=found) == found\n"
        "print('loaded')"
    )
    with running(files) as hub:
        env = {
            **os.environ,
            "HF_ENDPOINT": hub.endpoint,
            "HF_HOME": str(tmp_path),
            "HF_HUB_OFFLINE": "0",
            "PYTHONPATH": str(ROOT),
        }
        child = subprocess.Popen(
            [sys.executable, "-c", script],
            env=env,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert child.stdout and child.stdout.readline().strip() == MOVING
        asked = len(hub.asked)
        hub.files["evil/model", TOKENS] = b'{"vocab": "/dev/ptmx"}'
        said, errors = child.communicate("go on\n", timeout=120)
    assert said == "loaded\n", errors
    assert hub.asked[asked:] == []


def test_a_configuration_that_is_not_the_judged_one_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever key of tomorrow leads transformers to another file: here today's, as if nobody
    refused it."""
    pytest.importorskip("transformers")
    from kotune.models import loading

    model = own_model(tmp_path)
    config = json.loads((model / "config.json").read_text("utf-8"))
    put(model, "config.json", configuration_files=["config.4.0.0.json"])
    monkeypatch.setattr(loading, "refuse", lambda *_: None)
    for keys, told in (
        (
            {"max_position_embeddings": 64},
            "has max_position_embeddings 2048, but transformers reads 64",
        ),
        ({"transformers_weights": "x.safetensors"}, "names other weights"),
        ({"attn_implementation": "evil/kernels"}, "requests code from the hub"),
    ):
        (model / "config.4.0.0.json").write_text(json.dumps({**config, **keys}))
        with pytest.raises(RecipeError, match=re.escape(told)):
            loading.config_of(str(model), None)


def test_only_a_models_faults_are_blamed_on_it() -> None:
    pytest.importorskip("huggingface_hub")
    from kotune.models.loading import model_errors

    class PanicException(BaseException):
        pass

    class OutOfMemoryError(RuntimeError):
        pass

    for fault in (ValueError("x\ny"), PanicException("rust"), MemoryError()):
        with pytest.raises(
            RecipeError,
            match=r"model m: it fails \((ValueError: x y|PanicException: rust|MemoryError)\)",
        ):
            with model_errors("m", "it fails"):
                raise fault
    for other in (KeyboardInterrupt(), OutOfMemoryError(), RecipeError("own words")):
        with pytest.raises(type(other)) as caught:
            with model_errors("m", "it fails"):
                raise other
        assert caught.value is other


def test_the_hub_is_closed_for_what_is_loaded_alone() -> None:
    """datasets copies the hub's setting when it is imported; a task's data may have to be fetched
    later."""
    pytest.importorskip("datasets")
    code = (
        "from huggingface_hub import constants\n"
        "from kotune.models.loading import offline\n"
        "with offline():\n"
        "    import datasets.config\n"
        "    print(constants.HF_HUB_OFFLINE)\n"
        "print(constants.HF_HUB_OFFLINE, datasets.config.HF_HUB_OFFLINE)"
    )
    env = {**os.environ, "HF_HUB_OFFLINE": "0", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False
    )
    assert done.stdout == "True\nFalse False\n", done.stderr


def test_no_tokenizer_in_python_is_loaded_whatever_names_it() -> None:
    """By transformers' own tables: each class that it would find by such a name has its rules in
    tokenizers' Rust."""
    transformers = pytest.importorskip("transformers")
    from transformers.models.auto.tokenization_auto import (
        TOKENIZER_MAPPING_NAMES,
        tokenizer_class_from_name,
    )
    from transformers.tokenization_utils_tokenizers import TokenizersBackend

    bare = {"PreTrainedTokenizer", "PythonBackend", "SentencePieceBackend", "MistralCommonBackend"}
    names = {*dir(transformers), *filter(None, TOKENIZER_MAPPING_NAMES.values()), *IN_PYTHON}
    names |= {f"{name}Fast" for name in names}
    for name in filter(is_class, names - bare):
        found = tokenizer_class_from_name(name)
        assert found is None or issubclass(found, TokenizersBackend), name
    for kind, name in TOKENIZER_MAPPING_NAMES.items():
        assert name is None or is_class(name) or kind in KINDS_IN_PYTHON, kind
    assert not KINDS_IN_PYTHON & {
        "llama",
        "qwen2",
        "qwen3",
        "gemma3_text",
        "exaone4",
        "gpt2",
        "gpt_neox",
        "mistral",
        "bert",
    }


@pytest.mark.parametrize(
    "name", ["MyT5Tokenizer", "MyT5TokenizerFast", "RagTokenizer", "AutoTokenizer", "PilBackend"]
)
def test_a_tokenizer_in_python_is_refused_by_its_name(tmp_path: Path, name: str) -> None:
    """MyT5's byte_maps.json names a file that is read; Rag loads tokenizers out of folders that
    nobody has looked at."""
    for file, told in (
        (TOKENIZER_CONFIG, "tokenizer_config.json has"),
        ("config.json", "config.json has"),
    ):
        model = own_model(tmp_path / file)
        put(model, file, tokenizer_class=name)
        with pytest.raises(RecipeError, match=f"its {told} `tokenizer_class: '{name}'`"):
            refuse(str(model), model)


@pytest.mark.parametrize("kind", ["myt5", "rag", ["llama"], {"a": 1}, 7])
@pytest.mark.parametrize("is_inner", [False, True])
def test_a_kind_of_model_is_a_word_and_its_tokenizer_no_python(
    tmp_path: Path, kind: Any, is_inner: bool
) -> None:
    model = own_model(tmp_path)
    put(
        model,
        "config.json",
        auto_map={"AutoConfig": "x.Y"},
        **({"a": [{"model_type": kind}]} if is_inner else {"model_type": kind}),
    )
    with pytest.raises(RecipeError, match=r"its config\.json has `model_type: "):
        refuse(str(model), model)


@pytest.mark.parametrize(
    "key",
    [
        "dim" * 60_000 + "!",
        "n_" * 60_000 + "!",
        "num_" * 60_000,
        "_heads" * 30_000 + " ",
        "a" * 301,
    ],
)
@pytest.mark.parametrize(
    "name",
    ["config.json", "generation_config.json", TOKENIZER_CONFIG, TOKENS, "x.safetensors.index.json"],
)
def test_a_key_is_no_text(tmp_path: Path, name: str, key: str) -> None:
    """A key of 180 kB was looked for in patterns for minutes."""
    model = own_model(tmp_path)
    put(model, name, **{key: 1})
    with (
        bounded_time(),
        pytest.raises(
            RecipeError,
            match=r"a key of over 300 characters|is no tokenizer|which no tokenizer needs",
        ),
    ):
        refuse(str(model), model)


def test_keys_are_looked_for_in_a_time_that_grows_with_them_alone() -> None:
    """As many as a config.json can hold, each as long as it may be."""
    stems = (
        "dim",
        "n_",
        "num_",
        "layers_",
        "size",
        "a_heads",
        "num_layers",
        "get",
        "attn_implementation",
        "x",
    )
    config = {((stem * 300)[:290] + str(number)): 1 for number in range(3_000) for stem in stems}
    with bounded_time():  # a second on a quiet machine
        sizes.refuse_numbers("theirs", config)
        refuse_config("theirs", config)
