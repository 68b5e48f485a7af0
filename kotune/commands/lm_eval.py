"""lm_eval with our tasks and, if it is asked for, our model."""

import os
import sys

import click


@click.command(
    "lm_eval", context_settings={"ignore_unknown_options": True, "help_option_names": []}
)
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def lm_eval(words: tuple[str, ...]) -> None:
    """lm_eval of this environment, which knows our tasks and `--model kotune`; what follows is its
    own."""
    from kodata.children import PACKAGES, python_environment
    from kotune.pipeline import require_engines
    from kotune.shipped import IS_CHECKOUT, TASKS

    require_engines()
    # `make setup`.
    knows_ours = (
        IS_CHECKOUT or not words or any(word.startswith("--include_path") for word in words)
    )
    more = [] if knows_ours else ["--include_path", str(TASKS)]
    program = [sys.executable, "-m", "kotune.score.in_lm_eval"]
    os.execve(program[0], [*program, *words, *more], python_environment(PACKAGES))
