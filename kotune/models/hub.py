"""Models from the hub: fetched whole before anything starts, so that a missing permission is told before the clock runs."""

from pathlib import Path
from typing import Any

from kotune.axolotl_config import TEMPLATE_FILE
from kotune.errors import RecipeError, TryAgainError

FILES = ["*.json", "*.safetensors", "*.jinja", "tokenizer.model"]  # safetensors only: no pickled weights


def fetch(base: str) -> str | None:
    """Download a hub model into the hub's cache; its commit hash, or None for a local folder.

    TryAgainError when the hub does not answer, RecipeError when it says no (gated, unknown, token).
    """
    if Path(base).is_dir():
        return None
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, LocalEntryNotFoundError, RepositoryNotFoundError

    try:
        return Path(snapshot_download(base, allow_patterns=FILES)).name
    except GatedRepoError:
        raise RecipeError(
            f"model {base}: the hub asks for permission; accept the licence on its page, then set HF_TOKEN"
        ) from None
    except RepositoryNotFoundError:
        raise RecipeError(
            f"model {base}: the hub has no such model for this token; check the id, or set HF_TOKEN"
        ) from None
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        reason = str(error).splitlines()[0][:200]
        raise TryAgainError(
            f"model {base}: the hub cannot be reached ({reason}); try again, or give a local folder"
        ) from None


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
