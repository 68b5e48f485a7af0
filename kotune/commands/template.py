"""Examine a chat template."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kotune.commands.boundary import unwind_when_terminated
from kotune.commands.options import RecipeFile, json_option, lang_option, set_option
from kotune.display.language import TranslatedCommand
from kotune.display.terminal import echo

if TYPE_CHECKING:
    from kotune.template.examine import Subject


@click.command(cls=TranslatedCommand)
@click.argument("subject", metavar="MODEL|RECIPE", type=RecipeFile())
@set_option
@json_option
@lang_option
def template(subject: Path, overrides: tuple[str, ...], as_json: bool, lang: str) -> None:
    """Examine the chat template of MODEL or RECIPE for traps, from the tokenizer alone.

    MODEL is a preset, a hub id or a model folder. Each finding names a remedy. The exit code is 1
    if a finding marked fix would make a run fail."""
    import json

    from kotune.display.phrases import Phrases
    from kotune.doctor.finding import COLOURS
    from kotune.pipeline import require_engines
    from kotune.template import words
    from kotune.template.examine import fetch_and_examine

    unwind_when_terminated()
    chosen, phrases = _chosen(subject, overrides), Phrases(lang)
    require_engines()
    findings = fetch_and_examine(chosen)
    ok = all(finding.state != "fix" for finding in findings)
    if as_json:
        content = {
            "model": chosen.name,
            "template": chosen.template,
            "ok": ok,
            "findings": words.as_json(findings, phrases),
        }
        echo(json.dumps(content, ensure_ascii=False, indent=2))
    else:
        echo(phrases("template_title", model=chosen.name, template=chosen.template))
        for finding in findings:
            echo(words.line(finding, phrases), colour=COLOURS[finding.state])
        if not findings:
            echo(phrases("template_clear"), colour=COLOURS["ok"])
    if not ok:
        sys.exit(1)


def _chosen(subject: Path, overrides: tuple[str, ...]) -> "Subject":
    """What to examine. A name that ends in .yml or .yaml is a recipe, any other name a model."""
    from kotune.errors import RecipeError
    from kotune.recipe.reading import load
    from kotune.template.examine import of_model, of_recipe

    if subject.suffix in (".yml", ".yaml"):
        return of_recipe(load(subject, overrides))
    if overrides:
        raise RecipeError(f"--set changes a recipe, but {subject} is a model; leave it out")
    return of_model(str(subject))
