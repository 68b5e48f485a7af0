"""What a model says of itself beside its weights: how long a text it was made for, and how answers
should be written. The latter is told in the report and not done: one model's repetition_penalty
would be in its scores and not in the other's. (kotune.score.model keeps only the ids of tokens.)"""

import math
import re
from pathlib import Path

from kotune.models.refusals import CONFIG, GENERATION, object_of
from kotune.models.tokenizer_files import ModelConfig

NO_SETTING = re.compile(
    r"transformers_version|_from_model_config|use_cache|output_\w+|return_dict\w*|\w+_token_id"
)
MOST = 20  # settings that are told of one model


def unused_settings(base: str, revision: str | None) -> ModelConfig:
    """The settings of a model's generation_config.json that change answers; of a hub model out of
    the cache."""
    asked = _said(base, revision, GENERATION)
    told = [
        key
        for key in sorted(asked)
        if not NO_SETTING.fullmatch(key) and asked[key] not in (None, False)
    ]
    return {key: asked[key] for key in told[:MOST]}


def positions(base: str, revision: str | None) -> float:
    """The tokens that a model was made for, as its config.json says; infinity where it does not."""
    found = _said(base, revision, CONFIG).get("max_position_embeddings")
    return found if type(found) is int and found > 0 else math.inf


def kind(base: str, revision: str | None) -> str:
    """Its `model_type`, as llama; empty where it does not say."""
    return str(_said(base, revision, CONFIG).get("model_type") or "")


def _said(base: str, revision: str | None, name: str) -> ModelConfig:
    """What a JSON file of a model says; nothing where there is none."""
    file = file_of(base, revision, name)
    return object_of(base, file) if file and file.is_file() else {}


def file_of(base: str, revision: str | None, name: str) -> Path | None:
    """The place of a file of a model's, of a hub model in the cache; None where it is not there."""
    if revision is None:
        return Path(base) / name
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(base, name, revision=revision)
    return Path(found) if isinstance(found, str) else None
