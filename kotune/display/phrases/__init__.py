"""Loads the texts of pages and screens: one YAML file for each language, all with the same keys.
The value of a key is a text with {placeholders}, or a table that maps kotune's names to texts."""

from pathlib import Path
from typing import Any

LANGUAGES = ("en", "ko")
FOLDER = Path(__file__).parent


class Phrases:
    """The texts of one language."""

    def __init__(self, language: str) -> None:
        import yaml  # imported here because `--help` needs only LANGUAGES

        self.language = language
        self._texts: dict[str, Any] = yaml.load(
            (FOLDER / f"{language}.yml").read_text(encoding="utf-8"),
            getattr(yaml, "CSafeLoader", yaml.SafeLoader),
        )

    def __call__(self, key: str, /, **places: object) -> str:
        """The text of a key with its placeholders filled."""
        return str(self._texts[key]).format(**places)

    def words(self, kind: str) -> list[str]:
        """The names in the table of texts `kind`, in the file's order."""
        return list(self._texts[kind])

    def word(self, kind: str, name: str) -> str:
        """The text for `name` in the table of texts `kind`. Returns the name itself if the table
        has no text for it."""
        return str(self._texts[kind].get(name, name))

    def phrase(self, kind: str, name: str, /, **places: object) -> str:
        """The text for `name` in the table of texts `kind`, with its placeholders filled. Returns
        the name itself if the table has no text for it. Placeholders in the name are not filled,
        because the name may come from an untrusted file."""
        return str(self._texts[kind][name]).format(**places) if name in self._texts[kind] else name
