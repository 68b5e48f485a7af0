"""Check a recipe."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from kotune.commands.boundary import unwind_when_terminated
from kotune.commands.options import lang_option, recipe_argument, set_option
from kotune.display.language import TranslatedCommand
from kotune.display.terminal import echo

if TYPE_CHECKING:
    from kotune.recipe.schema import Recipe

USERS_CHATS = ("chat", "aihub_dialogue")  # sources whose answers may have thoughts


@click.command(cls=TranslatedCommand)
@recipe_argument
@set_option
@lang_option
def check(recipe: Path, overrides: tuple[str, ...], lang: str) -> None:
    """Check RECIPE and list every problem.

    If the tokenizer is on this machine, the chat template is examined too. The exit code is then 1
    if a finding marked fix would make a run fail."""
    from kodata.errors import Translatable
    from kotune.display.phrases import Phrases
    from kotune.display.phrases.translation import translate
    from kotune.models.notes import notes
    from kotune.recipe.reading import load

    unwind_when_terminated()
    loaded = load(recipe, overrides)
    _examine_template(loaded, lang)
    sources = ", ".join(f"{entry.source} ({entry.form})" for entry in loaded.data)
    summary = Translatable(
        "{recipe}: no problems. {model}, {adapter}, {sources}; scored by {tasks}",
        recipe=recipe,
        model=loaded.model,
        adapter=loaded.adapter,
        sources=sources,
        tasks=", ".join(loaded.tasks),
    )
    echo(translate(summary, lang))
    for note in notes(loaded.model, Phrases(lang)):
        echo(note)


def _examine_template(recipe: "Recipe", language: str) -> None:
    """Print the findings about the recipe's chat template. Raise KotuneError if one is to be fixed.
    Nothing is done if a hub model's tokenizer is not on this machine, or if the template is
    tested."""
    from kotune.display.phrases import Phrases
    from kotune.models import hub
    from kotune.template import examine, words

    subject = examine.of_recipe(recipe)
    hub.require_tokenizer(subject.model.base)
    if subject.is_tested or not subject.is_here:
        return
    findings, phrases = subject.unexpected(examine.examine(subject)), Phrases(language)
    for finding in findings:
        echo(words.line(finding, phrases))
    may_think = any(entry.source in USERS_CHATS for entry in recipe.data)
    examine.refuse(subject, findings, may_think)
