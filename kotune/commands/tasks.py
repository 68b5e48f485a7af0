"""Print the folder of the tasks for plain lm_eval."""

import click

from kotune.display.language import TranslatedCommand
from kotune.display.terminal import echo


@click.command(cls=TranslatedCommand)
def tasks() -> None:
    """Print the folder of the lm_eval tasks.

    For example: lm_eval --include_path "$(kotune tasks)"."""
    from kotune.shipped import TASKS

    echo(TASKS)
