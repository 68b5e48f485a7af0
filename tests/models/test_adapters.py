"""A stranger's adapter_config.json: nothing that it names is imported, matched without end or made as large as it says."""

import json
from pathlib import Path
from typing import Any

import pytest

from kotune.errors import RecipeError
from kotune.models import adapters, presets
from kotune.score import model

RANKS: dict[str, Any] = {"peft_type": "LORA", "task_type": "CAUSAL_LM", "r": 8, "lora_alpha": 16}


def written(root: Path, **said: Any) -> Path:
    (root / "model").mkdir(exist_ok=True)
    (root / "model" / "adapter_config.json").write_text(json.dumps({**RANKS, **said}))
    return root


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"target_modules": r"(([a-z_0-9]+\.?)+)+!"}, "target_modules: .*may be matched without end"),
        ({"exclude_modules": "(a*)*!"}, "exclude_modules: "),
        ({"modules_to_save": ["(a*)*!"]}, "modules_to_save: "),
        ({"layers_pattern": ["(a*)*!"], "layers_to_transform": [0]}, "layers_pattern: "),
        ({"rank_pattern": {"(a*)*!": 4}}, "rank_pattern: "),
        ({"alpha_pattern": {"(a*)*!": 4}}, "alpha_pattern: "),
        ({"target_parameters": ["(a*)*!"]}, "target_parameters: "),
        ({"target_modules": 5}, "target_modules: 5` .no list of names"),
        ({"r": 10**9}, "a rank is 1000000000"),
        ({"r": True}, "a rank is True"),
        ({"rank_pattern": {"q_proj": 10**9}}, "a rank is 1000000000"),
        ({"rank_pattern": [7]}, "a rank is .7."),
        ({"megatron_config": {"a": 1}, "megatron_core": "antigravity"}, "says `megatron_config: "),
        ({"auto_mapping": {"parent_library": "antigravity"}}, "says `auto_mapping: "),
        ({"layer_replication": [[0, 99999999]]}, "says `layer_replication: "),
        ({"peft_type": "XLORA"}, "says `peft_type: 'XLORA'`"),
        ({"task_type": "SEQ_CLS"}, "says `task_type: 'SEQ_CLS'`"),
    ],
)
def test_what_no_training_writes_is_refused_before_peft_reads_it(
    tmp_path: Path, said: dict[str, Any], told: str
) -> None:
    base = {"model": presets.PRESETS["quickstart-llama"].base, "base_precision": "auto", "compute_dtype": "auto"}
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
        r=16, target_modules=["q_proj"], task_type="CAUSAL_LM", modules_to_save=["lm_head"], rank_pattern={"q_proj": 4},
        layers_to_transform=[0, 1], layers_pattern=["layers"], use_dora=True, base_model_name_or_path="a/b",
        trainable_token_indices={"embed_tokens": [1]}, loftq_config={"loftq_bits": 4},
    )  # fmt: skip
    (tmp_path / "model").mkdir()
    made.save_pretrained(tmp_path / "model")
    adapters.refuse_saved("run/model", tmp_path / "model")
    peft.LoraConfig(task_type="CAUSAL_LM", target_modules="all-linear").save_pretrained(tmp_path / "model")
    adapters.refuse_saved("run/model", tmp_path / "model")
