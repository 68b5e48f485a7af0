"""Downloads models from the hub. A model is downloaded before other work starts, so that a missing
permission is reported before a GPU costs money."""

from pathlib import Path
from typing import Any

from kodata import drafts
from kodata.errors import shown
from kodata.reading import guard
from kodata.reading.hub import explain_error, with_retries
from kotune.errors import RecipeError
from kotune.layout import TEMPLATE
from kotune.models import sizes
from kotune.models.loading import cached, checked_folder, model_errors
from kotune.models.presets import is_folder
from kotune.models.refusals import refuse
from kotune.models.rendering import template_problem
from kotune.models.template_kwargs import TemplateKwargs, with_kwargs

# The only files that are downloaded. Models are loaded offline, so libraries can read no others.
TOKENIZER = ["*.json", "*.jinja", "tokenizer.model", "*.model", "vocab.txt", "merges.txt"]
WEIGHTS = ["*.safetensors"]  # no pickled weights
TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt")  # any one of them


def fetch(base: str, weights: bool = True, revision: str | None = None) -> str | None:
    """Download a hub model into the hub's cache and check it. Returns its commit hash. A local
    folder is only checked, and None is returned.

    `weights`: whether to download the weights too. `revision`: a commit; None means the newest one.
    If the cache has the commit with weights, no request is sent to the hub.

    Raises kodata's HubError if the hub does not answer. Raises HubDeniedError if the hub denies
    access, because the model is gated or unknown or the token is not valid. Raises RecipeError for
    a model without safetensors, or one that fails the checks of kotune.models.refusals or
    kotune.models.sizes."""
    local = is_folder(base)
    folder = (
        Path(base)
        if local
        else _in_cache(base, revision) or with_retries(lambda: _download(base, weights, revision))
    )
    if weights and not local and not any(folder.glob("*.safetensors")):
        raise RecipeError(
            f"model {base}: it has no safetensors on the hub, and a pickle can run code; choose"
            " another"
        )
    refuse(base, folder)
    sizes.refuse(base, folder, weights=weights or local)
    return None if local else folder.name


def _in_cache(base: str, revision: str | None) -> Path | None:
    """The folder of a commit in the cache. None if `revision` is None, or if the cache lacks the
    commit or its weights."""
    folder = cached(base, revision) if revision else None
    return folder if folder and any(folder.glob("*.safetensors")) else None


def _download(base: str, weights: bool, revision: str | None) -> Path:
    from huggingface_hub import snapshot_download

    try:
        guard.install()
        guard.begin()
        commit = {"revision": revision} if revision else {}
        return Path(snapshot_download(base, allow_patterns=TOKENIZER + WEIGHTS * weights, **commit))
    except Exception as error:  # explain_error() distinguishes an error of the hub from a bug
        raise explain_error(error, f"model {base}", f"https://huggingface.co/{base}") from None


def write_own_template(
    base: str, root: Path, revision: str | None = None, kwargs: TemplateKwargs | None = None
) -> None:
    """Write the tokenizer's own template to chat_template.jinja in the run folder `root`. Nothing
    is written if the file exists, because the preset or the recipe then names another template.

    `revision` is the same as in fetch(). `kwargs`: the recipe's `template_kwargs`. Raises
    RecipeError as in own_template()."""
    target = root / TEMPLATE
    if target.exists():
        return
    template = own_template(base, tokenizer_of(base, revision))
    drafts.write(target, with_kwargs(template, kwargs or {}).encode())


def own_template(base: str, tokenizer: Any) -> str:
    """The text of the chat template of a tokenizer. `base`: the model's name in messages. Raises
    RecipeError if the tokenizer has no template, or if its template cannot be used."""
    template = tokenizer.chat_template
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
    if problem := template_problem(template):
        raise RecipeError(
            f"model {base}: its tokenizer's chat template {problem}, or name another with"
            " `template:`"
        )
    return template


def require_tokenizer(base: str) -> None:
    """Raise RecipeError if a model is a folder without the files of a tokenizer."""
    if is_folder(base) and not any((Path(base) / name).is_file() for name in TOKENIZERS):
        raise RecipeError(
            f"model {base}: it has no tokenizer ({', '.join(TOKENIZERS)}); copy the files of its"
            " tokenizer into the folder"
        )


def tokenizer_of(base: str, revision: str | None = None) -> Any:
    """Load a model's tokenizer from its folder or the cache. Nothing is downloaded. Raises
    RecipeError if the files fail a check, or if transformers cannot load them."""
    from transformers import AutoTokenizer

    checked_folder(base, revision)
    require_tokenizer(base)
    with model_errors(base, "its tokenizer cannot be loaded"):
        return AutoTokenizer.from_pretrained(
            base, revision=revision or "main", trust_remote_code=False
        )
