"""Where the tasks for plain lm_eval lie."""

import click

from kotune.display.terminal import echo


@click.command()
def tasks() -> None:
    """Print the folder of the tasks, as in lm_eval --include_path "$(kotune tasks)"."""
    from kotune.shipped import TASKS

    echo(TASKS)
