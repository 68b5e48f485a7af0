"""An index of many texts. It finds the texts that are prefixes of a given text."""

from bisect import bisect_right
from collections.abc import Collection, Iterator


class Prefixes:
    """An index of texts. A lookup takes logarithmic time in the number of texts. This matters
    because thousands of prompts may begin with the same words. Raises ValueError if there are no
    texts."""

    __slots__ = ("_parents", "_ranked", "longest")

    def __init__(self, texts: Collection[str]) -> None:
        self.longest = max(map(len, texts))
        self._ranked = sorted(texts)
        self._parents: dict[str, str] = {}  # for each text, its longest prefix among the others
        prefixes: list[str] = []
        for text in self._ranked:
            while prefixes and not text.startswith(prefixes[-1]):
                prefixes.pop()
            if prefixes:
                self._parents[text] = prefixes[-1]
            prefixes.append(text)

    def candidates(self, text: str) -> Iterator[str]:
        """All indexed texts that are a prefix of `text`, longest first. The result may include
        other texts, so the caller must check each one.

        Every text that sorts between a prefix of `text` and `text` itself begins with that prefix.
        So the search starts at the last indexed text that does not sort after `text`. It then goes
        to the longest indexed prefix of this text (its parent), and so on, and misses no prefix."""
        index = bisect_right(self._ranked, text) - 1
        candidate = self._ranked[index] if index >= 0 else None
        while candidate is not None:
            yield candidate
            candidate = self._parents.get(candidate)
