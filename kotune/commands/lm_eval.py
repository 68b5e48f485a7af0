"""Runs lm_eval with our tasks and, with `--model kotune`, our model."""

import os
import sys
from pathlib import Path

import click


@click.command(
    "lm_eval", context_settings={"ignore_unknown_options": True, "help_option_names": []}
)
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def lm_eval(words: tuple[str, ...]) -> None:
    """Run lm_eval with kotune's tasks and `--model kotune`.

    All arguments are passed to the lm_eval of this environment."""
    from kodata.children import HERE, python_environment
    from kotune.pipeline import require_engines
    from kotune.shipped import IS_CHECKOUT, TASKS

    require_engines()
    plain = [str(Path(sys.executable).with_name("lm_eval"))]
    ours = [sys.executable, "-m", "kotune.score.in_lm_eval"]
    program = ours if _names_our_model(words) else plain
    # In a checkout, `make setup` has registered the tasks with lm_eval.
    has_tasks = IS_CHECKOUT or not words or any(word.startswith("--include_path") for word in words)
    include = [] if has_tasks else ["--include_path", str(TASKS)]
    os.execve(program[0], [*program, *words, *include], python_environment(HERE))


def _names_our_model(words: tuple[str, ...]) -> bool:
    """Whether the model is `kotune`: `--model kotune`, `-M kotune` or `--model=kotune`."""
    pairs = zip(("", *words), words, strict=False)
    return any(
        word == "--model=kotune" or (before, word) in (("--model", "kotune"), ("-M", "kotune"))
        for before, word in pairs
    )
