"""Finds whole test questions in training examples.

A question of a pair task has two parts, such as a premise and a hypothesis. A training example that
contains both parts is a leak of the kind `pair`. The parts may be in either order, in one turn or
in several, and of any length, but they must not overlap. They are compared as folded texts
(kodata.text.folded). Words around them, such as a prompt's fixed words, are not compared.

One part alone is no leak, because a hypothesis may belong to many premises. An example that shares
one part is only counted. A part of fewer than FEWEST_WORDS words counts only if it is a whole text
of the example, because short parts occur by chance.

Time is linear in the length of an example. Limit: beyond about MAX_COMPARED compared characters, an
example counts as a leak of every task with pairs, so no leak is missed. Only texts that are
constructed for this purpose exceed the limit."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from kodata.card import Parts
from kodata.prepare.prefixes import Prefixes
from kodata.text import folded

FEWEST_WORDS = 4
MAX_COMPARED = 10_000_000  # characters compared for one example; takes about a second
START = 6  # parts are indexed by their first START characters; a shorter part by all of them


class Found(NamedTuple):
    """What one training example has in common with test questions.

    - `pairs`: the tasks with a question whose two parts are both in the example
    - `shared`: for each task, the folded parts (Parts.common) that are in the example
    """

    pairs: set[str]
    shared: dict[str, set[str]]


class TestParts:
    """An index of the parts of all test questions."""

    __test__ = False  # pytest: not a test class

    def __init__(self, questions: Iterable[tuple[str, Parts]]) -> None:
        """`questions`: pairs of task and parts. Parts without letters are skipped."""
        self._pairs: dict[tuple[str, str], set[str]] = defaultdict(set)  # pair -> tasks
        self._partners: dict[str, set[str]] = defaultdict(set)  # first part -> second parts
        self._common: dict[str, set[str]] = defaultdict(set)  # part of Parts.common -> tasks
        self._in_pairs: set[str] = set()  # parts of pairs
        self._long: set[str] = set()  # parts of Parts.common with at least FEWEST_WORDS words
        for task, parts in questions:
            self._add(task, parts)
        self._starts = _by_start(self._in_pairs | self._long)

    def _add(self, task: str, parts: Parts) -> None:
        for text in parts.common:
            if letters := folded(text):
                self._common[letters].add(task)
                if words(text) >= FEWEST_WORDS:
                    self._long.add(letters)
        if parts.pair:
            first, second = map(folded, parts.pair)
            if first and second:
                self._pairs[first, second].add(task)
                self._partners[first].add(second)
                self._in_pairs |= {first, second}

    def pairs(self) -> Counter[str]:
        """The number of distinct pairs of each task."""
        return Counter(task for tasks in self._pairs.values() for task in tasks)

    def find(self, texts: Iterable[str]) -> Found:
        """What an example has in common with test questions. `texts`: all texts of the example."""
        if not self._common and not self._pairs:
            return Found(set(), {})
        own = [letters for text in texts if (letters := folded(text))]
        example = "\n".join(own)  # a folded part has no line break, so it is inside one text
        standing = self._standing_in(example)
        if standing is None:
            return Found(set(self.pairs()), {})
        shared: dict[str, set[str]] = defaultdict(set)
        for part in {*own, *(standing & self._long)} & self._common.keys():
            for task in self._common[part]:
                shared[task].add(part)
        return Found(self._paired(example, standing), dict(shared))

    def _standing_in(self, example: str) -> set[str] | None:
        """The indexed parts that are in a folded example. None if more than MAX_COMPARED characters
        would be compared."""
        standing: set[str] = set()
        compared = 0
        for length, starts in self._starts.items():
            for at in range(len(example) - length + 1):
                if not (parts := starts.get(example[at : at + length])):
                    continue
                rest = example[at : at + parts.longest]
                compared += len(rest)
                for part in parts.candidates(rest):
                    if part in standing:  # the next candidates are its prefixes, found before
                        break
                    compared += len(part)
                    if rest.startswith(part):
                        standing.add(part)
                if compared > MAX_COMPARED:
                    return None
        return standing

    def _paired(self, example: str, standing: set[str]) -> set[str]:
        """The tasks with a pair whose parts are both in a folded example, without overlap.
        `standing`: as from _standing_in()."""
        tasks: set[str] = set()
        compared = 0
        for first in standing & self._partners.keys():
            for second in self._partners[first] & standing:
                if (more := self._pairs[first, second]) <= tasks:
                    continue
                compared += len(example)
                if compared > MAX_COMPARED or are_apart(example, first, second):
                    tasks |= more
        return tasks


def _by_start(parts: set[str]) -> dict[int, dict[str, Prefixes]]:
    """An index of parts: by the length of their start, and then by their start. The start is the
    first START characters, or the whole part if it is shorter."""
    starts: dict[int, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for part in parts:
        start = part[:START]
        starts[len(start)][start].add(part)
    return {
        length: {start: Prefixes(of_start) for start, of_start in by_start.items()}
        for length, by_start in starts.items()
    }


def are_apart(text: str, first: str, second: str) -> bool:
    """Whether two parts of a text occur in it without overlapping each other. Both must be in the
    text."""
    return text.find(first) + len(first) <= text.rfind(second) or text.find(second) + len(
        second
    ) <= text.rfind(first)


def words(text: str) -> int:
    """The number of words with a letter or digit."""
    return sum(1 for word in text.split() if folded(word))
