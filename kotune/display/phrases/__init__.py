"""The text of pages and screens: one file per language, with the same keys. A key holds a text with
{placeholders}, or a table of texts for kotune's own names."""

from pathlib import Path
from typing import Any

LANGUAGES = ("en", "ko")
FOLDER = Path(__file__).parent


class Phrases:
    """The texts of one language."""

    def __init__(self, language: str) -> None:
        import yaml  # `--help` needs only the languages' names

        self.language = language
        self._texts: dict[str, Any] = yaml.load(
            (FOLDER / f"{language}.yml").read_text(encoding="utf-8"),
            getattr(yaml, "CSafeLoader", yaml.SafeLoader),
        )

    def __call__(self, key: str, /, **places: object) -> str:
        """The text of a key with its placeholders filled."""
        return str(self._texts[key]).format(**places)

    def words(self, kind: str) -> list[str]:
        """The names in a table of texts, in the file's order."""
        return list(self._texts[kind])

    def word(self, kind: str, name: str) -> str:
        """The text for one of kotune's own names, as in a manifest; the name itself if there is
        none."""
        return str(self._texts[kind].get(name, name))

    def phrase(self, kind: str, name: str, /, **places: object) -> str:
        """The text for one of kotune's own names with its placeholders filled; the name itself if
        there is none. Placeholders in the name are not filled, because it may come from a
        stranger."""
        return str(self._texts[kind][name]).format(**places) if name in self._texts[kind] else name
