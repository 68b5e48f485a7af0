"""What a task's items score without a language model: lines to hold a run against, on exactly the
items that the model was asked, so that they are compared with it item by item.

Majority and classifiers (kodata/metrics/classifiers.py) are made of the run's own training rows,
and the task's own code scores what they say. Other lines a task scores itself beside every answer:
lead-3, or what people wrote (`lines` in its YAML)."""

from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, cast

from kodata.card import Record
from kodata.errors import DataError
from kodata.metrics.classifiers import Classifier, Majority, views
from kodata.prepare.output import doc_of
from kotune.layout import TRAIN
from kotune.runs.reading import rows_of
from kotune.score.harness import Loaded
from kotune.score.samples import SampleRow

# training rows that are looked at, evenly spread: more would cost minutes and change little
ROWS = 25_000
NEVER = -100.0  # the logarithm of a probability: a choice that no training row has
MAJORITY = "majority"
# Fields of a model's sample that a baseline's sample repeats.
SAME = ("guid", "source", "doc_id", "doc_hash", "cluster", "question_hash", "target_hash", "gold")
Known = Majority | Classifier


class Lines(NamedTuple):
    """`samples`: for each line what it made of every item, as a model's samples. `rows`: the
    training rows that majority and classifiers know. `absent`: why there are none of these, `not
    trained` on the task's source, `too few` rows, or `one label` in all of them; None where there
    are some, or where no classifier could answer the task's items at all."""

    samples: dict[str, list[SampleRow]]
    rows: int
    absent: str | None


class Learned(NamedTuple):
    """What was learned from a source's training rows: their number, the classifiers by the names of
    their lines, and why there are none."""

    rows: int
    known: dict[str, Known]
    absent: str | None


class References:
    """The lines of one run folder, made of at most `rows` of a source's training rows; each is made
    once, whatever the number of tasks."""

    def __init__(self, root: Path, rows: int = ROWS) -> None:
        self._root, self._rows = root, rows
        self._known = cache(self._made)

    def of(self, task: Loaded, samples: list[SampleRow]) -> Lines:
        """The lines for the items of these samples."""
        docs = [task.task.eval_docs[sample["doc_id"]] for sample in samples]
        given = _given(task, samples)
        if not docs or not views(docs[0]) or not _tells(task, docs[0]):
            return Lines(given, 0, None)
        rows, known, absent = self._known(task.card.source)
        said = {name: line.likelihoods(docs) for name, line in known.items()}
        lines = {name: [*map(_answered(task), samples, docs, each)] for name, each in said.items()}
        return Lines({**lines, **given}, rows, absent)

    def _made(self, source: str) -> Learned:
        """What was learned of a source's training rows, by the name of its line."""
        records = self._records(source)
        if not records:
            return Learned(0, {}, "not trained")
        try:
            made = {name: Classifier(records, name) for name in views(records[0])}
        except DataError:
            alike = len(records) > 1 and len({record["label"] for record in records}) == 1
            return Learned(len(records), {}, "one label" if alike else "too few")
        return Learned(len(records), {MAJORITY: Majority(records), **made}, None)

    def _records(self, source: str) -> list[Record]:
        """The source's training rows, evenly spread where there are too many."""
        found = [doc_of(row) for _, row in rows_of(self._root / TRAIN) if row["source"] == source]
        return found[:: -(-len(found) // self._rows) or 1]


def _given(task: Loaded, samples: list[SampleRow]) -> dict[str, list[SampleRow]]:
    """The lines that the task's own metrics tell of: `lead3_rougeL_char` is the rougeL_char of the
    line lead3."""
    found = {}
    for line, prefix in task.card.lines.items():
        told = [_told(sample, prefix) for sample in samples]
        # klue_nli_write_ko without a judge says nothing of people either.
        if any(sample["metrics"] for sample in told):
            found[line] = told
    return found


def _told(sample: SampleRow, prefix: str) -> SampleRow:
    """What a line made of an item: nothing but its metrics is known."""
    metrics = {
        name.removeprefix(prefix): value
        for name, value in sample["metrics"].items()
        if name.startswith(prefix)
    }
    return {**_same(sample), "metrics": metrics}


def _same(sample: SampleRow) -> SampleRow:
    return cast(SampleRow, {key: value for key, value in sample.items() if key in SAME})


def _tells(task: Loaded, doc: Record) -> bool:
    """Whether an item's label decides its right answer; where a model writes a sentence, it does
    not. All items are looked at: under --limit 1 there is but one label, and one label has one
    answer in every task."""
    labels = set(task.task.eval_docs["label"])
    return 1 < len(labels) == len({task.right_answer({**doc, "label": label}) for label in labels})


def _answered(task: Loaded) -> Any:
    """Makes a sample of a model's sample, its doc, and what a line says of the labels."""

    def answered(sample: SampleRow, doc: Record, likelihoods: dict[str, float]) -> SampleRow:
        answers = {
            task.right_answer({**doc, "label": label}): told for label, told in likelihoods.items()
        }
        best = max(answers, key=lambda answer: answers[answer])
        results: list[Any] = [best]
        if not task.generates:
            results = [
                (answers.get(choice, NEVER), False)
                for choice in range(len(task.task.doc_to_choice(doc)))
            ]
        return {
            **_same(sample),
            "prediction": best,
            "metrics": dict(task.task.process_results(doc, results)),
        }

    return answered
