"""A config.json that tells of a larger model than its weights are of is one message, before
anything of that size is made."""

import json
import os
import resource
import shutil
import struct
from pathlib import Path
from typing import Any

import pytest

from kotune.errors import RecipeError
from kotune.models import hub, presets, sizes
from kotune.models.refusals import refuse
from tests.conftest import Cli, bounded_time, write_recipe
from tests.test_cli import assert_one_message


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return Path(shutil.copytree(presets.PRESETS["quickstart-llama"].base, tmp_path / "theirs"))


def says(model: Path, **keys: Any) -> Path:
    config = json.loads((model / "config.json").read_text("utf-8"))
    (model / "config.json").write_text(json.dumps({**config, **keys}))
    return model


HUGE: list[tuple[dict[str, Any], str]] = [
    ({"num_hidden_layers": 20_000}, "num_hidden_layers: 20000, but no model has over 1,024"),
    ({"num_hidden_layers": 10**8}, "num_hidden_layers: 100000000, but no model has over 1,024"),
    ({"num_hidden_layers": 1e308}, "no model has over 1,024"),
    ({"n_layer": float("nan")}, "n_layer: nan, but no model has over 1,024"),
    ({"text_config": {"decoder_layers": 1_025}}, "decoder_layers: 1025"),
    ({"num_labels": 10**10}, "num_labels: 10000000000, but no model has over 65,536"),
    ({"num_local_experts": 70_000}, "num_local_experts: 70000"),
    ({"moe_num_experts": 70_000}, "moe_num_experts: 70000"),
    ({"vocab_size": 10**9}, "vocab_size: 1000000000, but no model has over 100,000,000"),
    ({"hidden_size": 10**9}, "hidden_size: 1000000000"),
    ({"backbone": [{"head_dim": 10**9}]}, "head_dim: 1000000000"),
]
MORE_THAN_ITS_WEIGHTS: list[tuple[dict[str, Any], str]] = [
    (
        {"num_hidden_layers": 1_000},
        r"num_hidden_layers: 1,000, but its weights have only \d\d tensors",
    ),
    (
        {"vocab_size": 10**7},
        r"at least 1,280,000,000 parameters, but its weights have 3,\d{3},\d{3} bytes",
    ),
    ({"hidden_size": 10**6}, r"at least 1,\d{3},000,000 parameters"),
]


@pytest.mark.parametrize(("keys", "told"), HUGE + MORE_THAN_ITS_WEIGHTS)
def test_a_larger_model_than_its_weights_is_refused_where_it_is_checked_and_where_it_is_fetched(
    model: Path, keys: dict[str, Any], told: str
) -> None:
    says(model, **keys)
    for refuses in (lambda: hub.fetch(str(model)), lambda: sizes.refuse(str(model), model)):
        with pytest.raises(RecipeError, match=told) as caught:
            refuses()
        assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


@pytest.mark.parametrize(("keys", "told"), HUGE)
def test_without_weights_there_are_ceilings(model: Path, keys: dict[str, Any], told: str) -> None:
    (model / "model.safetensors").unlink()
    with pytest.raises(RecipeError, match=told):
        sizes.refuse(str(says(model, **keys)), model, weights=False)


def test_check_and_plan_say_so(model: Path, tmp_path: Path, cli: Cli) -> None:
    says(model, num_hidden_layers=10**8)
    recipe = write_recipe(
        tmp_path, f"model: {model}\ntemplate: llama3\ndata: [{{source: nli_sample}}]\n"
    )
    for command in ("check", "plan"):
        assert_one_message(
            cli(command, recipe), 2, "num_hidden_layers: 100000000, but no model has over 1,024"
        )


def test_a_model_that_its_weights_do_not_make_so_large_is_not_made(model: Path) -> None:
    """Each number alone may be: what they make together is told by a model on `meta`."""
    pytest.importorskip("transformers")
    from kotune.score.model import load_base

    plain = {"base_precision": "auto", "compute_dtype": "auto", "model_revision": None}
    load_base(str(model), plain)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for keys in ({"intermediate_size": 10**8}, {"intermediate_size": 384, "head_dim": 10**7}):
        with pytest.raises(
            RecipeError, match=r"at least \d+,\d{3},\d{3},\d{3} parameters, but its weights have"
        ):
            load_base(str(says(model, **keys)), plain)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kB


def test_what_models_are_made_with_passes() -> None:
    """Every kind that transformers has, as it is without a config.json."""
    pytest.importorskip("transformers")
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    for kind in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        try:
            config = CONFIG_MAPPING[kind]().to_dict()
        except Exception:  # of a kind that cannot be made of nothing
            continue
        sizes.refuse_numbers(kind, json.loads(json.dumps(config, default=str)))


def header(length: int, text: bytes) -> bytes:
    return struct.pack("<Q", length) + text


ODD = [
    b"",
    b"\1",
    header(9, b"{}"),
    header(1 << 63, b"{}"),
    header(2, b"[]"),
    header(2, b"{{"),
    header(99_999, b"[" * 99_999),
]


@pytest.mark.parametrize("content", ODD)
def test_a_file_of_weights_that_is_none_is_one_message(model: Path, content: bytes) -> None:
    (model / "model.safetensors").write_bytes(content)
    with pytest.raises(
        RecipeError, match=r"model\.safetensors is not a file of weights \("
    ) as caught:
        sizes.refuse(str(model), model)
    assert "\n" not in str(caught.value)


def test_what_weights_say_of_themselves_is_read_up_to_a_number_of_bytes(model: Path) -> None:
    one = json.dumps({"__metadata__": {"x": "y" * 9_000_000}}).encode()
    (model / "model.safetensors").write_bytes(header(len(one), one))
    for number in range(300):
        os.link(model / "model.safetensors", model / f"{number}.safetensors")
    with pytest.raises(RecipeError, match="its header would have 9,"):
        sizes.refuse(str(model), model)


def test_indexes_without_end_are_one_message(model: Path) -> None:
    """Of 300 links to one of 9.6 MB each was read, for minutes."""
    names = {
        f"model.layers.{number}.self_attn.q_proj.weight": "model.safetensors"
        for number in range(120_000)
    }
    index = model / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": names}))
    refuse(str(model), model)
    (model / "sub").mkdir()
    for number in range(300):
        os.link(index, model / "sub" / f"{number}.index.json")
    with bounded_time(), pytest.raises(RecipeError, match=r"301 indexes of weights .* at most 8"):
        refuse(str(model), model)
    shutil.rmtree(model / "sub")
    index.write_text(json.dumps({"weight_map": {str(number): "a" for number in range(200_001)}}))
    with pytest.raises(RecipeError, match="names over 200,000 tensors"):
        refuse(str(model), model)


def test_a_config_of_a_million_keys_is_one_message(model: Path) -> None:
    says(model, **{f"n_{number}": number for number in range(100_001)})
    with pytest.raises(RecipeError, match="over 100,000 keys"):
        sizes.refuse(str(model), model)
