"""Models from the hub: fetched whole before anything starts, so that a missing permission is told before the clock runs."""

import json
from pathlib import Path
from typing import Any

from kodata.reading.hub import explained, patiently
from kotune.errors import RecipeError
from kotune.layout import TEMPLATE
from kotune.models.rendering import harm

TOKENIZER = ["*.json", "*.jinja", "tokenizer.model"]
WEIGHTS = ["*.safetensors"]  # safetensors only: no pickled weights


def fetch(base: str, weights: bool = True) -> str | None:
    """Download a hub model, or all of it but its weights, into the hub's cache; its commit hash, or None for a local folder.

    kodata's HubError when the hub does not answer, HubDeniedError when it says no (gated, unknown, token); RecipeError for
    a model that comes as pickles, or that needs code of its own.
    """
    local = Path(base).is_dir()
    folder = Path(base) if local else patiently(lambda: _attempt(base, weights))
    if weights and not local and not any(folder.glob("*.safetensors")):
        raise RecipeError(f"model {base}: the hub has no safetensors of it, and a pickle can run code; choose another")
    refuse_code(base, folder)
    return None if local else folder.name


def refuse_code(base: str, folder: Path) -> None:
    """RecipeError for a model of a kind that transformers does not have: its own code would have to run."""
    config: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    if "auto_map" not in config:  # importing transformers takes seconds
        return
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

    if config.get("model_type") not in CONFIG_MAPPING_NAMES:
        raise RecipeError(
            f"model {base}: its config.json names code of its own (auto_map), and code that comes with a model is never "
            "run; choose a model of a kind that transformers has"
        )


def _attempt(base: str, weights: bool) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(base, allow_patterns=TOKENIZER + WEIGHTS * weights))
    except Exception as error:
        raise explained(error, f"model {base}", f"https://huggingface.co/{base}") from None


def write_own_template(base: str, root: Path) -> None:
    """Where kotune brings no template, the tokenizer's own becomes the run's chat_template.jinja."""
    target = root / TEMPLATE
    if target.exists():
        return
    from transformers import AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(base, trust_remote_code=False)
    if not tokenizer.chat_template:
        raise RecipeError(f"model {base}: its tokenizer has no chat template; name one with `template:` in the recipe")
    if told := harm(tokenizer.chat_template):
        raise RecipeError(f"model {base}: its tokenizer's chat template {told}, or name another with `template:`")
    target.write_text(tokenizer.chat_template, encoding="utf-8")
