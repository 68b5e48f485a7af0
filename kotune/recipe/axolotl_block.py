"""What may stand in a recipe's `axolotl:` block: keys that Axolotl knows, with values that it can mean, and none that
follow from the recipe's other keys.
"""

from math import isfinite
from typing import Any

from kotune.recipe import axolotl_schema
from kotune.recipe.strict_yaml import shown

# Keys of Axolotl's that follow from the recipe's own keys, with what to use instead.
OWNED = {
    "base_model": "model", "adapter": "adapter", "load_in_4bit": "adapter: qlora", "load_in_8bit": "adapter",
    "bnb_config_kwargs": "adapter", "chat_template": "template", "chat_template_jinja": "template", "seed": "seed",
    "test_datasets": "data", "val_set_size": "data", "output_dir": "--runs-dir", "dataset_prepared_path": "--runs-dir",
    "revision_of_model": "model", "auto_resume_from_checkpoints": "the same command again",
    "resume_from_checkpoint": "the same command again",
}  # fmt: skip
CODE = "runs code that is neither kotune's nor Axolotl's and is not accepted in a recipe; remove it"
ELSEWHERE = "reads or fetches something that no hash of the run covers; remove it and use `model` or `data`"
PUBLISHES = "would send the model, the data or a service of it out of this machine; a run publishes nothing; remove it"
OTHER = "changes what training is, which kotune neither proves nor scores; it trains an adapter on answers; remove it"
LAUNCHER = "starts training on other terms than one process in the run folder, which kotune does not watch; remove it"
# What of Axolotl's a recipe may not say: what imports code, loads or writes elsewhere, or trains something else.
REFUSED = {
    "plugins": "a plugin runs foreign code and is not accepted in a recipe; remove it",
    "trust_remote_code": "code that comes with a model is never run; choose a model of a kind that transformers has",
    "dynamic_checkpoint": "Axolotl would remove the file that it names; press Ctrl-C instead and start again",
    **dict.fromkeys(("trainer_cls", "use_kernels", "torchdistx_path", "eval_causal_lm_metrics", "model_kwargs",
                     "processor_kwargs"), CODE),
    **dict.fromkeys(("base_model_config", "cls_model_config", "tokenizer_config", "lora_model_dir", "model_revision",
                     "pretraining_dataset", "bench_dataset", "bench_split", "do_bench_eval", "axolotl_config_path",
                     "hf_use_auth_token"), ELSEWHERE),
    **dict.fromkeys(("hub_model_id", "hub_revision", "hub_strategy", "push_dataset_to_hub", "gradio_server_name",
                     "gradio_server_port", "gradio_share", "gradio_title", "use_otel_metrics", "otel_metrics_host",
                     "otel_metrics_port", "trackio_space_id", "wandb_log_model", "hf_mlflow_log_artifacts"), PUBLISHES),
    **dict.fromkeys(("rl", "trl", "vllm", "ebft", "reward_model", "process_reward_model", "qat", "quantization",
                     "merge_lora", "relora", "model_config"), OTHER),
    **dict.fromkeys(("use_ray", "ray_num_workers", "ray_run_name", "resources_per_worker", "local_rank", "world_size"),
                    LAUNCHER),
}  # fmt: skip
POSITIVE = (
    "batch_size", "micro_batch_size", "gradient_accumulation_steps", "max_steps", "num_epochs", "learning_rate",
    "sequence_len", "lora_r", "lora_alpha",
)  # fmt: skip
# The keys of Axolotl's data set that may differ; all others follow from `data`, and parity is proven on those.
LAID_OVER = ("roles_to_train", "train_on_eos", "train_on_eot")


def problems(block: Any, key: str = "axolotl", under: dict[str, Any] | None = None) -> list[str]:
    """Every `key.path: what; what to do` of the block, which is laid over the defaults `under`.

    Values are judged once all keys and types are right.
    """
    if not isinstance(block, dict):
        return []
    found = [f"{key}.{name}: kotune sets this from the recipe; use `{OWNED[name]}`" for name in block if name in OWNED]
    found += [f"{key}.{name}: {REFUSED[name]}" for name in block if name in REFUSED]
    found += [f"{key}.{path}: {what}" for path, what in axolotl_schema.problems(block)]
    found += [f"{key}.{path}: {told}" for path, told in _from_elsewhere(block)]
    return found or [
        f"{key}.{path}: {what}" for path, what in [*_values(block), *_data_set(block), *_step(block, under or {})]
    ]


def _from_elsewhere(block: dict[str, Any]) -> list[tuple[str, str]]:
    """Values that name something to load. transformers takes `owner/name` for kernels that it fetches and runs."""
    file = [("deepspeed", "a file that no hash of the run covers; write its content here")]
    return file * isinstance(block.get("deepspeed"), str) + [
        (
            name,
            f"names code on the hub, which is never run; found `{shown(block[name])}`; use one that transformers has",
        )
        for name in ("attn_implementation", "experts_implementation", "large_head_attention")
        if isinstance(block.get(name), str) and ("/" in block[name] or ":" in block[name])
    ]


def _values(block: dict[str, Any]) -> list[tuple[str, str]]:
    endless = [
        (name, f"must be a finite number, found `{value}`; change the value")
        for name, value in block.items()
        if name not in POSITIVE and isinstance(value, float) and not isfinite(value)
    ]
    return endless + [
        (name, f"must be a number above 0, found `{shown(block[name])}`")
        for name in POSITIVE
        if name in block and not (isinstance(block[name], (int, float)) and 0 < block[name] < float("inf"))
    ]


def _data_set(block: dict[str, Any]) -> list[tuple[str, str]]:
    entry = (block.get("datasets") or [{}])[0]
    told = f"follows from `data`; only {', '.join(LAID_OVER)} can be laid over the data set that kotune writes"
    return [(f"datasets.0.{name}", told) for name in entry if name not in LAID_OVER]


def _step(block: dict[str, Any], under: dict[str, Any]) -> list[tuple[str, str]]:
    """micro_batch_size x gradient_accumulation_steps = batch_size, on one GPU."""
    whole, micro = ({**under, **block}.get(key) for key in ("batch_size", "micro_batch_size"))
    if "gradient_accumulation_steps" in block:
        told = "follows from micro_batch_size and gradient_accumulation_steps; leave it out"
        return [("batch_size", told)] if "batch_size" in block else []
    if isinstance(whole, int) and isinstance(micro, int) and micro > 0 and whole % micro:
        return [("micro_batch_size", f"{micro} does not divide the {whole} examples of a step (batch_size)")]
    return []
