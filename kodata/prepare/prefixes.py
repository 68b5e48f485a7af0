"""An index of texts. It finds the indexed texts that are a prefix of a given text."""

from bisect import bisect_right
from collections.abc import Collection, Iterator


class Prefixes:
    """An index of texts. The time of a lookup grows with the logarithm of the number of texts, even
    if thousands of them begin with the same words. `longest`: the number of characters of the
    longest text. Raises ValueError if there are no texts."""

    __slots__ = ("_parents", "_ranked", "longest")

    def __init__(self, texts: Collection[str]) -> None:
        self.longest = max(map(len, texts))
        self._ranked = sorted(texts)
        # For each text, its parent: the longest of the other texts that is a prefix of it. A text
        # without such a prefix has no parent.
        self._parents: dict[str, str] = {}
        prefixes: list[str] = []
        for text in self._ranked:
            while prefixes and not text.startswith(prefixes[-1]):
                prefixes.pop()
            if prefixes:
                self._parents[text] = prefixes[-1]
            prefixes.append(text)

    def candidates(self, text: str) -> Iterator[str]:
        """Yields all indexed texts that are a prefix of `text`, longest first. Texts that are no
        prefix may be among them, so the caller must check each one.

        The first candidate is the last indexed text that does not sort after `text`. The next ones
        are its parent, the parent of its parent, and so on. No prefix is missed: every text
        that sorts between a prefix of `text` and `text` itself begins with this prefix too."""
        index = bisect_right(self._ranked, text) - 1
        candidate = self._ranked[index] if index >= 0 else None
        while candidate is not None:
            yield candidate
            candidate = self._parents.get(candidate)
