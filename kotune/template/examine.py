"""Examines the chat template of a model or a recipe, in a child process. Only the tokenizer's files
are needed, so this is done before the weights are downloaded."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from pydantic_core import PydanticCustomError

from kotune.errors import KotuneError, RecipeError
from kotune.models import hub, loading, presets
from kotune.models.template_kwargs import TemplateKwargs
from kotune.recipe.schema import Recipe, known_model
from kotune.runs.folder import read_json
from kotune.template.findings import TemplateFinding
from kotune.template.job import FINDINGS
from kotune.worker.call import call, temporary

WITHOUT_THOUGHT = ("not-prefix", "thought-opened")  # findings about answers without a thought


class Subject(NamedTuple):
    """What is examined: a model with its template, and a recipe's settings for the template.

    - `name`: the model's name, as the user gave it
    - `ends`: further tokens than EOS that may end an answer"""

    name: str
    model: presets.Model
    ends: tuple[str, ...]
    kwargs: TemplateKwargs

    @property
    def template(self) -> str:
        """The name of the template; `own` for the tokenizer's own."""
        return self.model.template.stem if self.model.template else "own"

    @property
    def is_presets(self) -> bool:
        """Whether this is a preset with one of kotune's own templates, unchanged by the recipe."""
        preset = presets.PRESETS.get(self.name)
        return self.model == preset and bool(self.model.template) and not self.kwargs

    @property
    def is_tested(self) -> bool:
        """Whether kotune's tests examine the template with the model's own tokenizer."""
        row = presets.ROWS.get(self.name)
        return self.is_presets and row is not None and row.verified == "rendered"

    def unexpected(self, findings: list[TemplateFinding]) -> list[TemplateFinding]:
        """The findings to report before training. Warnings about a preset's template are expected,
        for example the empty thought of a model that thinks."""
        return [one for one in findings if one.state == "fix" or not self.is_presets]

    @property
    def is_here(self) -> bool:
        """Whether the tokenizer's files and the packages to read them are on this machine."""
        if not find_spec("transformers"):
            return False
        base = self.model.base
        folder = Path(base) if presets.is_folder(base) else loading.cached(base, "main")
        return folder is not None and any((folder / name).is_file() for name in hub.TOKENIZERS)


def of_recipe(recipe: Recipe) -> Subject:
    """What to examine for a recipe."""
    model = presets.find(recipe.model, recipe.template)
    tokens = recipe.axolotl.get("eot_tokens")
    ends = tokens if tokens is not None else [model.end_of_turn] if model.end_of_turn else []
    return Subject(recipe.model, model, tuple(ends), recipe.template_kwargs)


def of_model(name: str) -> Subject:
    """What to examine for a model without a recipe: its preset's template, or its own. Raises
    RecipeError for a name that is not a preset, a hub id or a model folder."""
    try:
        model = presets.find(known_model(name), None)
    except PydanticCustomError as error:
        raise RecipeError(str(error)) from None
    return Subject(name, model, (model.end_of_turn,) if model.end_of_turn else (), {})


def examine(subject: Subject, revision: str | None = None) -> list[TemplateFinding]:
    """All findings about a template. The tokenizer's files must be on this machine.

    `revision`: the commit of a hub model; None for a folder, or for the newest one in the cache.
    Raises RecipeError if the tokenizer cannot be loaded or has no template."""
    model = subject.model
    text = model.template.read_text(encoding="utf-8") if model.template else None
    asked: dict[str, Any] = {
        "base": model.base,
        "revision": revision,
        "template": text,
        "ends": subject.ends,
        "kwargs": dict(subject.kwargs),
    }
    with temporary("template") as root:
        call("template", root, **asked)
        return [TemplateFinding(**finding) for finding in read_json(root / FINDINGS)]


def fetch_and_examine(subject: Subject) -> list[TemplateFinding]:
    """All findings about a template. Downloads the tokenizer's files if they are not in the hub's
    cache, but no weights. Raises the errors of hub.require_tokenizer(), hub.fetch() and
    examine()."""
    hub.require_tokenizer(subject.model.base)
    return examine(subject, hub.fetch(subject.model.base, weights=False))


def refuse(subject: Subject, findings: list[TemplateFinding], may_think: bool = False) -> None:
    """Raise KotuneError if one of the findings must be fixed before a run.

    `may_think`: whether answers of the data may have thoughts. Then findings about answers without
    a thought do not count, because the template may fit the data. The proof decides."""
    ignored = WITHOUT_THOUGHT if may_think else ()
    to_fix = [one.name for one in findings if one.state == "fix" and one.name not in ignored]
    if to_fix:
        raise KotuneError(
            f"model {subject.name}: its chat template ({subject.template}) would make a run fail:"
            f" {', '.join(to_fix)}; the lines above name the remedies"
        )
