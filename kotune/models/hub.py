"""Models from the hub: fetched whole before anything starts, so that a missing permission is told before the clock runs."""

from pathlib import Path
from typing import Any

from kodata.hub import explained, patiently
from kotune.axolotl_config import TEMPLATE_FILE
from kotune.errors import RecipeError

TOKENIZER = ["*.json", "*.jinja", "tokenizer.model"]
WEIGHTS = ["*.safetensors"]  # safetensors only: no pickled weights


def fetch(base: str, weights: bool = True) -> str | None:
    """Download a hub model, or all of it but its weights, into the hub's cache; its commit hash, or None for a local folder.

    kodata's HubError when the hub does not answer, HubDeniedError when it says no (gated, unknown, token).
    """
    return None if Path(base).is_dir() else patiently(lambda: _attempt(base, weights))


def _attempt(base: str, weights: bool) -> str:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(base, allow_patterns=TOKENIZER + WEIGHTS * weights)).name
    except Exception as error:
        raise explained(error, f"model {base}", f"https://huggingface.co/{base}") from None


def write_own_template(base: str, root: Path) -> None:
    """Where kotune brings no template, the tokenizer's own becomes the run's chat_template.jinja."""
    target = root / TEMPLATE_FILE
    if target.exists():
        return
    from transformers import AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(base)
    if not tokenizer.chat_template:
        raise RecipeError(f"model {base}: its tokenizer has no chat template; name one with `template:` in the recipe")
    target.write_text(tokenizer.chat_template, encoding="utf-8")
