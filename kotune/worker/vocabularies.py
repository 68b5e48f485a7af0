"""tokenizers (0.23) opens whatever file a text in the place of a vocabulary or of merges names. In
a child of ours it opens one of a model's own folder alone, whoever asks:
kotune.models.tokenizer_files refuses such a text before; this is the second lock.

kotune/worker/startup imports it as soon as somebody has imported tokenizers, Axolotl's own workers
too."""

import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

NAMES = ("BPE", "Unigram", "WordLevel", "WordPiece")
BESIDE = ("tokenizer_config.json", "config.json")  # one of them lies in every model's folder


def lock(models: Any) -> None:
    """Put guarded classes in the place of those of the module `tokenizers.models`; what they make
    is of those all the same."""
    for name in NAMES:
        if not isinstance(plain := getattr(models, name), _Guarded):
            setattr(models, name, _guarded(name, plain))


class _Guarded(type):
    """So that isinstance() is true of what the library makes itself."""

    plain: type

    def __instancecheck__(cls, thing: object) -> bool:
        return isinstance(thing, cls.plain)

    def __getattr__(cls, name: str) -> Any:
        return getattr(cls.plain, name)

    def __call__(cls, *given: Any, **named: Any) -> Any:
        return _checked(cls.plain)(*given, **named)


def _guarded(name: str, plain: Any) -> type:
    openers = {
        opener: staticmethod(_checked(getattr(plain, opener)))
        for opener in ("from_file", "read_file")
        if hasattr(plain, opener)
    }
    return _Guarded(name, (), {"plain": plain, "__module__": plain.__module__, **openers})


def _checked(call: Callable[..., Any]) -> Callable[..., Any]:
    def checked(*given: Any, **named: Any) -> Any:
        for value in (*given[:2], named.get("vocab"), named.get("merges")):
            if isinstance(value, (str, bytes, Path)) and not is_a_models(Path(str(value))):
                raise ValueError(
                    "a file that is not the model's own is named as its vocabulary:"
                    f" {str(value)[:80]!r}"
                )
        return call(*given, **named)

    return checked


def is_a_models(file: Path) -> bool:
    """Whether a file, which must be one that ends, lies in the folder of some model."""
    try:
        return stat.S_ISREG(file.stat().st_mode) and any(
            (file.parent / name).is_file() for name in BESIDE
        )
    except (OSError, ValueError):  # ValueError: a name that no file can have
        return False
