"""Training text that stands in a scored task's test text: exactly, folded (spacing, punctuation,
width, case), nearly, or inside a longer text.

Guarantees: an equal text is always found, and so is one that stands, folded, inside the other: a
sentence of a passage (`inside`, whichever of the two is the longer). A near one, that is one whose
character 5-grams have a Jaccard similarity of 0.8 or more with a test text's, is found by MinHash
(datasketch) with a probability over 0.999 and is then measured exactly, so that nothing is called
near that is not. Texts under 20 folded characters are never near and never inside: a short review
says what many others say.

Limit: a training text for which over MOST characters of test text would have to be compared counts
as near, or inside, unmeasured: one that repeats itself, against test texts that do the same. No
text is passed over for that, and an honest one, even among 10,000 test texts of one pattern, does
not come near it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cache, lru_cache
from typing import TYPE_CHECKING
from zlib import crc32

from kodata.prepare.prefixes import Prefixes
from kodata.text import folded, spaced

if TYPE_CHECKING:
    from datasketch import MinHash

KINDS = ("exact", "folded", "near", "inside")
GRAM = 5  # characters
NEAR = 0.8  # Jaccard similarity of two texts' sets of 5-grams
SHORTEST = 20  # folded characters
MOST = 10_000_000  # characters of test text compared with one text, in about a second
PERMUTATIONS = 64
# Bands and rows: a similarity s becomes a candidate with a probability of 1 - (1 - s^4)^16.
BANDS = (16, 4)


class TestTexts:
    """The test texts of the scored tasks, made ready to be looked up. About 2 KB a text of 20
    characters or more."""

    __test__ = False  # pytest: not a test class

    def __init__(self, texts: Iterable[tuple[str, str]]) -> None:
        """Pairs of task and text; an empty text is passed over."""
        from datasketch import MinHashLSH

        self.find = lru_cache(maxsize=1024)(self._find)  # rows of one premise follow each other
        self._tasks: set[str] = set()
        self._spaced: dict[str, frozenset[str]] = {}
        self._folded: dict[str, frozenset[str]] = {}
        self._near = MinHashLSH(num_perm=PERMUTATIONS, params=BANDS)
        self._windows: set[int] = set()  # hashes of all runs of SHORTEST characters
        starts: dict[str, list[str]] = defaultdict(list)  # texts by their first SHORTEST characters
        for task, text in texts:
            known, name = folded(text), frozenset((task,))
            if not known:
                continue
            self._tasks.add(task)
            self._spaced[spaced(text)] = self._spaced.get(spaced(text), name) | name
            if known not in self._folded and len(known) >= SHORTEST:
                self._near.insert(known, sketch(known), check_duplication=False)
                self._windows.update(map(hash, windows(known)))
                starts[known[:SHORTEST]].append(known)
            self._folded[known] = self._folded.get(known, name) | name
        self._starts = {start: Prefixes(texts) for start, texts in starts.items()}
        everything = self._folded.items()
        self._joined = {
            task: "\n".join(text for text, where in everything if task in where)
            for task in self._tasks
        }

    def equal(self, text: str) -> dict[str, str]:
        """The tasks that hold the same text: `exact`, else `folded`."""
        found = dict.fromkeys(self._folded.get(folded(text), ()), "folded")
        return found | dict.fromkeys(self._spaced.get(spaced(text), ()), "exact")

    def _find(self, text: str) -> dict[str, str]:
        """For each task in whose test text a training text occurs, the closest kind in which it
        does."""
        known, found = folded(text), self.equal(text)
        if len(known) >= SHORTEST and len(found) < len(self._tasks):
            found = dict.fromkeys(self._close(known, self._tasks - found.keys()), "near") | found
            found = dict.fromkeys(self._inside(known, self._tasks - found.keys()), "inside") | found
        return found

    def _close(self, known: str, asked: set[str]) -> set[str]:
        """Those of the tasks with a test text that is near this one."""
        candidates = [
            other for other in self._near.query(sketch(known)) if asked & self._folded[other]
        ]
        if sum(map(len, candidates)) > MOST:
            return {task for other in candidates for task in self._folded[other]}
        own, found = grams(known), set[str]()
        for other in candidates:
            if not self._folded[other] <= found and similarity(own, grams(other)) >= NEAR:
                found |= self._folded[other]
        return found

    def _inside(self, known: str, asked: set[str]) -> set[str]:
        """Those of the tasks with a test text that holds this one, or that this one holds."""
        found: set[str] = set()
        if all(hash(window) in self._windows for window in windows(known)):
            found = {task for task in asked if known in self._joined[task]}
        compared = 0
        for at, window in enumerate(windows(known)):
            if not (texts := self._starts.get(window)) or asked <= found:
                continue
            rest = known[at : at + texts.longest]
            compared += len(rest)
            for other in texts.candidates(rest):
                compared += len(other)
                if rest.startswith(other):
                    found |= self._folded[other]
            if compared > MOST:
                return asked
        return found


def windows(text: str) -> Iterator[str]:
    """Every run of SHORTEST characters of a folded text."""
    return (text[at : at + SHORTEST] for at in range(len(text) - SHORTEST + 1))


def grams(text: str) -> set[str]:
    """The character 5-grams of a folded text."""
    return {text[at : at + GRAM] for at in range(len(text) - GRAM + 1)}


def similarity(one: set[str], other: set[str]) -> float:
    """Jaccard: what two sets share, of what they have together."""
    return len(one & other) / len(one | other)


def sketch(text: str) -> MinHash:
    """The MinHash of a folded text's 5-grams. Broder 1997, doi:10.1109/SEQUEN.1997.666900."""
    made = _blank().copy()
    made.update_batch([gram.encode() for gram in grams(text)])
    return made


@cache
def _blank() -> MinHash:
    """Drawing its permutations anew for every text would take longer than everything else."""
    from datasketch import MinHash

    return MinHash(num_perm=PERMUTATIONS, hashfunc=crc32)
