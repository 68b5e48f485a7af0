"""A base model is loaded whole, with attention of ours and no settings of its own for writing."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from kotune.errors import StageError
from kotune.models import presets
from kotune.score import model as score_model
from kotune.score.model import load_base

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
PLAIN: dict[str, str | None] = {
    "base_precision": "auto",
    "compute_dtype": "auto",
    "model_revision": None,
}
NF4 = {**PLAIN, "base_precision": "nf4", "compute_dtype": "float32"}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A copy of a quickstart model."""
    return Path(shutil.copytree(presets.PRESETS["quickstart-llama"].base, tmp_path / "model"))


def change(model: Path, name: str, **keys: Any) -> None:
    file = model / name
    was = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    file.write_text(json.dumps({**was, **keys}), encoding="utf-8")


def without(model: Path, *names: str) -> None:
    """Take tensors out of the weights."""
    from safetensors.torch import load_file, save_file

    (file,) = model.glob("*.safetensors")
    tensors = load_file(file)
    save_file(
        {name: tensors[name] for name in tensors if name not in names}, file, {"format": "pt"}
    )


@pytest.mark.parametrize("base", [PLAIN, NF4])
def test_weights_that_lack_tensors_are_refused_by_name(
    model: Path, base: dict[str, str | None]
) -> None:
    if base is NF4:
        pytest.importorskip("bitsandbytes")
    load_base(str(model), base)
    without(model, "model.norm.weight", "model.layers.0.mlp.up_proj.weight")
    with pytest.raises(
        StageError,
        match=r"lack 2 tensors of the model \(model.layers.0.mlp.up_proj.weight, model.norm",
    ):
        load_base(str(model), base)


@pytest.mark.parametrize("key", ["attn_implementation", "_attn_implementation"])
def test_what_a_config_says_of_attention_is_not_done(model: Path, key: str) -> None:
    change(model, "config.json", **{key: "eager"})
    assert load_base(str(model), PLAIN).config._attn_implementation == "sdpa"


@pytest.mark.parametrize("name", ["generation_config.json", "config.json"])
def test_settings_for_writing_are_the_same_for_every_model(model: Path, name: str) -> None:
    asked = {
        "repetition_penalty": 5.0,
        "max_time": 1e-9,
        "min_length": 9,
        "suppress_tokens": [1],
        "num_beams": 2,
    }
    plain = load_base(str(model), PLAIN)
    change(model, name, **asked)
    change(model, "generation_config.json", eos_token_id=[2, 5])
    other = load_base(str(model), PLAIN)
    assert other.generation_config.eos_token_id == [2, 5]
    assert {key: getattr(other.generation_config, key) for key in asked} == dict.fromkeys(asked)
    prompt = torch.tensor([[3, 4, 6, 7]])
    written = [
        made.generate(prompt, max_new_tokens=12, do_sample=False, eos_token_id=[0])
        for made in (plain, other)
    ]
    assert torch.equal(*written)


def test_the_base_is_the_recipes_whatever_lies_beside_the_adapter(tmp_path: Path) -> None:
    """adapter_config.json of a stranger's run folder may name other weights as those that it was
    trained on."""
    peft = pytest.importorskip("peft")
    transformers = pytest.importorskip("transformers")
    base = str(presets.PRESETS["quickstart-llama"].base)
    plain = load_base(base, PLAIN)
    embedding = plain.get_input_embeddings().weight.clone()
    lora = peft.LoraConfig(r=2, target_modules=["q_proj"], task_type="CAUSAL_LM")
    peft.get_peft_model(plain, lora).save_pretrained(tmp_path / "model")
    transformers.AutoTokenizer.from_pretrained(base).save_pretrained(tmp_path / "model")
    change(tmp_path / "model", "adapter_config.json", base_model_name_or_path="/somewhere/else")
    loaded = score_model.load_model(tmp_path, {**PLAIN, "model": base})
    assert torch.equal(loaded.model.get_input_embeddings().weight, embedding)
