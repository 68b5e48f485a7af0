"""A stranger's adapter_config.json: nothing that it names is imported, matched without end or made
as large as it says."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from kotune.errors import RecipeError, StageError
from kotune.models import adapters, presets
from kotune.score import model
from kotune.worker import bounds

BEGINNINGS = (
    "pissa",
    "pissa_niter_100000000",
    "olora",
    "loftq",
    "eva",
    "corda",
    "lora_ga",
    "orthogonal",
    "/etc/passwd",
)
RANKS: dict[str, Any] = {"peft_type": "LORA", "task_type": "CAUSAL_LM", "r": 8, "lora_alpha": 16}


def written(root: Path, **said: Any) -> Path:
    (root / "model").mkdir(exist_ok=True)
    (root / "model" / "adapter_config.json").write_text(json.dumps({**RANKS, **said}))
    return root


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            {"target_modules": r"(([a-z_0-9]+\.?)+)+!"},
            "target_modules: .*may take forever to match",
        ),
        ({"exclude_modules": "(a*)*!"}, "exclude_modules: "),
        ({"modules_to_save": ["(a*)*!"]}, "modules_to_save: "),
        ({"layers_pattern": ["(a*)*!"], "layers_to_transform": [0]}, "layers_pattern: "),
        ({"rank_pattern": {"(a*)*!": 4}}, "rank_pattern: "),
        ({"alpha_pattern": {"(a*)*!": 4}}, "alpha_pattern: "),
        ({"target_parameters": ["(a*)*!"]}, "target_parameters: "),
        ({"target_modules": 5}, "has `target_modules: 5`"),
        ({"r": 10**9}, "has `r: 1000000000`"),
        ({"r": None}, "has `r: None`"),
        ({"r": True}, "has `r: True`"),
        ({"rank_pattern": {"q_proj": 10**9}}, "has `rank_pattern: "),
        ({"rank_pattern": [7]}, "has `rank_pattern: "),
        ({"rank_pattern": ["q_proj"]}, "has `rank_pattern: "),
        *(({"init_lora_weights": way}, f"has `init_lora_weights: '{way}'") for way in BEGINNINGS),
        ({"bias": "all"}, "has `bias: 'all'`"),
        ({"loftq_config": {"loftq_bits": 4}}, "has `loftq_config: "),
        ({"loftq_config": json.loads("[" * 400 + "]" * 400)}, "has `loftq_config: "),
        ({"lora_alpha": float("nan")}, "has `lora_alpha: nan`"),
        ({"lora_dropout": "x"}, "has `lora_dropout: 'x'`"),
        ({"alpha_pattern": {"q_proj": "x"}}, "has `alpha_pattern: "),
        ({"peft_version": {"a": 1}}, "has `peft_version: "),
        ({"trainable_token_indices": {"embed_tokens": [10**12]}}, "has `trainable_token_indices: "),
        ({"layers_to_transform": [0] * 1_000_000}, "has `layers_to_transform: "),
        ({"megatron_config": {"a": 1}, "megatron_core": "antigravity"}, "has `megatron_config: "),
        ({"auto_mapping": {"parent_library": "antigravity"}}, "has `auto_mapping: "),
        ({"layer_replication": [[0, 99999999]]}, "has `layer_replication: "),
        ({"peft_type": "XLORA"}, "has `peft_type: 'XLORA'`"),
        ({"task_type": "SEQ_CLS"}, "has `task_type: 'SEQ_CLS'`"),
    ],
)
def test_what_no_training_writes_is_refused_before_peft_reads_it(
    tmp_path: Path, said: dict[str, Any], told: str
) -> None:
    base = {
        "model": presets.PRESETS["quickstart-llama"].base,
        "base_precision": "auto",
        "compute_dtype": "auto",
    }
    with pytest.raises(RecipeError, match=told) as caught:
        adapters.refuse_saved("run/model", written(tmp_path, **said) / "model")
    assert "\n" not in str(caught.value)
    pytest.importorskip("peft")
    with pytest.raises(RecipeError, match=told):
        model.load_model(tmp_path, {**base, "model_revision": None})


@pytest.mark.parametrize("text", ["[]", "{", "[" * 99_999])
def test_one_that_is_no_json_is_one_message(tmp_path: Path, text: str) -> None:
    (written(tmp_path) / "model" / "adapter_config.json").write_text(text)
    with pytest.raises(RecipeError, match=r"adapter_config\.json"):
        adapters.refuse_saved("run/model", tmp_path / "model")


def test_what_training_writes_passes(tmp_path: Path) -> None:
    peft = pytest.importorskip("peft")
    made = peft.LoraConfig(
        r=16,
        target_modules=["q_proj"],
        task_type="CAUSAL_LM",
        modules_to_save=["lm_head"],
        rank_pattern={"q_proj": 4},
        layers_to_transform=[0, 1],
        layers_pattern=["layers"],
        use_dora=True,
        base_model_name_or_path="a/b",
        trainable_token_indices={"embed_tokens": [1]},
        loftq_config={"loftq_bits": 4},
    )
    (tmp_path / "model").mkdir()
    made.save_pretrained(tmp_path / "model")
    adapters.refuse_saved("run/model", tmp_path / "model")
    peft.LoraConfig(task_type="CAUSAL_LM", target_modules="all-linear").save_pretrained(
        tmp_path / "model"
    )
    adapters.refuse_saved("run/model", tmp_path / "model")


def saved(root: Path, **said: Any) -> Path:
    """A run folder with an adapter of a quickstart model, as peft saves it, and its tokenizer."""
    torch, peft = pytest.importorskip("torch"), pytest.importorskip("peft")
    base = model.load_base(BASE["model"], {**BASE, "model_revision": None})
    config = peft.LoraConfig(
        task_type="CAUSAL_LM", **{"r": 2, "target_modules": ["q_proj"], **said}
    )
    made = peft.get_peft_model(base, config)
    with torch.no_grad():
        for name, tensor in made.named_parameters():
            if "lora_B" in name:
                tensor.normal_(std=0.1)
    made.save_pretrained(root / "model")
    for file in Path(BASE["model"]).glob("tokenizer*"):
        shutil.copy(file, root / "model")
    return root


BASE: dict[str, Any] = {
    "model": str(presets.PRESETS["quickstart-llama"].base),
    "base_precision": "auto",
    "compute_dtype": "auto",
}


@pytest.mark.filterwarnings("ignore:Setting `save_embedding_layers`")
@pytest.mark.parametrize(
    "said", [{}, {"target_modules": ["q_proj", "embed_tokens"]}, {"init_lora_weights": "gaussian"}]
)
def test_an_honest_adapter_leaves_the_base_model_as_it_is(
    tmp_path: Path, said: dict[str, Any]
) -> None:
    import torch

    held = model.load_model(saved(tmp_path, **said), {**BASE, "model_revision": None}).model
    plain = model.load_base(BASE["model"], {**BASE, "model_revision": None})
    ids = torch.tensor([[5, 6, 7, 8]])
    with torch.no_grad(), held.disable_adapter():
        assert torch.equal(held(ids).logits, plain(ids).logits)
    with torch.no_grad():
        assert not torch.equal(held(ids).logits, plain(ids).logits)


@pytest.mark.parametrize("way", ["pissa", "olora", "in the file"])
def test_an_adapter_that_changes_the_base_model_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """As if nobody had refused its configuration. A tensor of the base in the file leaves its place
    and is loaded over it."""
    root = saved(tmp_path)
    if way == "in the file":
        from safetensors.torch import load_file, save_file

        tensors = load_file(root / "model" / "adapter_model.safetensors")
        tensors["base_model.model.model.norm.weight"] = (
            load_file(Path(BASE["model"]) / "model.safetensors")["model.norm.weight"] * 2
        )
        save_file(tensors, root / "model" / "adapter_model.safetensors")
    else:
        file = root / "model" / "adapter_config.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), "init_lora_weights": way}))
        monkeypatch.setattr(model, "refuse_saved", lambda *_: None)
    with pytest.raises(
        StageError,
        match=r"its adapter changes \d+ tensors of the base model \(model\..*weight, \.\.\.\)",
    ):
        model.load_model(root, {**BASE, "model_revision": None})


def test_a_runs_tokenizer_is_bounded_where_it_scores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It need not be the one that was proven: 25 rules that double a letter took 8 GB, and more
    would take the machine."""
    root, file = saved(tmp_path), tmp_path / "model" / "tokenizer.json"
    told = json.loads(file.read_text("utf-8"))
    double = {"type": "Replace", "pattern": {"String": "니"}, "content": "니니"}
    told["normalizer"] = {"type": "Sequence", "normalizers": [double] * 8}
    file.write_text(json.dumps(told), "utf-8")
    over: list[int] = []
    monkeypatch.setattr(bounds, "tokenizing", noting(over))
    tokenizer = model.load_model(root, {**BASE, "model_revision": None}).tokenizer
    over.clear()
    assert len(tokenizer("니", add_special_tokens=False)["input_ids"]) >= 256
    assert over == [1]


def noting(over: list[Any]) -> Any:
    """bounds.tokenizing(), which notes over how many characters it was asked for."""
    plain = bounds.tokenizing

    @contextmanager
    def noted(characters: int = 0) -> Iterator[None]:
        over.append(characters)
        with plain(characters):
            yield

    return noted
