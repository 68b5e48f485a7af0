"""Run lm_eval with kotune's tasks and the additional model `kotune`."""

import os
import sys

import click


@click.command(
    "lm_eval", context_settings={"ignore_unknown_options": True, "help_option_names": []}
)
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def lm_eval(words: tuple[str, ...]) -> None:
    """Run lm_eval with kotune's tasks and `--model kotune`.

    All arguments are passed to the lm_eval of this environment."""
    from kodata.children import PACKAGES, python_environment
    from kotune.pipeline import require_engines
    from kotune.shipped import IS_CHECKOUT, TASKS

    require_engines()
    # The option --include_path gives lm_eval the folder of the tasks. It is added in an
    # installation only, because `make setup` registers the tasks of a checkout with lm_eval.
    has_tasks = IS_CHECKOUT or not words or any(word.startswith("--include_path") for word in words)
    include = [] if has_tasks else ["--include_path", str(TASKS)]
    program = [sys.executable, "-m", "kotune.score.in_lm_eval"]
    os.execve(program[0], [*program, *words, *include], python_environment(PACKAGES))
