"""What becomes of training rows whose text stands in a scored task's test text: dropped, refused,
or kept and said aloud.

Counted twice for each source, task and kind (leaks.KINDS): rows, and different texts, since one
text may have many rows."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import TypedDict

from kodata.card import Record, Source
from kodata.errors import DataError
from kodata.prepare.entries import DataPlace, Entry, place_of, source_at
from kodata.prepare.leaks import TestTexts
from kodata.prepare.sound import Tally, sound
from kodata.text import folded

Key = tuple[str, str, str]  # source, task, kind


class LeakCount(TypedDict):
    """Training rows of a source that occur in a task's test text."""

    source: str
    task: str
    kind: str
    rows: int
    texts: int


class TextsInTests(TypedDict):
    """Test text that a task shares with another source's test split."""

    source: str
    task: str
    texts: int


class LeakCounts(TypedDict):
    """The manifest's account of leaks."""

    policy: str
    found: list[LeakCount]
    between_tests: list[TextsInTests]


class LeakGuard:
    """Looks every training row up in the test text of the scored tasks."""

    def __init__(self, tasks: Mapping[str, DataPlace], policy: str) -> None:
        """`tasks`: for each task the source that it scores. Raises DataError where test text cannot
        be read."""
        self.policy, self._tasks = policy, tasks
        self.tallies = {task: Tally() for task in tasks}  # of the test rows of each
        found = (
            (task, text)
            for task, place in tasks.items()
            for text in test_texts(place, self.tallies[task])
        )
        self._tests = TestTexts(found)
        self._rows: Counter[Key] = Counter()
        self._texts: dict[Key, set[str]] = defaultdict(set)
        self._example = ""

    def passed(
        self, records: Iterable[tuple[str, Record]], source: Source, dropped: Counter[str]
    ) -> Iterator[tuple[str, Record]]:
        """The rows that may be trained on; what is dropped is counted in `dropped`."""
        for side, record in records:
            if self._found(source, record) and self.policy == "drop":
                dropped["leak"] += 1
            else:
                yield side, record

    def drops(self, source: Source, record: Record) -> bool:
        """Whether a row is not to be trained on; it is not counted."""
        return self.policy == "drop" and any(
            self._tests.find(text) for text in source.texts(record)
        )

    def _found(self, source: Source, record: Record) -> bool:
        found = False
        for text in source.texts(record):
            for task, kind in self._tests.find(text).items():
                found = True
                self._example = self._example or f"guid {record['guid']}: {text[:60]!r}"
                self._rows[source.CARD.name, task, kind] += 1
                self._texts[source.CARD.name, task, kind].add(folded(text))
        return found

    def verdict(self, entries: Iterable[Entry]) -> LeakCounts:
        """The manifest's account of leaks. DataError where there are some and the policy is to
        refuse."""
        found: list[LeakCount] = [
            {
                "source": key[0],
                "task": key[1],
                "kind": key[2],
                "rows": rows,
                "texts": len(self._texts[key]),
            }
            for key, rows in sorted(self._rows.items())
        ]
        if found and self.policy == "refuse":
            told = "; ".join(
                f"{leak['rows']} rows of {leak['source']} ({leak['kind']}) in {leak['task']}"
                for leak in found
            )
            raise DataError(
                f"leaks: refuse: training text stands in test text: {told}; for example"
                f" {self._example}; say `leaks: drop` to leave these rows out"
            )
        return {"policy": self.policy, "found": found, "between_tests": self._between(entries)}

    def _between(self, entries: Iterable[Entry]) -> list[TextsInTests]:
        """Test text, equal or folded, that a scored task shares with another source's test split.

        Nothing of it is trained on, but the two scores are not independent.
        """
        places = [*self._tasks.values(), *map(place_of, entries)]
        shared: dict[tuple[str, str], set[str]] = defaultdict(set)
        for place in dict.fromkeys(places):
            for text in _readable(place):
                for task in self._tests.equal(text):
                    if self._tasks[task].source != place.source:
                        shared[place.source, task].add(folded(text))
        return [
            {"source": name, "task": task, "texts": len(texts)}
            for (name, task), texts in sorted(shared.items())
        ]


def test_texts(place: DataPlace, tally: Tally | None = None) -> Iterator[str]:
    """Every text that a leak check compares, of a source's test split. `tally` counts its rows."""
    source = source_at(place)
    for record in sound(source.read("test", place.path), "test", tally or Tally()):
        yield from source.texts(record)


def _readable(place: DataPlace) -> Iterator[str]:
    """The test texts of a source that is trained on; none where its test split is not at hand."""
    try:
        yield from test_texts(place)
    except DataError:
        return
