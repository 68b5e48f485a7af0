"""Loads a model's files safely: only checked files, and without access to the hub.

With access, a library could download a file that did not exist when the model was checked. If a
library cannot load the files, its exception becomes one message instead of a traceback."""

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

# Keys of a config.json whose values transformers must not change when it reads the file. A model
# type may lack some of them.
SAME = (
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "vocab_size",
    "max_position_embeddings",
)


def checked_folder(base: str, revision: str | None = None) -> Path | None:
    """Check a model's folder with refuse() and return it. For a hub model, this is the folder in
    the cache, or None if the cache lacks the model. Raises RecipeError if the check fails.

    `revision`: the commit of a hub model; None means the commit that the cache has for `main`."""
    folder = Path(base) if is_folder(base) else cached(base, revision or "main")
    if folder:
        refuse(base, folder)
    return folder


def cached(base: str, revision: str) -> Path | None:
    """The folder of a hub model's commit in the cache. None if the cache lacks the commit."""
    file = file_of(base, revision, CONFIG)
    return file.parent if file else None


@contextmanager
def model_errors(base: str, what: str, advice: str = "choose another model") -> Iterator[None]:
    """Context manager for code that loads or uses a model. It switches off access to the hub, and
    turns every exception into a RecipeError.

    The message has the model's name, the failure (`what`), the exception and the `advice`. A
    UserError is raised unchanged. An out-of-memory error of the GPU is raised unchanged too,
    because the model is not its cause."""
    try:
        with offline():
            yield
    except UserError:
        raise
    except BaseException as error:
        kind = type(error).__name__
        # tokenizers and safetensors are written in Rust. Their PanicException is a BaseException,
        # but not an Exception.
        if not isinstance(error, Exception) and kind != "PanicException":
            raise
        if kind == "OutOfMemoryError":
            raise
        reason = f"{kind}: {brief(error)}" if str(error) else kind
        if "trust_remote_code" in str(error):
            reason = "it has code of its own, and code that comes with a model is never run"
        raise RecipeError(f"model {base}: {what} ({on_one_line(reason)}); {advice}") from error


@contextmanager
def offline() -> Iterator[None]:
    """Context manager with the effect of HF_HUB_OFFLINE=1. The hub's client reads that variable
    only when it is imported, so its constant is changed instead."""
    from huggingface_hub import constants

    before, was_imported = constants.HF_HUB_OFFLINE, "datasets.config" in sys.modules
    constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before
        # datasets.config copies the constant when it is imported. If it was imported in this
        # context, it has the wrong value and is reloaded.
        if not was_imported and (copied := sys.modules.get("datasets.config")):
            reload(copied)


def config_of(base: str, revision: str | None) -> Any:
    """A model's configuration, built by transformers. `base` and `revision`: as in
    checked_folder().

    Raises RecipeError if config.json or the built configuration fails a check of
    kotune.models.refusals, or if the two have different values for a key in SAME."""
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
