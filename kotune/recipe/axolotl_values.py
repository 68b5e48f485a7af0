"""Checks the values in an `axolotl:` block. kotune.recipe.axolotl_block has already checked its
keys and types.

A number must not exceed the maximum for its key, which recipes/README.md lists. A key with fixed
choices must have one of them. A text must not be a path or an address."""

import re
from collections.abc import Iterator
from math import isfinite
from typing import Any, NamedTuple

from kotune.models.patterns import pattern_problem
from kotune.recipe.axolotl_keys import DATASET_KEYS, NESTED_KEYS, UNREVIEWED, AxolotlConfig
from kotune.recipe.strict_yaml import shown

Problem = tuple[str, str]  # (path of the key inside the block, the problem and what to do)


class Ceiling(NamedTuple):
    """The maximum absolute value of some keys.

    - `why`: the reason for the maximum, for messages
    - `keys`: the names of the keys, separated by spaces
    """

    maximum: float
    why: str
    keys: str


CEILINGS = (
    Ceiling(
        64,
        "each is a process with its own memory",
        "dataloader_num_workers dataset_num_proc dataset_processes",
    ),
    Ceiling(64, "batches that each worker keeps in memory", "dataloader_prefetch_factor"),
    Ceiling(
        131_072,
        "the longest text that Llama 3.2 reads",
        "sequence_len eval_sequence_len max_packed_sequence_len "
        "pad_to_multiple_of pose_max_context_len",
    ),
    Ceiling(1_024, "rows that a GPU holds at once", "micro_batch_size eval_batch_size"),
    Ceiling(65_536, "examples of one optimizer step", "batch_size gradient_accumulation_steps"),
    Ceiling(1_000, "passes through the data", "num_epochs"),
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
_CEILING_OF = {key: ceiling for ceiling in CEILINGS for key in ceiling.keys.split()}
_DEFAULT_CEILING = Ceiling(1e12, "no setting is that large", "")
_NON_NEGATIVE = CEILINGS[0].keys.split()  # the numbers of processes
POSITIVE = (  # keys whose value must be above 0
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
# For each key with fixed choices: the choices, and the reason why no other value is accepted.
CHOICES: dict[str, tuple[tuple[Any, ...], str]] = {
    "attn_implementation": (
        ("eager", "sdpa", "flex_attention", "xformers", "sage", "fp8"),
        f"{_HUB}; kotune uses flash attention by itself if flash_attn is installed",
    ),
    "experts_implementation": (("eager", "batched_mm", "grouped_mm"), _HUB),
    "large_head_attention": (("auto", "sdpa", "triton_flash"), _HUB),
    "peft_init_lora_weights": (
        (True, False, "gaussian"),
        (
            "the others change the base model's weights, so base and tuned could no longer be"
            " compared"
        ),
    ),
    "save_safetensors": ((True,), "the other format is a pickle, which can run code"),
    "sample_packing_mp_start_method": (("fork", "spawn", "forkserver"), "Python has no other"),
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
        "transformers has no other",
    ),
}
# For each key for which Axolotl accepts any mapping: the names that a recipe may set in the
# mapping. None means every name. The values in the mapping must not be mappings or lists.
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
    # torch.compile's other options name programs (cpp.cxx), folders or files, or make it write
    # code.
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
# The DeepSpeed keys that a recipe may set. Other keys can start programs, send metrics, or write to
# other folders.
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
DEEPSPEED_WORDS = ("auto", "cpu", "none")  # values that are not paths
# Keys whose strings are text for the language model, of up to MAX_TEXT characters. A string of
# another key must match WORD, unless the key is in PATTERNS.
TEXT = (
    "added_tokens_overrides",
    "default_system_message",
    "eot_tokens",
    "role_boundaries",
    "special_tokens",
    "tokens",
)
# Keys whose values are names of the model's modules, or patterns for these names. peft and
# transformers match them as regular expressions.
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
NOT_A_DATASET_KEY = (
    f"follows from `data`; remove it, because only {', '.join(DATASET_KEYS)} can be set in"
    " `datasets`"
)
WORD = re.compile(r"[^/\\~\n\t]{0,200}")  # a name that cannot be a path or an address
MAX_TEXT = 2_000  # maximum number of characters of a text


def problems(block: AxolotlConfig) -> list[Problem]:
    """A problem for every value of the block that is not allowed for its key. The keys and types of
    the block must be valid."""
    return [problem for key, value in block.items() for problem in _problems_of(key, value)]


def _problems_of(key: str, value: Any) -> list[Problem]:
    """The problems of one top-level key. The numbers and texts inside the value are checked only if
    the other checks find nothing."""
    problems = [
        *_choice_problems(key, value),
        *_mapping_problems(key, value),
        *_nested_problems(key, value, key),
        *_pattern_problems(key, value),
    ]
    return problems or [
        problem for path, leaf in leaves(value, key) for problem in _leaf_problems(key, path, leaf)
    ]


def leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Every number, text, boolean and null inside a value, with its path. The names in mappings are
    included, because they are text too. `path`: the path of `value` itself."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield f"{path}.{shown(name)}", name
            yield from leaves(inner, f"{path}.{shown(name)}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from leaves(inner, f"{path}.{index}")
    else:
        yield path, value


def _leaf_problems(key: str, path: str, value: Any) -> Iterator[Problem]:
    """The problems of one number or text. `key`: the top-level key that contains it. `path`: its
    own path."""
    if isinstance(value, str):
        if key in POSITIVE:
            yield path, f"must be a number above 0, found `{shown(value)}`"
        elif key not in TEXT and key not in PATTERNS and not WORD.fullmatch(value):
            message = (
                "must be a name of at most 200 characters, not a path or an address; found"
                f" `{shown(value)}`"
            )
            yield path, f"{message}; use a name without / and ~"
        elif len(value) > MAX_TEXT:
            yield path, f"has {len(value):,} characters; write at most {MAX_TEXT:,}"
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield from _number_problems(key, path, value)


def _number_problems(key: str, path: str, value: float) -> Iterator[Problem]:
    """The problem of a number that is outside the range of its key, if any."""
    ceiling = _CEILING_OF.get(key, _DEFAULT_CEILING)
    if key in POSITIVE and not (value > 0 and isfinite(value)):
        yield path, f"must be a number above 0, found `{shown(value)}`"
    elif not isfinite(value):
        yield path, f"must be a finite number, found `{value}`; change the value"
    elif abs(value) > ceiling.maximum:
        limit = f"at most {ceiling.maximum:,.0f} ({ceiling.why})"
        yield path, f"{limit}, found `{shown(value)}`; use a smaller number"
    elif value < 0 and key in _NON_NEGATIVE:
        yield path, f"must be 0 or more, found `{shown(value)}`; change the value"


def _choice_problems(key: str, value: Any) -> list[Problem]:
    """A problem for each value that is not among the fixed choices of its key. A list may have
    several values."""
    if key not in CHOICES:
        return []
    choices, why = CHOICES[key]
    known = ", ".join(
        str(choice).lower() if isinstance(choice, bool) else choice for choice in choices
    )
    message = f"must be {'one of ' * (len(choices) > 1)}{known}: {why}; found"
    values = value if isinstance(value, list) else [value]
    return [
        (key, f"{message} `{shown(each)}`")
        for each in values
        if each is not None and each not in choices
    ]


def _pattern_problems(key: str, value: Any) -> list[Problem]:
    """A problem if the key's value has a pattern that may take very long to match."""
    if key not in PATTERNS:
        return []
    message = pattern_problem([leaf for _, leaf in leaves(value, key) if isinstance(leaf, str)])
    return [(key, message)] if message else []


def _mapping_problems(key: str, value: Any) -> Iterator[Problem]:
    """The problems of a mapping for which Axolotl's schema accepts any keys."""
    if key == "deepspeed":
        yield from _deepspeed_problems(value)
    if key not in MAPPINGS or not isinstance(value, dict):
        return
    for name, inner in value.items():
        allowed = MAPPINGS[key]
        if allowed is not None and name not in allowed:
            yield f"{key}.{shown(name)}", f"only {', '.join(allowed)} can be set here; remove it"
        elif isinstance(inner, (dict, list)):
            yield f"{key}.{shown(name)}", f"must be a plain value, found `{shown(inner)}`"


def _deepspeed_problems(value: Any) -> Iterator[Problem]:
    """The problems of the value of `deepspeed`, which must be a mapping of allowed keys."""
    if isinstance(value, str):
        yield (
            "deepspeed",
            "is a file, which the run's hash does not cover; write the file's content here",
        )
        return
    for name in value or ():
        if name not in DEEPSPEED:
            message = (
                f"only {', '.join(DEEPSPEED)} can be set for DeepSpeed; other keys can start"
                " programs or write elsewhere"
            )
            yield f"deepspeed.{shown(name)}", f"{message}; remove it"
    for path, leaf in _values(value, "deepspeed"):
        if isinstance(leaf, str) and leaf not in DEEPSPEED_WORDS:
            message = (
                f"must be a number, true, false or one of {', '.join(DEEPSPEED_WORDS)}, because"
                " other words may be paths"
            )
            yield path, f"{message}; found `{shown(leaf)}`"


def _values(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Like leaves(), but without the names in mappings."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _values(inner, f"{path}.{shown(name)}")
    else:
        yield from leaves(value, path)


def _nested_problems(key: str, value: Any, path: str) -> Iterator[Problem]:
    """A problem for every key inside `value` that NESTED_KEYS does not list for `key`."""
    if isinstance(value, list):
        for index, entry in enumerate(value):
            yield from _nested_problems(key, entry, f"{path}.{index}")
    if key not in NESTED_KEYS or not isinstance(value, dict):
        return
    for name, inner in value.items():
        if name in NESTED_KEYS[key]:
            yield from _nested_problems(key, inner, f"{path}.{name}")
        else:
            yield f"{path}.{shown(name)}", NOT_A_DATASET_KEY if key == "datasets" else UNREVIEWED
