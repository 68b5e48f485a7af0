"""What pages and screens say, a file a language with the same keys: text with {places}, or words
for words of ours."""

from pathlib import Path
from typing import Any

LANGUAGES = ("en", "ko")
FOLDER = Path(__file__).parent


class Phrases:
    """The words of one language."""

    def __init__(self, language: str) -> None:
        import yaml  # `--help` needs only the languages' names

        self.language = language
        self._said: dict[str, Any] = yaml.load(
            (FOLDER / f"{language}.yml").read_text(encoding="utf-8"),
            getattr(yaml, "CSafeLoader", yaml.SafeLoader),
        )

    def __call__(self, key: str, /, **places: object) -> str:
        """The phrase with its places filled."""
        return str(self._said[key]).format(**places)

    def words(self, kind: str) -> list[str]:
        """Our own words of a kind that there are words for, in the file's order."""
        return list(self._said[kind])

    def word(self, kind: str, name: str) -> str:
        """The word for one of our own words, as in a manifest; itself where there is none."""
        return str(self._said[kind].get(name, name))

    def phrase(self, kind: str, name: str, /, **places: object) -> str:
        """The phrase for one of our own words with its places filled. Where there is none, the name
        as it stands: it may be a stranger's, and places in it would be looked up and blown up."""
        return str(self._said[kind][name]).format(**places) if name in self._said[kind] else name
