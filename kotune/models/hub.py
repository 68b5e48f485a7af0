"""Models from the hub: fetched whole before anything starts, so that a missing permission is told
before the clock runs."""

from pathlib import Path
from typing import Any

from kodata import drafts
from kodata.errors import shown
from kodata.reading import guard
from kodata.reading.hub import explain_error, with_retries
from kotune.errors import RecipeError
from kotune.layout import TEMPLATE
from kotune.models import sizes
from kotune.models.loading import blaming, cached, judged
from kotune.models.presets import is_folder
from kotune.models.refusals import refuse
from kotune.models.rendering import harm

TOKENIZER = [
    "*.json",
    "*.jinja",
    "tokenizer.model",
    "*.model",
    "vocab.txt",
    "merges.txt",
]  # all that is loaded, offline
WEIGHTS = ["*.safetensors"]  # safetensors only: no pickled weights


def fetch(base: str, weights: bool = True, revision: str | None = None) -> str | None:
    """Download a hub model, or all of it but its weights, into the hub's cache; its commit hash, or
    None for a local folder. `revision`: a commit, of which nobody is asked where it is there; None
    for the newest.

    kodata's HubError when the hub does not answer, HubDeniedError when it says no (gated, unknown,
    token); RecipeError for a model that comes as pickles, or that kotune.models.refusals refuses.
    """
    local = is_folder(base)
    folder = (
        Path(base)
        if local
        else _known(base, revision) or with_retries(lambda: _attempt(base, weights, revision))
    )
    if weights and not local and not any(folder.glob("*.safetensors")):
        raise RecipeError(
            f"model {base}: the hub has no safetensors of it, and a pickle can run code; choose"
            " another"
        )
    refuse(base, folder)
    sizes.refuse(base, folder, weights=weights or local)
    return None if local else folder.name


def _known(base: str, revision: str | None) -> Path | None:
    """A commit whose weights are in the cache, too."""
    folder = cached(base, revision) if revision else None
    return folder if folder and any(folder.glob("*.safetensors")) else None


def _attempt(base: str, weights: bool, revision: str | None) -> Path:
    from huggingface_hub import snapshot_download

    try:
        guard.install()
        guard.begin()
        wanted = {"revision": revision} if revision else {}
        return Path(snapshot_download(base, allow_patterns=TOKENIZER + WEIGHTS * weights, **wanted))
    except Exception as error:
        raise explain_error(error, f"model {base}", f"https://huggingface.co/{base}") from None


def write_own_template(base: str, root: Path, revision: str | None = None) -> None:
    """Where kotune brings no template, the tokenizer's own becomes the run's chat_template.jinja.
    `revision`: as fetch() says."""
    target = root / TEMPLATE
    if target.exists():
        return
    template = tokenizer_of(base, revision).chat_template
    if not template:
        raise RecipeError(
            f"model {base}: its tokenizer has no chat template; name one with `template:` in the"
            " recipe"
        )
    if not isinstance(template, str):
        raise RecipeError(
            f"model {base}: its chat template is {shown(template)}, not one text; name one with"
            " `template:`"
        )
    if told := harm(template):
        raise RecipeError(
            f"model {base}: its tokenizer's chat template {told}, or name another with `template:`"
        )
    drafts.write(target, template.encode())


def tokenizer_of(base: str, revision: str | None = None) -> Any:
    """A model's tokenizer, of what is at hand. RecipeError where transformers can make none of its
    files, or may not."""
    from transformers import AutoTokenizer

    judged(base, revision)
    with blaming(base, "its tokenizer cannot be loaded"):
        return AutoTokenizer.from_pretrained(
            base, revision=revision or "main", trust_remote_code=False
        )
