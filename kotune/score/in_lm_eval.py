"""Runs lm_eval's command line with an additional model, `kotune`.

The model is lm_eval's `hf` with two changes: contexts are shared between requests
(kotune.score.likelihood), and log-likelihoods are computed in float32. It accepts the same
arguments as `hf`."""

import sys
from typing import Any

from kotune.score.likelihood import shared
from kotune.shipped import PROGRAM
from kotune.train.upstream import float32_softmax_arguments

MODEL = "kotune"
UNKNOWN_TASKS = "Tasks not found"  # how lm_eval's error begins


def model_class() -> Any:
    """The class of the model `kotune`. Imports torch (takes seconds)."""
    from lm_eval.models.huggingface import HFLM

    class KotuneModel(shared.model_class(HFLM)):  # type: ignore[misc]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **{**float32_softmax_arguments(), **kwargs})

    return KotuneModel


def __getattr__(name: str) -> Any:
    """Create `KotuneModel` only when lm_eval accesses it, because it imports torch, which takes
    seconds. Raises AttributeError for any other name."""
    if name == "KotuneModel":
        return model_class()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def register() -> None:
    """Register the model `kotune` with lm_eval."""
    # lm_eval imports its own models only if no model is registered. Its models are imported before
    # `kotune` is registered, so that all models are available.
    import lm_eval.models  # noqa: F401
    from lm_eval.api.registry import model_registry

    model_registry.register(MODEL, target="kotune.score.in_lm_eval:KotuneModel")


def main() -> None:
    """Run lm_eval with this process's arguments."""
    from lm_eval.__main__ import cli_evaluate

    register()
    try:
        cli_evaluate()
    except ValueError as error:
        if str(error).startswith(UNKNOWN_TASKS):  # a user's mistake, and no traceback helps
            sys.exit(f"error: {error}; `{PROGRAM} tasks` lists kotune's, `lm_eval ls tasks` all")
        raise


if __name__ == "__main__":
    main()
