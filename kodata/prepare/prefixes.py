"""Texts of one beginning, made ready to be asked which of them another text begins with."""

from bisect import bisect_right
from collections.abc import Collection, Iterator


class Prefixes:
    """Asked in the logarithm of their number, not one by one: thousands of prompts may begin
    alike."""

    __slots__ = ("_inside", "_ranked", "longest")

    def __init__(self, texts: Collection[str]) -> None:
        self.longest = max(map(len, texts))
        self._ranked = sorted(texts)
        self._inside: dict[str, str] = {}  # of each text the longest other one that it begins with
        waiting: list[str] = []
        for text in self._ranked:
            while waiting and not text.startswith(waiting[-1]):
                waiting.pop()
            if waiting:
                self._inside[text] = waiting[-1]
            waiting.append(text)

    def candidates(self, text: str) -> Iterator[str]:
        """All that the text begins with, and perhaps others, longest first. What stands in
        alphabetical order between a text and its beginning begins so too: the last one before the
        text, and what that one begins with, are all there are."""
        at = bisect_right(self._ranked, text) - 1
        found = self._ranked[at] if at >= 0 else None
        while found is not None:
            yield found
            found = self._inside.get(found)
