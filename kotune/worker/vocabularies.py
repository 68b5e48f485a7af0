"""Restricts the files that the package tokenizers opens as a vocabulary.

A model may name a file instead of a vocabulary or merges, and tokenizers (0.23) opens any file of
that name. In a child process of kotune, tokenizers can open only files in a model's folder. This is
a second protection: before a model is loaded, kotune.models.tokenizer_files already refuses one
that names such a file.

kotune/worker/startup imports this module when tokenizers is imported, also in Axolotl's own
workers."""

import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

NAMES = ("BPE", "Unigram", "WordLevel", "WordPiece")  # the classes in tokenizers.models
BESIDE = ("tokenizer_config.json", "config.json")  # every model's folder has one of these files


def lock(models: Any) -> None:
    """Replace the classes of `models`, the module tokenizers.models, by guarded classes. A guarded
    class checks its arguments, and then creates an instance of the original class."""
    for name in NAMES:
        if not isinstance(plain := getattr(models, name), _Guarded):
            setattr(models, name, _guarded(name, plain))


class _Guarded(type):
    """Metaclass of the guarded classes. `plain` is the original class. Instances of the original
    class count as instances of the guarded class."""

    plain: type

    def __instancecheck__(cls, thing: object) -> bool:
        return isinstance(thing, cls.plain)

    def __getattr__(cls, name: str) -> Any:
        return getattr(cls.plain, name)

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        return _checked(cls.plain)(*args, **kwargs)


def _guarded(name: str, plain: Any) -> type:
    """The guarded class for `plain`. Its methods that open files check their arguments too."""
    openers = {
        opener: staticmethod(_checked(getattr(plain, opener)))
        for opener in ("from_file", "read_file")
        if hasattr(plain, opener)
    }
    return _Guarded(name, (), {"plain": plain, "__module__": plain.__module__, **openers})


def _checked(call: Callable[..., Any]) -> Callable[..., Any]:
    """`call`, but raising ValueError if the vocabulary or the merges in its arguments name a file
    outside a model's folder."""

    def checked(*args: Any, **kwargs: Any) -> Any:
        for value in (*args[:2], kwargs.get("vocab"), kwargs.get("merges")):
            if isinstance(value, (str, bytes, Path)) and not is_in_model(Path(str(value))):
                raise ValueError(
                    "the model's vocabulary names a file outside a model's folder:"
                    f" {str(value)[:80]!r}"
                )
        return call(*args, **kwargs)

    return checked


def is_in_model(file: Path) -> bool:
    """Whether `file` is a regular file in a model's folder, which has one of the files in
    BESIDE."""
    try:
        return stat.S_ISREG(file.stat().st_mode) and any(
            (file.parent / name).is_file() for name in BESIDE
        )
    except (OSError, ValueError):  # ValueError: the name cannot be that of a file
        return False
