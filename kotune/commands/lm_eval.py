"""Plain lm_eval with our tasks."""

import os
import sys
from pathlib import Path

import click


@click.command("lm_eval", context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def lm_eval(words: tuple[str, ...]) -> None:
    """Plain lm_eval of this environment, which knows our tasks; what follows is its own."""
    from kodata.children import python_environment
    from kotune.pipeline import require_engines
    from kotune.shipped import IS_CHECKOUT, TASKS

    require_engines()
    program = Path(sys.executable).with_name("lm_eval")
    knows_ours = IS_CHECKOUT or not words or any(word.startswith("--include_path") for word in words)  # `make setup`
    more = [] if knows_ours else ["--include_path", str(TASKS)]
    os.execve(program, [str(program), *words, *more], python_environment())
