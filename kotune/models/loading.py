"""Loads a model's files safely.

An error that a library raises for these files becomes one message instead of a traceback. Only
checked files are loaded. Loading is offline, because a mirror could offer a file that did not exist
when the model was checked."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import reload
from pathlib import Path
from typing import Any

from kodata.errors import UserError, brief, on_one_line, shown
from kotune.errors import RecipeError
from kotune.models.generation import file_of
from kotune.models.presets import is_folder
from kotune.models.refusals import CONFIG, object_of, refuse, refuse_config

# Keys of a config.json that transformers must keep unchanged, if the model type has them.
SAME = (
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "vocab_size",
    "max_position_embeddings",
)


def checked_folder(base: str, revision: str | None = None) -> Path | None:
    """Check the folder of a model's files with refuse(), and return it. The folder of a hub model
    is in the cache. None if the cache does not have it. Raises RecipeError if the check fails."""
    folder = Path(base) if is_folder(base) else cached(base, revision or "main")
    if folder:
        refuse(base, folder)
    return folder


def cached(base: str, revision: str) -> Path | None:
    """The folder of a hub model's commit in the cache. None if the cache does not have it."""
    file = file_of(base, revision, CONFIG)
    return file.parent if file else None


@contextmanager
def model_errors(base: str, what: str, advice: str = "choose another model") -> Iterator[None]:
    """Context manager in which a model is loaded or used offline. Every error becomes a RecipeError
    that contains the model's name, the failure (`what`), the reason and the `advice`.

    Errors of kotune and kodata are not changed. An out-of-memory error of the GPU is not changed
    either, because the model is not its cause."""
    try:
        with offline():
            yield
    except UserError:
        raise
    except BaseException as error:
        kind = type(error).__name__
        # tokenizers and safetensors raise PanicException from Rust. It is not an Exception.
        if not isinstance(error, Exception) and kind != "PanicException":
            raise
        if kind == "OutOfMemoryError":
            raise
        reason = f"{kind}: {brief(error)}" if str(error) else kind
        raise RecipeError(f"model {base}: {what} ({on_one_line(reason)}); {advice}") from error


@contextmanager
def offline() -> Iterator[None]:
    """Context manager that has the effect of HF_HUB_OFFLINE=1. The hub's client reads that variable
    only when it is imported, so this changes the client's constant instead."""
    from huggingface_hub import constants

    before, was_imported = constants.HF_HUB_OFFLINE, "datasets.config" in sys.modules
    constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before
        # datasets copies the constant when it is imported. If that happened here, it is reloaded
        # with the user's value.
        if not was_imported and (copied := sys.modules.get("datasets.config")):
            reload(copied)


def config_of(base: str, revision: str | None) -> Any:
    """Build a model's configuration with transformers. Raises RecipeError if config.json or the
    built configuration fails a check of kotune.models.refusals, or if they have different values
    for a key in SAME."""
    from transformers import AutoConfig

    folder = checked_folder(base, revision)
    config = AutoConfig.from_pretrained(base, revision=revision or "main", trust_remote_code=False)
    built = {
        **json.loads(config.to_json_string(use_diff=False)),
        "_attn_implementation": config._attn_implementation,
    }
    refuse_config(base, built)
    file = object_of(base, folder / CONFIG) if folder else {}
    for key in SAME:
        if key in file and built.get(key, file[key]) != file[key]:
            raise RecipeError(
                f"model {base}: its config.json has {key} {shown(file[key])}, but transformers"
                f" reads {shown(built[key])}; choose another model"
            )
    return config
