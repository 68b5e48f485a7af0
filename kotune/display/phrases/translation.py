"""Chooses a language by the environment, and translates messages of the terminal.

The English text of such a message is in the code (kodata.errors.Translatable). The folder korean
has the Korean text for each English text. Pages and reports use Phrases instead."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from kodata.errors import Translatable
from kotune.display.phrases import LANGUAGES

ENGLISH, KOREAN = LANGUAGES
FOLDER = Path(__file__).parent / "korean"
VARIABLES = ("LC_ALL", "LC_MESSAGES", "LANG")  # in the order in which POSIX lets them decide


def preferred(environment: Mapping[str, str]) -> str:
    """The language of kotune's output that environment variables ask for, such as
    LANG=ko_KR.UTF-8. English if they ask for another language or none, or are malformed."""
    locale = next((environment[name] for name in VARIABLES if environment.get(name)), "")
    name = locale.partition(".")[0].partition("@")[0]
    return KOREAN if name == KOREAN or name.startswith(f"{KOREAN}_") else ENGLISH


def translate(text: str, language: str) -> str:
    """A message in a language. A text that is not Translatable is returned unchanged."""
    if not isinstance(text, Translatable):
        return text
    values = {
        name: translate(value, language) if isinstance(value, str) else value
        for name, value in text.values.items()
    }
    return lookup(text.template, language).format(**values)


def lookup(english: str, language: str) -> str:
    """The text in a language for an English text of kotune, with the same placeholders. Returns the
    English text if there is no other."""
    return english if language == ENGLISH else korean().get(english, english)


@cache
def korean() -> dict[str, str]:
    """The Korean text for each English text."""
    import yaml  # imported here because an English `--help` does not need it

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    texts: dict[str, str] = {}
    for path in sorted(FOLDER.glob("*.yml")):
        texts |= yaml.load(path.read_text(encoding="utf-8"), loader)
    return texts
