"""What the allowed keys of an `axolotl:` block may hold: numbers below a ceiling, words from a
list, and text that names neither a path nor an address. Keys and types are right when this is
asked; recipes/README.md tells the ceilings."""

import re
from collections.abc import Iterator
from math import isfinite
from typing import Any, NamedTuple

from kotune.models.patterns import trouble
from kotune.recipe.axolotl_keys import INSIDE, LAID_OVER, UNJUDGED, AxolotlConfig
from kotune.recipe.strict_yaml import shown

Problem = tuple[str, str]  # the key's path below the block; what is wrong, and what to do


class Ceiling(NamedTuple):
    most: float
    why: str
    keys: str


CEILINGS = (
    Ceiling(
        64,
        "each is a process with its own memory",
        "dataloader_num_workers dataset_num_proc dataset_processes",
    ),
    Ceiling(64, "each worker keeps so many batches in memory", "dataloader_prefetch_factor"),
    Ceiling(
        131_072,
        "the longest text that Llama 3.2 reads",
        "sequence_len eval_sequence_len max_packed_sequence_len "
        "pad_to_multiple_of pose_max_context_len",
    ),
    Ceiling(1_024, "rows that a GPU holds at once", "micro_batch_size eval_batch_size"),
    Ceiling(
        65_536, "examples before the weights move once", "batch_size gradient_accumulation_steps"
    ),
    Ceiling(1_000, "times through the data", "num_epochs"),
    Ceiling(10_000_000, "months on any GPU", "max_steps"),
    Ceiling(1_024, "no longer low rank", "lora_r lora_rank_pattern qgalore_rank"),
    Ceiling(65_536, "64 times the highest rank", "lora_alpha lora_alpha_pattern"),
    Ceiling(
        1_000,
        "each writes a checkpoint or scores the validation rows",
        "saves_per_epoch evals_per_epoch",
    ),
    Ceiling(100, "each is a checkpoint on the disk", "save_total_limit"),
    Ceiling(1_000, "each is written to the disk", "profiler_steps num_dataset_shards_to_save"),
    Ceiling(
        1_024,
        "a GPU each, or a piece of a layer",
        "context_parallel_size dp_replicate_size dp_shard_size heads_k_stride"
        " sequence_parallel_degree tensor_parallel_size tiled_mlp_num_shards"
        " chunked_cross_entropy_num_chunks",
    ),
    Ceiling(604_800, "seconds of a week", "ddp_timeout"),
)
_MOST = {key: ceiling for ceiling in CEILINGS for key in ceiling.keys.split()}
_REST = Ceiling(1e12, "no setting is that large", "")
_NOT_BELOW_0 = CEILINGS[0].keys.split()
POSITIVE = (
    "batch_size",
    "micro_batch_size",
    "gradient_accumulation_steps",
    "max_steps",
    "num_epochs",
    "learning_rate",
    "sequence_len",
    "lora_r",
    "lora_alpha",
)

_HUB = "another name may be code on the hub, which is never run"
CHOICES: dict[str, tuple[tuple[Any, ...], str]] = {  # what a key may hold, and why nothing else
    "attn_implementation": (
        ("eager", "sdpa", "flex_attention", "xformers", "sage", "fp8"),
        f"{_HUB}; kotune takes flash attention by itself where flash_attn is installed",
    ),
    "experts_implementation": (("eager", "batched_mm", "grouped_mm"), _HUB),
    "large_head_attention": (("auto", "sdpa", "triton_flash"), _HUB),
    "peft_init_lora_weights": (
        (True, False, "gaussian"),
        (
            "the others put other numbers into the base model, so that base and tuned could no"
            " longer be compared"
        ),
    ),
    "save_safetensors": ((True,), "a file of another form is a pickle, which can run code"),
    "sample_packing_mp_start_method": (("fork", "spawn", "forkserver"), "Python knows no other"),
    "fsdp": (
        (
            "full_shard",
            "shard_grad_op",
            "hybrid_shard",
            "hybrid_shard_zero2",
            "no_shard",
            "offload",
            "auto_wrap",
        ),
        "transformers knows no other",
    ),
}
# What may stand in a key that takes any mapping; None: any name, with plain values.
MAPPINGS: dict[str, tuple[str, ...] | None] = {
    "accelerator_config": (
        "dispatch_batches",
        "even_batches",
        "non_blocking",
        "split_batches",
        "use_seedable_sampler",
    ),
    "device_map": None,
    "gradient_checkpointing_kwargs": ("use_reentrant",),
    "lr_scheduler_kwargs": None,
    "max_memory": None,
    "optim_args": None,
    # Others of inductor's name programs (cpp.cxx), folders and files, or write what was compiled.
    "torch_compile_options": (
        "combo_kernels",
        "conv_1x1_as_mm",
        "coordinate_descent_tuning",
        "coordinate_descent_check_all_directions",
        "epilogue_fusion",
        "fallback_random",
        "group_fusion",
        "joint_graph_constant_folding",
        "keep_output_stride",
        "layout_optimization",
        "loop_ordering_after_fusion",
        "max_autotune",
        "max_autotune_gemm",
        "max_autotune_pointwise",
        "permute_fusion",
        "prologue_fusion",
        "reorder_for_locality",
        "shape_padding",
        "size_asserts",
        "split_reductions",
        "triton.cudagraph_skip_dynamic_graphs",
        "triton.cudagraph_trees",
        "triton.cudagraphs",
        "triton.multi_kernel",
        "triton.unique_kernel_names",
    ),
}
# What DeepSpeed may be told. It can also launch, watch and write elsewhere; and the only words of
# its that name no place are:
DEEPSPEED = (
    "bf16",
    "fp16",
    "gradient_accumulation_steps",
    "gradient_clipping",
    "steps_per_print",
    "train_batch_size",
    "train_micro_batch_size_per_gpu",
    "wall_clock_breakdown",
    "zero_force_ds_cpu_optimizer",
    "zero_optimization",
)
DEEPSPEED_WORDS = ("auto", "cpu", "none")
# Text for the model. All other text is a word or a name.
TEXT = (
    "added_tokens_overrides",
    "default_system_message",
    "eot_tokens",
    "role_boundaries",
    "special_tokens",
    "tokens",
)
# Names of the model's modules, or patterns of them, which peft and transformers match as regular
# expressions.
PATTERNS = (
    "lora_alpha_pattern",
    "lora_modules_to_save",
    "lora_rank_pattern",
    "lora_target_modules",
    "lora_target_parameters",
    "optim_target_modules",
    "peft_layers_pattern",
    "peft_trainable_token_indices",
)
FOLLOWS = (
    f"follows from `data`; only {', '.join(LAID_OVER)} can be laid over the data set that kotune"
    " writes"
)
WORD = re.compile(r"[^/\\~\n\t]{0,200}")
LONGEST = 2_000  # characters of a text


def problems(block: AxolotlConfig) -> list[Problem]:
    """Every value that an allowed key may not hold."""
    return [problem for key, value in block.items() for problem in _judged(key, value)]


def _judged(key: str, value: Any) -> list[Problem]:
    found = [
        *_chosen(key, value),
        *_mapped(key, value),
        *_unknown_inside(key, value, key),
        *_matched(key, value),
    ]
    return found or [
        problem for path, leaf in leaves(value, key) for problem in _leaf(key, path, leaf)
    ]


def leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Every plain value of a value with its path, and every name in a mapping too: text stands
    there as well."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield f"{path}.{shown(name)}", name
            yield from leaves(inner, f"{path}.{shown(name)}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from leaves(inner, f"{path}.{index}")
    else:
        yield path, value


def _leaf(key: str, path: str, value: Any) -> Iterator[Problem]:
    if isinstance(value, str):
        if key in POSITIVE:
            yield path, f"must be a number above 0, found `{shown(value)}`"
        elif key not in TEXT and key not in PATTERNS and not WORD.fullmatch(value):
            told = (
                "is a name of at most 200 characters, and may be no path or address; found"
                f" `{shown(value)}`"
            )
            yield path, f"{told}; use a name without / and ~"
        elif len(value) > LONGEST:
            yield path, f"{len(value):,} characters, and at most {LONGEST:,} are taken; write less"
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield from _number(key, path, value)


def _number(key: str, path: str, value: float) -> Iterator[Problem]:
    most = _MOST.get(key, _REST)
    if key in POSITIVE and not (value > 0 and isfinite(value)):
        yield path, f"must be a number above 0, found `{shown(value)}`"
    elif not isfinite(value):
        yield path, f"must be a finite number, found `{value}`; change the value"
    elif abs(value) > most.most:
        yield (
            path,
            f"at most {most.most:,.0f} ({most.why}), found `{shown(value)}`; use a smaller number",
        )
    elif value < 0 and key in _NOT_BELOW_0:
        yield path, f"must be 0 or more, found `{shown(value)}`; change the value"


def _chosen(key: str, value: Any) -> list[Problem]:
    if key not in CHOICES:
        return []
    choices, why = CHOICES[key]
    known = ", ".join(
        str(choice).lower() if isinstance(choice, bool) else choice for choice in choices
    )
    told = f"must be {'one of ' * (len(choices) > 1)}{known}: {why}; found"
    given = value if isinstance(value, list) else [value]
    return [
        (key, f"{told} `{shown(one)}`") for one in given if one is not None and one not in choices
    ]


def _matched(key: str, value: Any) -> list[Problem]:
    """A pattern that may be matched without end."""
    texts = (
        [leaf for _, leaf in leaves(value, key) if isinstance(leaf, str)] if key in PATTERNS else []
    )
    told = trouble(texts)
    return [(key, told)] if told else []


def _mapped(key: str, value: Any) -> Iterator[Problem]:
    """What a mapping whose keys Axolotl does not name may not hold."""
    if key == "deepspeed":
        yield from _deepspeed(value)
    if key not in MAPPINGS or not isinstance(value, dict):
        return
    for name, inner in value.items():
        taken = MAPPINGS[key]
        if taken is not None and name not in taken:
            yield f"{key}.{shown(name)}", f"only {', '.join(taken)} can be set here; remove it"
        elif isinstance(inner, (dict, list)):
            yield f"{key}.{shown(name)}", f"must be a plain value, found `{shown(inner)}`"


def _deepspeed(value: Any) -> Iterator[Problem]:
    if isinstance(value, str):
        yield "deepspeed", "a file that no hash of the run covers; write its content here"
        return
    for name in value or ():
        if name not in DEEPSPEED:
            told = (
                f"DeepSpeed may be told {', '.join(DEEPSPEED)} here, for it can start programs and"
                " write elsewhere"
            )
            yield f"deepspeed.{shown(name)}", f"{told}; remove it"
    for path, leaf in _values(value, "deepspeed"):
        if isinstance(leaf, str) and leaf not in DEEPSPEED_WORDS:
            told = (
                f"must be a number, true, false or one of {', '.join(DEEPSPEED_WORDS)}, for other"
                " words may name a place"
            )
            yield path, f"{told}; found `{shown(leaf)}`"


def _values(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """leaves() without the names in mappings."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _values(inner, f"{path}.{shown(name)}")
    else:
        yield from leaves(value, path)


def _unknown_inside(key: str, value: Any, path: str) -> Iterator[Problem]:
    """Keys inside a model of Axolotl's that INSIDE does not name."""
    if isinstance(value, list):
        for index, entry in enumerate(value):
            yield from _unknown_inside(key, entry, f"{path}.{index}")
    if key not in INSIDE or not isinstance(value, dict):
        return
    for name, inner in value.items():
        if name in INSIDE[key]:
            yield from _unknown_inside(key, inner, f"{path}.{name}")
        else:
            yield f"{path}.{shown(name)}", FOLLOWS if key == "datasets" else UNJUDGED
