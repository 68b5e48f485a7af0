"""lm_eval's own command line with one more model, `kotune`: `hf` with shared contexts
(kotune.score.shared) and log-likelihoods in float32. It takes the arguments of `hf`."""

from typing import Any

from kotune.score import shared
from kotune.train.upstream import exact_softmax

MODEL = "kotune"


def model_class() -> Any:
    """The class that lm_eval makes the model of."""
    from lm_eval.models.huggingface import HFLM

    class KotuneModel(shared.model_class(HFLM)):  # type: ignore[misc]
        def __init__(self, *words: Any, **named: Any) -> None:
            super().__init__(*words, **{**exact_softmax(), **named})

    return KotuneModel


def __getattr__(name: str) -> Any:
    """`KotuneModel`, made when lm_eval asks for it: importing torch takes seconds."""
    if name == "KotuneModel":
        return model_class()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def register() -> None:
    """Add the model to lm_eval's registry under its name."""
    # lm_eval registers its own models on this import, and get_model() skips it if any is there.
    import lm_eval.models  # noqa: F401
    from lm_eval.api.registry import model_registry

    model_registry.register(MODEL, target="kotune.score.in_lm_eval:KotuneModel")


def main() -> None:
    """lm_eval with the words of this process."""
    from lm_eval.__main__ import cli_evaluate

    register()
    cli_evaluate()


if __name__ == "__main__":
    main()
