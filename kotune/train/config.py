"""A recipe as the YAML that `axolotl train` reads. Paths are relative to the run folder, in which
Axolotl is started.

Order of precedence: recipes/defaults.yml `axolotl`, its `cpu` or `cuda` block, the recipe's own
`axolotl`, and last what follows from the recipe's other keys (model, adapter, data, seed), which a
recipe cannot set twice."""

from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import yaml

from kodata.reading.regular import content
from kotune.errors import StageError
from kotune.layout import CHECKPOINTS, CONFIG, PREPARED, TEMPLATE
from kotune.models import generation, presets
from kotune.recipe.axolotl_block import AUTO
from kotune.recipe.axolotl_keys import AxolotlConfig
from kotune.recipe.reading import defaults
from kotune.recipe.schema import Recipe
from kotune.train import upstream
from kotune.worker.device import Device

BUILT_ON_IT = ("activation_offloading", "selective_checkpointing", "gradient_checkpointing_kwargs")
FLASH_ATTENTION = "2.3.3"
# Keys that split the weights across processes: their memory is not predicted.
SPLIT = ("deepspeed", "fsdp", "fsdp_config")
OVERFLOWS = ("gemma3",)  # kinds of models whose numbers are too large for fp16
PLUGIN = "kotune.plugin.KotunePlugin"  # a name that stands in run folders: its module does not move
# A recipe's key takes the place of a default that Axolotl refuses, or silently prefers, beside it.
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


# Of these the default is taken away where there are fewer training rows: our plugin evaluates after
# the last step anyway, and more would cost more than the training.
EVALUATIONS, FEW = "evals_per_epoch", 500


def config(
    recipe: Recipe,
    device: Device,
    revision: str | None = None,
    rows: int | None = None,
    is_old: bool = False,
) -> AxolotlConfig:
    """The whole Axolotl configuration of a recipe on a device; `revision` pins a hub model's
    commit. `rows` that are trained on, None where they are not known yet. `is_old`: the device is a
    GPU without bf16 of its own."""
    base = defaults()
    under = {**base.axolotl, **(base.cuda if device == "cuda" else base.cpu)}
    if device == "cuda":
        under |= _of_gpu(presets.find(recipe.model, recipe.template).base, revision, is_old)
    if recipe.axolotl.get("bf16"):
        under.pop("fp16", None)  # of an old GPU: transformers refuses both
    replaced = {REPLACES[key] for key in recipe.axolotl if key in REPLACES}
    if rows is not None and rows < FEW:
        replaced.add(EVALUATIONS)
    kept = {key: value for key, value in under.items() if key not in replaced}
    chosen = upstream.split_batch({**kept, **recipe.axolotl})
    overlay = (chosen.pop("datasets", None) or [{}])[0]
    if chosen.get(AUTO[0]) == AUTO[1]:
        chosen[AUTO[0]] = device == "cuda"
    return {**_model_keys(recipe, revision), **chosen, **_data_keys(overlay), **_run_keys(recipe)}


def is_auto(recipe: Recipe) -> bool:
    """Whether a run on a GPU may switch gradient checkpointing off: it changes no result, so that
    axolotl.yml, which is the same for every GPU, has it on. Not where something else that the
    recipe asks for builds on it, or splits the weights."""
    asked = {**defaults().cuda, **recipe.axolotl}
    return asked.get(AUTO[0]) == AUTO[1] and not any(asked.get(key) for key in BUILT_ON_IT + SPLIT)


def _of_gpu(base: str, revision: str | None, is_old: bool) -> AxolotlConfig:
    """What follows from the GPU: below capability 8.0 torch says that bf16 is supported and
    imitates it, slowly, and flash attention has no kernels."""
    if not is_old:
        return {"attn_implementation": "flash_attention_2" if _has_flash_attention() else "sdpa"}
    is_too_large = generation.model_type(base, revision).startswith(OVERFLOWS)
    return {"attn_implementation": "sdpa", "bf16": False, "fp16": not is_too_large, "tf32": False}


def _has_flash_attention() -> bool:
    """As transformers (5.16) looks for it, without importing it: what is called flash_attn may also
    be its successor, of another interface."""
    try:
        found = metadata.version("flash-attn")
    except metadata.PackageNotFoundError:
        return False
    from packaging.version import InvalidVersion, Version  # comes with whatever flash-attn runs on

    try:
        return Version(found) >= Version(FLASH_ATTENTION) and find_spec("flash_attn") is not None
    except InvalidVersion:
        return False


def render(
    recipe: Recipe,
    device: Device,
    revision: str | None = None,
    rows: int | None = None,
    is_old: bool = False,
) -> str:
    """The configuration as YAML text, keys in a reader's order."""
    head = (
        f"# Written by kotune for a {device} machine; start it in this folder with: axolotl train"
        " axolotl.yml\n"
    )
    found = config(recipe, device, revision, rows, is_old)
    if rows is None and EVALUATIONS in found and EVALUATIONS not in recipe.axolotl:
        head += (
            f"# A run leaves {EVALUATIONS} out below {FEW} training rows: they are evaluated once,"
            " after the last step.\n"
        )
    return head + yaml.safe_dump(found, sort_keys=False, allow_unicode=True)


def refuse_foreign(root: Path, recipe: Recipe, text: str) -> None:
    """StageError for an axolotl.yml, or a template of ours, in the run folder `root` that is not
    what the recipe makes, although run.json says that it was made: both may be a stranger's, and an
    axolotl.yml can say that code is run. `text`: of axolotl.yml, as it is rendered now."""
    template = presets.find(recipe.model, recipe.template).template
    wanted = {CONFIG: text}
    if template:
        wanted[TEMPLATE] = template.read_text(encoding="utf-8")
    for name, text in wanted.items():
        if not _holds(root / name, text.encode()):
            raise StageError(
                f"{root / name}: not what this recipe makes; take the file away, and it is made"
                " again"
            )


def _holds(path: Path, data: bytes) -> bool:
    try:
        return content(path, len(data)) == data
    except OSError:  # longer, or no file
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
    if model.pad:
        keys["special_tokens"] = {"pad_token": model.pad}
    return keys


def _data_keys(overlay: AxolotlConfig) -> AxolotlConfig:
    def entry(part: str) -> AxolotlConfig:
        return {
            "ds_type": "json",
            "type": "chat_template",
            "split": "train",  # the only split that a JSON Lines file has
            "field_messages": "messages",
            "message_property_mappings": {"role": "role", "content": "content"},
            "roles_to_train": ["assistant"],
            "train_on_eos": "turn",
            "message_field_training": (
                "train"
            ),  # false where an answer is not to be learned; most rows have none
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
        # Keys that are absent from a config make Axolotl talk to services; named here, they stay
        # off unless asked for.
        **{
            key: recipe.axolotl.get(key, False)
            for key in ("use_wandb", "use_mlflow", "use_comet", "use_tensorboard")
        },
    }
