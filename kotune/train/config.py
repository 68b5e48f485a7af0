"""Renders a recipe as the YAML file for `axolotl train`. Paths are relative to the run folder,
which is the current directory of Axolotl.

A key can have several sources, and a later source overrides an earlier one. The sources are, in
order: the `axolotl` block of recipes/defaults.yml, the `cpu` or `cuda` block of the same file, the
recipe's `axolotl` block, and the keys derived from the recipe's model, adapter, data and seed. A
recipe's `axolotl` block cannot set the derived keys."""

from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import yaml

from kodata.reading.regular import content
from kotune.errors import StageError
from kotune.layout import CHECKPOINTS, CONFIG, PREPARED, TEMPLATE
from kotune.models import generation, presets
from kotune.models.template_kwargs import with_kwargs
from kotune.recipe.axolotl_block import AUTO
from kotune.recipe.axolotl_keys import AxolotlConfig
from kotune.recipe.reading import defaults
from kotune.recipe.schema import Recipe
from kotune.train import upstream
from kotune.worker.device import Device

# Keys of features that need gradient checkpointing.
NEED_CHECKPOINTING = (
    "activation_offloading",
    "selective_checkpointing",
    "gradient_checkpointing_kwargs",
)
FLASH_ATTENTION = "2.3.3"  # the oldest version of flash-attn that transformers accepts
# Keys that split the weights across processes. With these keys, memory cannot be predicted.
SPLIT = ("deepspeed", "fsdp", "fsdp_config")
OVERFLOWS = ("gemma3",)  # model types whose activations overflow in fp16
PLUGIN = "kotune.plugin.KotunePlugin"  # in axolotl.yml of existing runs, so it must not be renamed
# If a recipe sets the key on the left, kotune removes its own default for the key on the right.
# With both keys, Axolotl would raise an error or silently use the default.
REPLACES = {
    "gradient_accumulation_steps": "batch_size",
    "save_steps": "saves_per_epoch",
    "save_strategy": "saves_per_epoch",
    "eval_steps": "evals_per_epoch",
    "eval_strategy": "evals_per_epoch",
    "warmup_steps": "warmup_ratio",
    "flash_attention": "attn_implementation",
    "lora_target_modules": "lora_target_linear",
}

# With fewer than FEW training rows, several evaluations would take longer than training. So the
# default of the key EVALUATIONS is removed. Our plugin evaluates after the last step anyway.
EVALUATIONS, FEW = "evals_per_epoch", 500


def config(
    recipe: Recipe,
    device: Device,
    revision: str | None = None,
    rows: int | None = None,
    is_old: bool = False,
) -> AxolotlConfig:
    """The whole Axolotl configuration of a recipe on a device.

    `revision`: the commit of a hub model, None for a local folder. `rows`: the number of training
    rows, None if not known yet. `is_old`: whether the device is a GPU without native bf16."""
    base = defaults()
    lower = {**base.axolotl, **(base.cuda if device == "cuda" else base.cpu)}  # the defaults
    if device == "cuda":
        lower |= _gpu_keys(presets.find(recipe.model, recipe.template).base, revision, is_old)
    if recipe.axolotl.get("bf16"):
        lower.pop("fp16", None)  # the default of an old GPU; transformers refuses both
    replaced = {REPLACES[key] for key in recipe.axolotl if key in REPLACES}
    if rows is not None and rows < FEW:
        replaced.add(EVALUATIONS)
    kept = {key: value for key, value in lower.items() if key not in replaced}
    chosen = upstream.split_batch({**kept, **recipe.axolotl})
    overlay = (chosen.pop("datasets", None) or [{}])[0]
    if chosen.get(AUTO[0]) == AUTO[1]:
        chosen[AUTO[0]] = device == "cuda"
    return {**_model_keys(recipe, revision), **chosen, **_data_keys(overlay), **_run_keys(recipe)}


def is_auto(recipe: Recipe) -> bool:
    """Whether kotune decides at the start of training if gradient checkpointing is on (AUTO).

    axolotl.yml is the same for every GPU and switches checkpointing on. Training without
    checkpointing gives the same results. Returns False if the recipe itself switches checkpointing
    on or off. Also returns False if another key needs checkpointing or splits the weights."""
    keys = {**defaults().cuda, **recipe.axolotl}
    is_needed = any(keys.get(key) for key in NEED_CHECKPOINTING + SPLIT)
    return keys.get(AUTO[0]) == AUTO[1] and not is_needed


def _gpu_keys(base: str, revision: str | None, is_old: bool) -> AxolotlConfig:
    """The keys for attention and precision, which depend on the GPU. `base`: a hub id or a folder.

    `is_old`: whether the GPU's compute capability is below 8.0. On such a GPU, torch reports bf16
    as supported but emulates it slowly, and flash attention has no kernels."""
    if not is_old:
        return {"attn_implementation": "flash_attention_2" if _has_flash_attention() else "sdpa"}
    overflows = generation.model_type(base, revision).startswith(OVERFLOWS)
    return {"attn_implementation": "sdpa", "bf16": False, "fp16": not overflows, "tf32": False}


def _has_flash_attention() -> bool:
    """Whether a usable flash attention is installed, by the rule of transformers (5.16). Nothing is
    imported.

    The package flash-attn must be installed in a recent version. The module flash_attn alone is
    not enough, because the package's successor has a module of that name with another interface."""
    try:
        installed = metadata.version("flash-attn")
    except metadata.PackageNotFoundError:
        return False
    from packaging.version import InvalidVersion, Version  # a dependency of torch's environment

    try:
        is_recent = Version(installed) >= Version(FLASH_ATTENTION)
        return is_recent and find_spec("flash_attn") is not None
    except InvalidVersion:
        return False


def render(
    recipe: Recipe,
    device: Device,
    revision: str | None = None,
    rows: int | None = None,
    is_old: bool = False,
) -> str:
    """The content of axolotl.yml: config() as YAML, after comments for the reader. The arguments
    are the same as in config()."""
    head = (
        f"# Written by kotune for a {device} machine; start it in this folder with: axolotl train"
        " axolotl.yml\n"
    )
    keys = config(recipe, device, revision, rows, is_old)
    if rows is None and EVALUATIONS in keys and EVALUATIONS not in recipe.axolotl:
        head += (
            f"# With fewer than {FEW} training rows a run drops {EVALUATIONS} and evaluates once,"
            " after the last step.\n"
        )
    return head + yaml.safe_dump(keys, sort_keys=False, allow_unicode=True)


def refuse_foreign(root: Path, recipe: Recipe, text: str) -> None:
    """Raise StageError if axolotl.yml or the chat template in the run folder `root` differs from
    what the recipe gives. A tokenizer's own template is not compared.

    The folder may be untrusted, and an axolotl.yml can run code. `text`: the expected content of
    axolotl.yml, just rendered from the recipe."""
    template = presets.find(recipe.model, recipe.template).template
    expected = {CONFIG: text}
    if template:
        expected[TEMPLATE] = with_kwargs(
            template.read_text(encoding="utf-8"), recipe.template_kwargs
        )
    for name, text in expected.items():
        if not _holds(root / name, text.encode()):
            raise StageError(
                f"{root / name}: not what this recipe makes; remove the file, and the run writes it"
                " again"
            )


def _holds(path: Path, data: bytes) -> bool:
    """Whether a file exists and its content is exactly `data`."""
    try:
        return content(path, len(data)) == data
    except OSError:  # longer than expected, or missing
        return False


def _model_keys(recipe: Recipe, revision: str | None) -> AxolotlConfig:
    model = presets.find(recipe.model, recipe.template)
    keys: AxolotlConfig = {
        "base_model": model.base,
        "adapter": recipe.adapter,
        "load_in_4bit": recipe.adapter == "qlora",
        "chat_template": "jinja",
        "chat_template_jinja": TEMPLATE,
    }
    if revision:
        keys["revision_of_model"] = revision
    if model.end_of_turn:
        keys["eot_tokens"] = [model.end_of_turn]
    if recipe.template_kwargs:
        keys["chat_template_kwargs"] = dict(recipe.template_kwargs)
    if model.pad:
        keys["special_tokens"] = {"pad_token": model.pad}
    return keys


def _data_keys(overlay: AxolotlConfig) -> AxolotlConfig:
    """The keys for the data. `overlay`: the recipe's own settings of a data set. They override all
    settings here except the path."""

    def entry(part: str) -> AxolotlConfig:
        return {
            "ds_type": "json",
            "type": "chat_template",
            "split": "train",  # the only split of a JSON Lines file
            "field_messages": "messages",
            "message_property_mappings": {"role": "role", "content": "content"},
            "roles_to_train": ["assistant"],
            "train_on_eos": "turn",
            # A row's `train: false` excludes an answer from training; most rows have no such key.
            "message_field_training": "train",
            **overlay,
            "path": f"data/{part}.jsonl",
        }

    return {
        "datasets": [entry("train")],
        "test_datasets": [entry("validation")],
        "dataset_prepared_path": PREPARED,
    }


def _run_keys(recipe: Recipe) -> AxolotlConfig:
    return {
        "output_dir": CHECKPOINTS,
        "seed": recipe.seed,
        "plugins": [PLUGIN],
        "auto_resume_from_checkpoints": True,
        # Axolotl contacts some services if these keys are absent. With the value False they stay
        # off, unless the recipe switches them on.
        **{
            key: recipe.axolotl.get(key, False)
            for key in ("use_wandb", "use_mlflow", "use_comet", "use_tensorboard")
        },
    }
