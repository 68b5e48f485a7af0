"""What a model says of how answers should be written. It is told in the report and not done: one model's repetition_penalty
would be in its scores and not in the other's. (kotune.score.model keeps only the ids of tokens.)"""

import re
from pathlib import Path
from typing import Any

from kotune.models.refusals import GENERATION, object_of

NO_SETTING = re.compile(r"transformers_version|_from_model_config|use_cache|output_\w+|return_dict\w*|\w+_token_id")
MOST = 20  # settings that are told of one model


def unused_settings(base: str, revision: str | None) -> dict[str, Any]:
    """The settings of a model's generation_config.json that change answers; of a hub model out of the cache."""
    file = Path(base) / GENERATION if revision is None else _of_hub(base, revision)
    if file is None or not file.is_file():
        return {}
    asked = object_of(base, file)
    told = [key for key in sorted(asked) if not NO_SETTING.fullmatch(key) and asked[key] not in (None, False)]
    return {key: asked[key] for key in told[:MOST]}


def _of_hub(base: str, revision: str) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(base, GENERATION, revision=revision)
    return Path(found) if isinstance(found, str) else None
