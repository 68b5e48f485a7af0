"""The job of the template command's child process. It loads a model's tokenizer and examines a
chat template, which may be untrusted."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from kotune.models import hub
from kotune.parity.rendered import special_tokens
from kotune.runs.folder import write_json
from kotune.template.findings import TemplateFinding, examine
from kotune.template.rendering import SpecialTokens, Template
from kotune.worker import bounds

FINDINGS = "findings.json"  # in the job's folder


def run(
    root: Path,
    base: str,
    revision: str | None,
    template: str | None,
    ends: Sequence[str],
    kwargs: dict[str, Any],
) -> None:
    """Write the findings about a chat template into the folder `root`.

    `base`: a hub id or a folder. `revision`: the commit of a hub model, None for a folder.
    `template`: the text of the template; None for the tokenizer's own. `ends` and `kwargs`: as in
    findings_of(). Raises RecipeError if the tokenizer cannot be loaded or has no template."""
    with bounds.tokenizing():
        tokenizer = hub.tokenizer_of(base, revision)
    text = hub.own_template(base, tokenizer) if template is None else template
    findings = findings_of(bounds.bound_tokenizer(tokenizer), text, ends, kwargs)
    write_json(root / FINDINGS, [asdict(finding) for finding in findings])


def findings_of(
    tokenizer: Any, text: str, ends: Sequence[str], kwargs: dict[str, Any]
) -> list[TemplateFinding]:
    """The findings about the template `text`, used with a tokenizer of transformers.

    `ends`: further tokens than EOS that may end an answer. `kwargs`: the recipe's
    `template_kwargs`. The text must not set them itself."""
    variables = {
        name: str(token)
        for name, token in tokenizer.special_tokens_map.items()
        if isinstance(token, str)
    }
    ids = tokenizer("가")["input_ids"]
    tokens = SpecialTokens(
        variables,
        tuple(filter(None, [variables.get("eos_token", ""), *ends])),
        frozenset(special_tokens(tokenizer).values()),
        adds_bos=tokenizer.bos_token_id is not None and ids[:1] == [tokenizer.bos_token_id],
    )
    return examine(Template(text, tokens, kwargs))
