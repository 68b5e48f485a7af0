"""Reads a model's type and maximum length from its config.json, and its generation settings from
its generation_config.json.

The report lists the generation settings, but scoring ignores them, except for token ids
(kotune.score.model). If scoring used them, a setting of one model, such as repetition_penalty,
would change only the scores of that model.

In every function, `base` is a hub id or an absolute folder. `revision` is the commit of a hub
model, whose files are read from the cache; None means a folder."""

import math
import re
from pathlib import Path

from kotune.models.refusals import CONFIG, GENERATION, object_of
from kotune.models.tokenizer_files import ModelConfig

# Keys of a generation_config.json that cannot change an answer, or that scoring keeps.
NO_SETTING = re.compile(
    r"transformers_version|_from_model_config|use_cache|output_\w+|return_dict\w*|\w+_token_id"
)
MAX_SETTINGS = 20  # the maximum number of settings that are reported for a model


def unused_settings(base: str, revision: str | None) -> ModelConfig:
    """The settings in a model's generation_config.json that could change answers. If there are more
    than MAX_SETTINGS, the first ones in alphabetical order."""
    settings = _content(base, revision, GENERATION)
    names = [
        key
        for key in sorted(settings)
        if not NO_SETTING.fullmatch(key) and settings[key] not in (None, False)
    ]
    return {key: settings[key] for key in names[:MAX_SETTINGS]}


def max_positions(base: str, revision: str | None) -> float:
    """The maximum length of a text in tokens, from the model's config.json; infinity if it is not
    set."""
    length = _content(base, revision, CONFIG).get("max_position_embeddings")
    return length if type(length) is int and length > 0 else math.inf


def model_type(base: str, revision: str | None) -> str:
    """The `model_type` in the model's config.json, for example llama; empty if it is not set."""
    return str(_content(base, revision, CONFIG).get("model_type") or "")


def _content(base: str, revision: str | None, name: str) -> ModelConfig:
    """The content of the JSON file `name` of a model; empty if there is no such file."""
    file = file_of(base, revision, name)
    return object_of(base, file) if file and file.is_file() else {}


def file_of(base: str, revision: str | None, name: str) -> Path | None:
    """The path of the file `name` of a model, in the folder `base` or in the hub's cache. None if
    the cache does not have the file. A file in a folder may be missing."""
    if revision is None:
        return Path(base) / name
    from huggingface_hub import try_to_load_from_cache

    path = try_to_load_from_cache(base, name, revision=revision)
    return Path(path) if isinstance(path, str) else None
