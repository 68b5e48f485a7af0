"""Handles training rows whose text occurs in the test data of a scored task: drops them, refuses
the recipe, or keeps and reports them.

Leaks are counted by source, task and kind (leaks.KINDS), both as rows and as distinct texts, since
many rows may have the same text."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import TypedDict

from kodata.card import Record, Source
from kodata.errors import DataError
from kodata.prepare.entries import DataLocation, Entry, location_of, source_at
from kodata.prepare.leaks import TestTexts
from kodata.prepare.usable import Tally, usable_records
from kodata.progress import Progress, Watch, counted, unwatched
from kodata.text import folded

Key = tuple[str, str, str]  # source, task, kind


class LeakCount(TypedDict):
    """The leaks from a source's training data to a task's test texts. `rows` counts training rows,
    `texts` their distinct texts. `kind` is one of leaks.KINDS."""

    source: str
    task: str
    kind: str
    rows: int
    texts: int


class TextsInTests(TypedDict):
    """The number of test texts that `task` has in common with the test split of `source`."""

    source: str
    task: str
    texts: int


class LeakCounts(TypedDict):
    """The part of the manifest about leaks."""

    policy: str
    found: list[LeakCount]
    between_tests: list[TextsInTests]


class LeakGuard:
    """Looks up every training row in the test texts of the scored tasks."""

    def __init__(
        self, tasks: Mapping[str, DataLocation], policy: str, watch: Watch = unwatched
    ) -> None:
        """`tasks`: for each task the location of its source. `policy`: Scored.leaks. `watch` is
        called with the number of test texts that were read. Raises DataError if test data cannot be
        read."""
        self.policy, self._tasks = policy, tasks
        self.tallies = {task: Tally() for task in tasks}  # counts of each task's test rows
        texts = (
            (task, text)
            for task, location in tasks.items()
            for text in test_texts(location, self.tallies[task])
        )
        begin = Progress("leak check: reading test data", 0, unit="texts")
        self._tests = TestTexts(counted(texts, begin, watch))
        self._rows: Counter[Key] = Counter()
        self._texts: dict[Key, set[str]] = defaultdict(set)
        self._example = ""

    def without_leaks(
        self, records: Iterable[tuple[str, Record]], source: Source, dropped: Counter[str]
    ) -> Iterator[tuple[str, Record]]:
        """Yields the rows without leaks if the policy is `drop`, else all rows. Counts every leak
        for verdict(). `dropped` counts the dropped rows."""
        for split, record in records:
            if self._count_leaks(source, record) and self.policy == "drop":
                dropped["leak"] += 1
            else:
                yield split, record

    def drops(self, source: Source, record: Record) -> bool:
        """Whether without_leaks() would drop a row. Does not count the row."""
        return self.policy == "drop" and any(
            self._tests.find(text) for text in source.texts(record)
        )

    def _count_leaks(self, source: Source, record: Record) -> bool:
        """Counts the leaks of a row. Returns whether the row has any."""
        is_leak = False
        for text in source.texts(record):
            for task, kind in self._tests.find(text).items():
                is_leak = True
                self._example = self._example or f"guid {record['guid']}: {text[:60]!r}"
                self._rows[source.CARD.name, task, kind] += 1
                self._texts[source.CARD.name, task, kind].add(folded(text))
        return is_leak

    def verdict(self, entries: Iterable[Entry]) -> LeakCounts:
        """The part of the manifest about leaks. Raises DataError if there are leaks and the policy
        is `refuse`."""
        leaks: list[LeakCount] = [
            {
                "source": key[0],
                "task": key[1],
                "kind": key[2],
                "rows": rows,
                "texts": len(self._texts[key]),
            }
            for key, rows in sorted(self._rows.items())
        ]
        if leaks and self.policy == "refuse":
            counts = "; ".join(
                f"{leak['rows']} rows of {leak['source']} ({leak['kind']}) in {leak['task']}"
                for leak in leaks
            )
            raise DataError(
                f"leaks: refuse: training text occurs in test text: {counts}; for example"
                f" {self._example}; set `leaks: drop` to drop these rows"
            )
        return {"policy": self.policy, "found": leaks, "between_tests": self._between(entries)}

    def _between(self, entries: Iterable[Entry]) -> list[TextsInTests]:
        """Test texts that a scored task has in common with another source's test split (leaks of
        kind `exact` or `folded`).

        Models are not trained on these texts, but the scores on the two test splits are not
        independent."""
        locations = [*self._tasks.values(), *map(location_of, entries)]
        shared: dict[tuple[str, str], set[str]] = defaultdict(set)
        for location in dict.fromkeys(locations):
            for text in _available(location):
                for task in self._tests.equal(text):
                    if self._tasks[task].source != location.source:
                        shared[location.source, task].add(folded(text))
        return [
            {"source": name, "task": task, "texts": len(texts)}
            for (name, task), texts in sorted(shared.items())
        ]


def test_texts(location: DataLocation, tally: Tally | None = None) -> Iterator[str]:
    """The texts of a source's test split, for the leak check. `tally` counts the rows. Raises
    DataError if the test split cannot be read."""
    source = source_at(location)
    for record in usable_records(source.read("test", location.path), "test", tally or Tally()):
        yield from source.texts(record)


def _available(location: DataLocation) -> Iterator[str]:
    """The test texts of a source that is trained on; none if its test split is not available."""
    try:
        yield from test_texts(location)
    except DataError:
        return
