"""Every key of Axolotl's is judged: allowed with what it may hold, followed from the recipe, or
refused with a reason."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from kotune.recipe import axolotl_schema
from kotune.recipe.axolotl_block import problems
from kotune.recipe.axolotl_keys import ALLOWED, GROUPS, NESTED_KEYS, OWNED, REFUSED, UNREVIEWED
from kotune.recipe.axolotl_values import CEILINGS, CHOICES, DEEPSPEED, MAPPINGS, PATTERNS, TEXT
from kotune.recipe.reading import defaults
from tests.conftest import ROOT

SCHEMA = axolotl_schema.load()
KEYS = SCHEMA["properties"]
ALIAS = {"revision_of_model"}  # Axolotl's validation knows it, its schema does not
ELSEWHERE = (
    "/etc/passwd",
    "../x",
    "~/x",
    "https://example.org/x",
    "owner/name",
    "C:\\x",
    "hdfs://x",
)


def test_every_key_of_axolotls_stands_in_one_group() -> None:
    """A new Axolotl's new key fails here until somebody has looked at what it does, a boolean one
    as well."""
    said = [key for keys in GROUPS.values() for key in keys.split()] + [*OWNED, *REFUSED]
    assert sorted(said) == sorted(set(said)), "a key stands in two groups"
    assert set(said) == set(KEYS) | ALIAS
    assert (len(KEYS), len(SCHEMA["$defs"])) == (390, 29)


def test_a_key_that_nobody_has_judged_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KEYS, "run_this", {"type": "boolean"})
    axolotl_schema._strict_schema.cache_clear()
    axolotl_schema._validator.cache_clear()
    try:
        assert problems({"run_this": True}) == [f"axolotl.run_this: {UNREVIEWED}"]
    finally:
        axolotl_schema._strict_schema.cache_clear()
        axolotl_schema._validator.cache_clear()


def nodes(schema: Any) -> Iterator[dict[str, Any]]:
    """A schema and every schema inside it; models are entered, of the kinds of `datasets` only the
    one that is trained."""
    if isinstance(schema, dict):
        yield schema
        if "$ref" in schema:
            yield from nodes(SCHEMA["$defs"][schema["$ref"].rsplit("/", 1)[-1]])
        inner = [part for key in ("anyOf", "allOf", "prefixItems") for part in schema.get(key, ())]
        inner += [
            schema.get("items"),
            schema.get("additionalProperties"),
            *schema.get("properties", {}).values(),
        ]
        for part in inner:
            yield from nodes(part)


@pytest.mark.parametrize("key", sorted(ALLOWED.keys() - {"datasets"}))
def test_models_inside_an_allowed_key_are_judged_to_the_last_of_their_keys(key: str) -> None:
    fields = {name for node in nodes(KEYS[key]) for name in node.get("properties", ())}
    assert fields == set(NESTED_KEYS.get(key, ()))


def test_a_new_key_inside_a_model_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(NESTED_KEYS, "fsdp_config", ("offload_params",))
    assert problems({"fsdp_config": {"offload_params": True, "fsdp_version": 2}}) == [
        f"axolotl.fsdp_config.fsdp_version: {UNREVIEWED}"
    ]


@pytest.mark.parametrize("key", sorted(ALLOWED))
def test_an_allowed_key_takes_no_path_and_no_address(key: str) -> None:
    """As a value, in a list, as a name or a value in a mapping: the type is refused, or the
    text."""
    if key in TEXT:  # for the model: opened by nobody
        return
    for text in ELSEWHERE:
        for value in (text, [text], {text: 1}, {"device": text}, {"a": {"b": text}}, [[text]]):
            assert problems({key: value}), value


def test_only_mappings_whose_keys_were_judged_are_free() -> None:
    free = {
        key
        for key in ALLOWED
        for node in nodes(KEYS[key])
        if node.get("additionalProperties") is True
    }
    assert free - {"datasets", "deepspeed"} == {
        key for key, names in MAPPINGS.items() if key in free
    }
    assert set(MAPPINGS) | set(CHOICES) | set(TEXT) | set(PATTERNS) | {
        key for one in CEILINGS for key in one.keys.split()
    } <= set(ALLOWED)


@pytest.mark.parametrize(
    ("block", "told"),
    [
        ({"do_causal_lm_eval": True}, "do_causal_lm_eval: runs code"),
        (
            {"mlflow_tracking_uri": "http://evil:5000"},
            "mlflow_tracking_uri: sets where metrics are sent; remove it and use the environment",
        ),
        (
            {"comet_experiment_config": {"log_code": True}},
            "comet_experiment_config: sets where metrics",
        ),
        ({"comet_api_key": "x"}, "comet_api_key: a secret has no place"),
        ({"generate_samples": True}, "generate_samples: would publish"),
        (
            {"flex_attn_compile_kwargs": {"options": {"cpp.cxx": "x"}}},
            "flex_attn_compile_kwargs: runs code",
        ),
        (
            {"torch_compile_options": {"cpp.cxx": "evil"}},
            "torch_compile_options.cpp.cxx: only combo_kernels, ",
        ),
        (
            {"torch_compile_options": {"trace.enabled": True}},
            "torch_compile_options.trace.enabled: only combo_kernels, ",
        ),
        (
            {"lr_scheduler_kwargs": {"num_cycles": {"a": 1}}},
            "lr_scheduler_kwargs.num_cycles: must be a plain value",
        ),
        (
            {"gradient_checkpointing_kwargs": {"context_fn": "x"}},
            "gradient_checkpointing_kwargs.context_fn: only use_reentrant",
        ),
        (
            {"deepspeed": "deepspeed_configs/zero3.json"},
            "deepspeed: is a file, which the run's hash does not cover",
        ),
        ({"deepspeed": {"autotuning": {"enabled": True}}}, "deepspeed.autotuning: only bf16, fp16"),
        (
            {"deepspeed": {"tensorboard": {"output_path": "/x"}}},
            "deepspeed.tensorboard: only bf16, fp16",
        ),
        (
            {
                "deepspeed": {
                    "zero_optimization": {"offload_param": {"device": "nvme", "nvme_path": "/mnt"}}
                }
            },
            (
                "deepspeed.zero_optimization.offload_param.nvme_path: must be a number, true, false"
                " or one of auto, cpu, none"
            ),
        ),
        (
            {"deepspeed": {"zero_optimization": {"stage": [{"x": "/mnt"}]}}},
            "zero_optimization.stage.0.x: must be a number",
        ),
        ({"fsdp": ["full_shard", "/x"]}, "fsdp: must be one of full_shard"),
        ({"fsdp": "zero3.json"}, "fsdp: expected array"),
        ({"flash_attention": True}, "flash_attention: downloads code from the hub"),
        ({"attn_implementation": "flash_attention_2"}, "kotune uses flash attention by itself"),
        (
            {"save_safetensors": False},
            "save_safetensors: must be true: the other format is a pickle",
        ),
        (
            {"trackio_project_name": "../../x"},
            "trackio_project_name: must be a name of at most 200 characters",
        ),
        ({"wandb_entity": "x" * 201}, "wandb_entity: must be a name of at most 200"),
        (
            {"default_system_message": "x" * 2_001},
            "default_system_message: has 2,001 characters; write at most 2,000",
        ),
        (
            {"lora_rank_pattern": {"layers.0": 99_999}},
            "lora_rank_pattern.layers.0: at most 1,024 (no longer low rank)",
        ),
        ({"lr_groups": [{"lr": float("inf")}]}, "lr_groups.0.lr: must be a finite number"),
        (
            {"weight_decay": 1e13},
            "weight_decay: at most 1,000,000,000,000 (no setting is that large)",
        ),
        ({"dataloader_num_workers": -1}, "dataloader_num_workers: must be 0 or more"),
    ],
)
def test_what_a_block_may_not_say_is_told(block: dict[str, Any], told: str) -> None:
    assert any(told in problem for problem in problems(block)), problems(block)


@pytest.mark.parametrize("key", PATTERNS)
def test_a_pattern_that_may_be_matched_without_end_is_refused(key: str) -> None:
    """As one, in a list, and as a name in a mapping, wherever the key takes such a value."""
    endless, taken = (
        r"(([a-z_0-9]+\.?)+)+!",
        [
            form
            for form in ("q_proj", ["q_proj"], {"q_proj": 8}, {"q_proj": [8]})
            if not problems({key: form})
        ],
    )
    assert taken
    for value in taken:
        bad = json.loads(json.dumps(value).replace("q_proj", json.dumps(endless)[1:-1]))
        assert any("may take forever to match" in problem for problem in problems({key: bad})), bad


@pytest.mark.parametrize(
    ("key", "most"),
    [(key, int(ceiling.maximum)) for ceiling in CEILINGS for key in ceiling.keys.split()],
)
def test_a_number_is_taken_up_to_its_ceiling(key: str, most: int) -> None:
    value, above = (
        ({"q_proj": most}, {"q_proj": most + 1}) if key.endswith("_pattern") else (most, most + 1)
    )
    assert problems({key: value}) == []
    assert any(f": at most {most:,} (" in problem for problem in problems({key: above}))


@pytest.mark.parametrize(
    "block",
    [
        {
            "deepspeed": {
                "bf16": {"enabled": "auto"},
                "zero_optimization": {"stage": 2, "offload_optimizer": {"device": "cpu"}},
            }
        },
        {
            "fsdp": ["full_shard", "auto_wrap"],
            "fsdp_config": {"transformer_layer_cls_to_wrap": "LlamaDecoderLayer"},
        },
        {
            "optim_args": {"rank": 64},
            "lr_scheduler_kwargs": {"num_cycles": 0.5},
            "device_map": {"": 0},
        },
        {"gradient_checkpointing": True, "gradient_checkpointing_kwargs": {"use_reentrant": False}},
        {
            "lora_target_modules": r"model\.layers\.\d+\.(mlp|self_attn)\..*",
            "special_tokens": {"pad_token": "</s>"},
        },
        {
            "attn_implementation": "flex_attention",
            "optimizer": "adamw_bnb_8bit",
            "max_memory": {"cpu": "10GiB"},
        },
        {"torch_compile_options": {"max_autotune": True, "triton.cudagraphs": True}},
        {
            "peft_init_lora_weights": "gaussian",
            "datasets": [{"train_on_eos": "all"}],
            "wandb_project": "한국어 NLI",
        },
    ],
)
def test_what_tuning_needs_is_allowed(block: dict[str, Any]) -> None:
    assert problems(block) == []


def test_what_every_recipe_starts_from_is_allowed() -> None:
    base = defaults()
    assert [
        key for part in (base.axolotl, base.cpu, base.cuda) for key in part if key not in ALLOWED
    ] == []


def test_the_table_of_ceilings_is_the_one_that_recipes_readme_shows() -> None:
    page = (ROOT / "recipes" / "README.md").read_text(encoding="utf-8")
    for ceiling in CEILINGS:
        names = ", ".join(f"`{key}`" for key in ceiling.keys.split())
        assert f"| {names} | {ceiling.maximum:,.0f} | {ceiling.why} |" in page
    assert DEEPSPEED and all(f"`{key}`" in page for key in DEEPSPEED)


@pytest.mark.parametrize(
    "way",
    ["pissa", "pissa_niter_100000000", "olora", "loftq", "eva", "corda", "lora_ga", "/etc/passwd"],
)
def test_no_way_to_begin_an_adapter_changes_the_base_model(way: str) -> None:
    """peft takes what these put into the adapter out of the base model, where it stays when the
    adapter is switched off."""
    (told,) = problems({"peft_init_lora_weights": way})
    assert told.startswith(
        "axolotl.peft_init_lora_weights: must be one of true, false, gaussian: the others change"
        " the base model"
    )
    (told,) = problems({"peft": {"loftq_config": {"loftq_bits": 4}}})
    assert told.startswith("axolotl.peft: changes the base model")
    assert not any(problems({"peft_init_lora_weights": way}) for way in (True, False, "gaussian"))
