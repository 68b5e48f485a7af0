"""Score a model or an adapter without training."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kotune.commands.boundary import unwind_when_terminated
from kotune.commands.options import (
    device_option,
    lang_option,
    limit_option,
    runs_dir_option,
)
from kotune.display.language import TranslatedCommand
from kotune.runs.folder import RUNS, as_options
from kotune.shipped import PROGRAM, typed
from kotune.worker.device import Device

if TYPE_CHECKING:
    from kotune.recipe.schema import Limit


@click.command(cls=TranslatedCommand)
@click.argument("subject", metavar="MODEL|ADAPTER", type=click.Path(path_type=Path))
@click.option(
    "--tasks", required=True, metavar="A,B,...", help="Score these tasks or groups of tasks."
)
@click.option("--base", metavar="MODEL", help="Use this base model for ADAPTER.")
@click.option("--template", metavar="NAME", help="Use this chat template, as in a recipe.")
@click.option(
    "--data",
    "folders",
    multiple=True,
    metavar="SOURCE=FOLDER",
    help="Read the test data of a source from this folder.",
)
@limit_option
@runs_dir_option
@lang_option
@device_option
def score(
    subject: Path,
    tasks: str,
    base: str | None,
    template: str | None,
    folders: tuple[str, ...],
    limit: "Limit",
    runs_dir: Path,
    lang: str,
    device: Device | None,
) -> None:
    """Score MODEL or ADAPTER on tasks, without training.

    MODEL is a preset, a hub id or a model folder. ADAPTER is the folder of a LoRA adapter; its base
    model is scored, too. The result is a run folder, which compare and report accept."""
    from kotune.display.progress import Screen
    from kotune.pipeline import RunOptions
    from kotune.pipeline import score as run
    from kotune.recipe.existing import existing

    unwind_when_terminated()
    keys = {
        "tasks": tuple(filter(None, tasks.split(","))),
        "template": template,
        "data_path": _folders(folders),
    }
    recipe = existing(subject, base, keys)
    words = ["--tasks", tasks]
    for name, value in (("--base", base), ("--template", template), ("--device", device)):
        words += [name, value] if value else []
    words += [word for folder in folders for word in ("--data", folder)]
    words += as_options((), limit, lang)
    words += ["--runs-dir", str(runs_dir)] if runs_dir != RUNS else []
    command = shlex.join([PROGRAM, "score", typed(subject), *words])
    options = RunOptions(limit=limit, runs_dir=runs_dir, lang=lang, device=device)
    run(recipe, command, options, Screen())


def _folders(pairs: tuple[str, ...]) -> dict[str, str]:
    """The folder of each source, from values of --data. Raises RecipeError for a value of another
    form."""
    from kotune.errors import RecipeError

    for pair in pairs:
        if not all(pair.partition("=")[::2]):
            raise RecipeError(f"--data {pair}: give SOURCE=FOLDER")
    return dict(pair.split("=", 1) for pair in pairs)
