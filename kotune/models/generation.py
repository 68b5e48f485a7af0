"""Reads a model's type, its maximum length and its generation settings from its config.json and
generation_config.json.

The report lists the generation settings, but scoring does not use them. Otherwise, for example, a
repetition_penalty of one model would affect only the scores of that model. kotune.score.model keeps
only the token ids of these settings."""

import math
import re
from pathlib import Path

from kotune.models.refusals import CONFIG, GENERATION, object_of
from kotune.models.tokenizer_files import ModelConfig

NO_SETTING = re.compile(
    r"transformers_version|_from_model_config|use_cache|output_\w+|return_dict\w*|\w+_token_id"
)
MAX_SETTINGS = 20  # settings of one model that are reported


def unused_settings(base: str, revision: str | None) -> ModelConfig:
    """The settings in a model's generation_config.json that could change answers, at most
    MAX_SETTINGS. For a hub model, the file is read from the cache."""
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
    """The content of a JSON file of a model; empty if there is no such file."""
    file = file_of(base, revision, name)
    return object_of(base, file) if file and file.is_file() else {}


def file_of(base: str, revision: str | None, name: str) -> Path | None:
    """The path of a model's file. If `revision` is None, it is in the folder `base`; otherwise it
    is in the hub's cache. None if the cache does not have the file."""
    if revision is None:
        return Path(base) / name
    from huggingface_hub import try_to_load_from_cache

    path = try_to_load_from_cache(base, name, revision=revision)
    return Path(path) if isinstance(path, str) else None
