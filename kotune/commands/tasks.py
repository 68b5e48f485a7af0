"""Where the tasks for plain lm_eval lie."""

import click


@click.command()
def tasks() -> None:
    """Print the folder of the tasks, as in lm_eval --include_path "$(kotune tasks)"."""
    from kotune.shipped import TASKS

    click.echo(TASKS)
