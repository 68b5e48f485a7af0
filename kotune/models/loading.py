"""Whatever a library raises over a model's files means that they are at fault: one message instead
of a traceback. And what is loaded is what was judged: nobody is asked for a file that was not there
then, which a mirror may offer by now."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import reload
from pathlib import Path
from typing import Any

from kodata.errors import DataError, brief, on_one_line, shown
from kotune.errors import KotuneError, RecipeError
from kotune.models.generation import file_of
from kotune.models.presets import is_folder
from kotune.models.refusals import CONFIG, object_of, refuse, refuse_config

# Of a configuration, what transformers takes over as it stands, where a kind of model has it.
SAME = (
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "vocab_size",
    "max_position_embeddings",
)


def judged(base: str, revision: str | None = None) -> Path | None:
    """The folder of a model's files, of a hub model in the cache (None where it is not there).
    RecipeError as refuse() has it."""
    folder = Path(base) if is_folder(base) else cached(base, revision or "main")
    if folder:
        refuse(base, folder)
    return folder


def cached(base: str, revision: str) -> Path | None:
    """The folder of a hub model's commit; None where it is not in the cache."""
    file = file_of(base, revision, CONFIG)
    return file.parent if file else None


@contextmanager
def blaming(base: str, what: str, mend: str = "choose another model") -> Iterator[None]:
    """`what` of a model is loaded or used here, and the hub is not asked. RecipeError, with what to
    do (`mend`), for whatever is raised; a GPU whose memory is full is not the model's fault."""
    try:
        with offline():
            yield
    except (KotuneError, DataError):
        raise
    except BaseException as error:
        kind = type(error).__name__
        # Of Rust: tokenizers, safetensors.
        if not isinstance(error, Exception) and kind != "PanicException":
            raise
        if kind == "OutOfMemoryError":
            raise
        told = f"{kind}: {brief(error)}" if str(error) else kind
        raise RecipeError(f"model {base}: {what} ({on_one_line(told)}); {mend}") from error


@contextmanager
def offline() -> Iterator[None]:
    """As with HF_HUB_OFFLINE=1, which is read but once, when the hub's client is imported."""
    from huggingface_hub import constants

    before, known = constants.HF_HUB_OFFLINE, "datasets.config" in sys.modules
    constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before
        # It was imported here, and took ours for the user's.
        if not known and (copied := sys.modules.get("datasets.config")):
            reload(copied)


def config_of(base: str, revision: str | None) -> Any:
    """A model's configuration as transformers makes it. RecipeError where it is not that of the
    config.json which was judged."""
    from transformers import AutoConfig

    folder = judged(base, revision)
    config = AutoConfig.from_pretrained(base, revision=revision or "main", trust_remote_code=False)
    made = {
        **json.loads(config.to_json_string(use_diff=False)),
        "_attn_implementation": config._attn_implementation,
    }
    refuse_config(base, made)
    said = object_of(base, folder / CONFIG) if folder else {}
    for key in SAME:
        if key in said and made.get(key, said[key]) != said[key]:
            raise RecipeError(
                f"model {base}: transformers reads {key} {shown(made[key])} where its config.json"
                f" says {shown(said[key])}; choose another model"
            )
    return config
