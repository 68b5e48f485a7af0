"""Handles training rows that repeat test data of a scored task: drops them, refuses the recipe, or
keeps and reports them.

A row has a leak if a text that identifies it matches a test text (kodata.prepare.leaks), or if it
contains both parts of a test question (kodata.prepare.parts). Leaks are counted by source, task and
kind (leaks.KINDS). Both rows and distinct texts are counted, because many rows may have the same
text. Rows that share only a hypothesis, a question or a single turn are counted too, and always
kept."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, TypedDict

from kodata.card import Parts, Record, Source
from kodata.errors import DataError
from kodata.prepare.entries import DataLocation, Entry, location_of, source_at
from kodata.prepare.leaks import TestTexts
from kodata.prepare.parts import TestParts
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


class SharedCount(TypedDict):
    """The training rows of a source that share a hypothesis, a question or a single turn with a
    task's test rows, and are no leaks to this task. `texts`: the number of distinct shared
    texts."""

    source: str
    task: str
    rows: int
    texts: int


class ComparedCount(TypedDict):
    """The number of a task's distinct test texts and of its distinct pairs (Parts.pair)."""

    texts: int
    pairs: int


class LeakCounts(TypedDict):
    """The part of the manifest about leaks. `compared` is by task."""

    policy: str
    compared: dict[str, ComparedCount]
    found: list[LeakCount]
    shared: list[SharedCount]
    between_tests: list[TextsInTests]


class _Leak(NamedTuple):
    """A match between a row and a task's test data. `kind`: one of leaks.KINDS. `text`: the text of
    the row that matches."""

    task: str
    kind: str
    text: str


class _Comparison(NamedTuple):
    """What a training row has in common with test data. `shared`: as in parts.Found."""

    leaks: list[_Leak]
    shared: dict[str, set[str]]


class LeakGuard:
    """Compares every training row with the test data of the scored tasks."""

    def __init__(
        self, tasks: Mapping[str, DataLocation], policy: str, watch: Watch = unwatched
    ) -> None:
        """`tasks`: for each task the location of its source. `policy`: Scored.leaks. `watch` is
        called with the number of test rows that were read. Raises DataError if test data cannot be
        read."""
        self.policy, self._tasks = policy, tasks
        self.tallies = {task: Tally() for task in tasks}  # counts of each task's test rows
        rows = (
            (task, source_at(location), record)
            for task, location in tasks.items()
            for record in _test_records(location, self.tallies[task])
        )
        begin = Progress("leak check: reading test data", 0)
        texts: list[tuple[str, str]] = []
        questions: list[tuple[str, Parts]] = []
        for task, source, record in counted(rows, begin, watch):
            texts += ((task, text) for text in source.texts(record))
            parts = source.parts(record)
            if parts.common or parts.pair:
                questions.append((task, parts))
        self._tests, self._parts = TestTexts(texts), TestParts(questions)
        self._rows: Counter[Key] = Counter()
        self._texts: dict[Key, set[str]] = defaultdict(set)
        self._shared_rows: Counter[tuple[str, str]] = Counter()  # by source and task
        self._shared_texts: dict[tuple[str, str], set[str]] = defaultdict(set)
        self._foreign: dict[str, frozenset[str]] = {}
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
        return self.policy == "drop" and bool(self._compare(source, record).leaks)

    def _compare(self, source: Source, record: Record) -> _Comparison:
        """What a row has in common with test data. There is at most one leak for each text of the
        row and each task."""
        foreign = self._foreign_to(source.CARD.name)
        leaks = [
            _Leak(task, kind, text)
            for text in source.texts(record)
            for task, kind in self._tests.find(text, foreign).items()
        ]
        texts = source.parts(record).texts
        pairs, shared = self._parts.find(texts)
        tasks = {leak.task for leak in leaks}
        leaks += (_Leak(task, "pair", "\n".join(texts)) for task in sorted(pairs - tasks))
        return _Comparison(leaks, shared)

    def _foreign_to(self, source: str) -> frozenset[str]:
        """The tasks whose test data are of another source."""
        if source not in self._foreign:
            tasks = (task for task, location in self._tasks.items() if location.source != source)
            self._foreign[source] = frozenset(tasks)
        return self._foreign[source]

    def _count_leaks(self, source: Source, record: Record) -> bool:
        """Counts what a row has in common with test data. Returns whether the row has a leak."""
        leaks, shared = self._compare(source, record)
        name = source.CARD.name
        for task, kind, text in leaks:
            self._example = self._example or f"guid {record['guid']}: {text[:60]!r}"
            self._rows[name, task, kind] += 1
            self._texts[name, task, kind].add(folded(text))
        for task in shared.keys() - {leak.task for leak in leaks}:
            self._shared_rows[name, task] += 1
            self._shared_texts[name, task] |= shared[task]
        return bool(leaks)

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
                f"leaks: refuse: training rows repeat test data: {counts}; for example"
                f" {self._example}; set `leaks: drop` to drop these rows"
            )
        return {
            "policy": self.policy,
            "compared": self._compared(),
            "found": leaks,
            "shared": self._shared(),
            "between_tests": self._between(entries),
        }

    def _compared(self) -> dict[str, ComparedCount]:
        """The numbers of test texts and pairs with which training rows were compared, by task."""
        texts, pairs = self._tests.number(), self._parts.pairs()
        return {task: {"texts": texts[task], "pairs": pairs[task]} for task in self._tasks}

    def _shared(self) -> list[SharedCount]:
        """The counts of rows that share a part of a test question but are no leaks."""
        return [
            {
                "source": name,
                "task": task,
                "rows": rows,
                "texts": len(self._shared_texts[name, task]),
            }
            for (name, task), rows in sorted(self._shared_rows.items())
        ]

    def _between(self, entries: Iterable[Entry]) -> list[TextsInTests]:
        """The numbers of test texts that a scored task has in common with another source's test
        split (equal texts, or equal folded texts). The sources are those of tasks and of `entries`.

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


def _test_records(location: DataLocation, tally: Tally) -> Iterator[Record]:
    """The usable records of a source's test split. `tally` counts the rows. Raises DataError if the
    test split cannot be read."""
    return usable_records(source_at(location).read("test", location.path), "test", tally)


def _available(location: DataLocation) -> Iterator[str]:
    """The test texts of a source that is trained on; none if its test split is not available."""
    source = source_at(location)
    try:
        for record in _test_records(location, Tally()):
            yield from source.texts(record)
    except DataError:
        return
