"""Finds training texts in the test texts of scored tasks. The texts are those that identify a row
(Source.texts). A folded text has only the letters and digits of a text, without differences of
width and case (kodata.text.folded). This module finds four kinds of leaks. A fifth, `pair`, is
found by kodata.prepare.parts.

- `exact`: the texts are equal, apart from spacing. Always found.
- `folded`: the folded texts are equal. Always found.
- `near`: the Jaccard similarity of the folded texts' 5-grams is at least 0.8. MinHash (datasketch)
  finds such a text with a probability over 0.999. The similarity is then measured exactly, so there
  are no false positives.
- `inside`: one folded text contains the other, for example a passage and one of its sentences.
  Either text may be the longer one. Always found.

Texts of fewer than 20 folded characters are never `near`, because many short reviews are similar by
chance. They are `inside` in one case: a training text of at least four words stands in a longer
test text of another source.

Limit: a training text is compared with at most about MAX_COMPARED characters of test text. Beyond
that, it counts as near or inside without being measured, so no leak is missed. This happens only if
both the text and the test texts are very repetitive. Ordinary texts stay far below the limit, even
with 10,000 test texts of one pattern."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from functools import cache, cached_property, lru_cache
from typing import TYPE_CHECKING
from zlib import crc32

from kodata.prepare.parts import FEWEST_WORDS, MAX_COMPARED, words
from kodata.prepare.prefixes import Prefixes
from kodata.text import folded, spaced

if TYPE_CHECKING:
    from datasketch import MinHash

KINDS = ("exact", "folded", "near", "inside", "pair")
GRAM = 5  # characters
MIN_SIMILARITY = 0.8  # Jaccard similarity of two texts' sets of 5-grams
MIN_LENGTH = 20  # folded characters
PERMUTATIONS = 64
# Bands and rows: a text with similarity s becomes a candidate with probability 1 - (1 - s^4)^16.
BANDS = (16, 4)
SLOTS = 1 << 24  # bytes of the table that marks which 5-grams occur in test texts


class TestTexts:
    """An index of the test texts of the scored tasks. Takes about 2 KB of memory for each text of
    20 characters or more."""

    __test__ = False  # pytest: not a test class

    def __init__(self, texts: Iterable[tuple[str, str]]) -> None:
        """`texts`: pairs of task and text. Empty texts are skipped."""
        from datasketch import MinHashLSH

        self.find = lru_cache(maxsize=1024)(self._find)  # rows with the same premise are adjacent
        self._tasks: set[str] = set()
        self._spaced: dict[str, frozenset[str]] = {}
        self._folded: dict[str, frozenset[str]] = {}
        self._near = MinHashLSH(num_perm=PERMUTATIONS, params=BANDS)
        self._windows: set[int] = set()  # hashes of all substrings of MIN_LENGTH characters
        # Texts by their first MIN_LENGTH characters.
        starts: dict[str, list[str]] = defaultdict(list)
        for task, text in texts:
            letters, name = folded(text), frozenset((task,))
            if not letters:
                continue
            self._tasks.add(task)
            self._spaced[spaced(text)] = self._spaced.get(spaced(text), name) | name
            if letters not in self._folded and len(letters) >= MIN_LENGTH:
                self._near.insert(letters, sketch(letters), check_duplication=False)
                self._windows.update(map(hash, windows(letters)))
                starts[letters[:MIN_LENGTH]].append(letters)
            self._folded[letters] = self._folded.get(letters, name) | name
        self._starts = {start: Prefixes(texts) for start, texts in starts.items()}
        self._joined = {
            task: "\n".join(text for text, tasks in self._folded.items() if task in tasks)
            for task in self._tasks
        }

    def number(self) -> Counter[str]:
        """The number of distinct test texts of each task."""
        return Counter(task for tasks in self._folded.values() for task in tasks)

    def equal(self, text: str) -> dict[str, str]:
        """The tasks that have the text as a test text. Each task maps to `exact` or `folded`."""
        kinds = dict.fromkeys(self._folded.get(folded(text), ()), "folded")
        return kinds | dict.fromkeys(self._spaced.get(spaced(text), ()), "exact")

    def _find(self, text: str, foreign: frozenset[str] = frozenset()) -> dict[str, str]:
        """For each task whose test texts match a training text, the closest kind of match, in the
        order of KINDS. `foreign`: the tasks whose test texts are from another source than the
        training text. A short text can be `inside` only for these."""
        letters, kinds = folded(text), self.equal(text)
        if len(letters) < MIN_LENGTH:
            short = self._short_inside_tasks(text, letters, foreign - kinds.keys())
            return kinds | dict.fromkeys(short, "inside")
        if len(kinds) < len(self._tasks):
            near = self._near_tasks(letters, self._tasks - kinds.keys())
            kinds = dict.fromkeys(near, "near") | kinds
            inside = self._inside_tasks(letters, self._tasks - kinds.keys())
            kinds = dict.fromkeys(inside, "inside") | kinds
        return kinds

    def _short_inside_tasks(self, text: str, letters: str, tasks: frozenset[str]) -> set[str]:
        """Those of `tasks` with a test text that contains a short text; empty if the text has fewer
        than FEWEST_WORDS words. `letters`: the folded text."""
        if not tasks or words(text) < FEWEST_WORDS:
            return set()
        # The search takes a millisecond for NSMC. It is skipped if one of the text's 5-grams is in
        # no test text, because then no test text contains the text.
        if not all(self._known_grams[hash(gram) % SLOTS] for gram in grams(letters)):
            return set()
        return {task for task in tasks if letters in self._joined[task]}

    @cached_property
    def _known_grams(self) -> bytearray:
        """A table with a 1 for each 5-gram of the test texts. The index of a 5-gram is its hash
        modulo SLOTS, so several 5-grams can have the same index."""
        known = bytearray(SLOTS)
        for letters in self._folded:
            for gram in grams(letters):
                known[hash(gram) % SLOTS] = 1
        return known

    def _near_tasks(self, letters: str, tasks: set[str]) -> set[str]:
        """The tasks with a test text that is `near` a folded text. Includes all matches among
        `tasks`, and perhaps other tasks."""
        candidates = [
            other for other in self._near.query(sketch(letters)) if tasks & self._folded[other]
        ]
        if sum(map(len, candidates)) > MAX_COMPARED:
            return {task for other in candidates for task in self._folded[other]}
        own, matching = grams(letters), set[str]()
        for other in candidates:
            if (
                not self._folded[other] <= matching
                and similarity(own, grams(other)) >= MIN_SIMILARITY
            ):
                matching |= self._folded[other]
        return matching

    def _inside_tasks(self, letters: str, tasks: set[str]) -> set[str]:
        """The tasks with a test text that contains this folded text, or that is contained in it.
        Includes all matches among `tasks`, and perhaps other tasks."""
        matching: set[str] = set()
        if all(hash(window) in self._windows for window in windows(letters)):
            matching = {task for task in tasks if letters in self._joined[task]}
        compared = 0
        for start, window in enumerate(windows(letters)):
            if not (texts := self._starts.get(window)) or tasks <= matching:
                continue
            rest = letters[start : start + texts.longest]
            compared += len(rest)
            for other in texts.candidates(rest):
                compared += len(other)
                if rest.startswith(other):
                    matching |= self._folded[other]
            if compared > MAX_COMPARED:
                return tasks
        return matching


def windows(text: str) -> Iterator[str]:
    """Every substring of MIN_LENGTH characters of a folded text."""
    return (text[start : start + MIN_LENGTH] for start in range(len(text) - MIN_LENGTH + 1))


def grams(text: str) -> set[str]:
    """The character 5-grams of a folded text."""
    return {text[start : start + GRAM] for start in range(len(text) - GRAM + 1)}


def similarity(first: set[str], second: set[str]) -> float:
    """The Jaccard similarity: the size of the intersection divided by the size of the union."""
    return len(first & second) / len(first | second)


def sketch(text: str) -> MinHash:
    """The MinHash of a folded text's 5-grams. Broder 1997, doi:10.1109/SEQUEN.1997.666900."""
    minhash = _empty_minhash().copy()
    minhash.update_batch([gram.encode() for gram in grams(text)])
    return minhash


@cache
def _empty_minhash() -> MinHash:
    """An empty MinHash. It is cached, because drawing the permutations for every text would take
    most of the time."""
    from datasketch import MinHash

    return MinHash(num_perm=PERMUTATIONS, hashfunc=crc32)
