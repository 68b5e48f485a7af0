"""The job that writes a model's tokenizer and chat template into a run folder, as training does."""

from pathlib import Path

from kotune.layout import MODEL, TEMPLATE
from kotune.models import hub
from kotune.worker import bounds


def run(root: Path, base: str, revision: str | None, pad: str | None) -> None:
    """Write the tokenizer of the model `base` into model/ of the run folder `root`. `revision`: the
    commit of a hub model, None for a folder. `pad`: the padding token, None for the tokenizer's
    own. Raises RecipeError if the tokenizer has no usable chat template."""
    with bounds.tokenizing():
        hub.write_own_template(base, root, revision)
        tokenizer = hub.tokenizer_of(base, revision)
        tokenizer.chat_template = (root / TEMPLATE).read_text(encoding="utf-8")
        if pad:
            tokenizer.pad_token = pad
        tokenizer.save_pretrained(root / MODEL)
