"""Baselines that need no language model. They answer the same items as the model, so both are
compared item by item.

The majority baseline and the classifiers (kodata/metrics/classifiers.py) learn from the run's own
training rows. Two classifiers see both sentences of an item. Only the one that is better on the
run's validation rows is a baseline. The task's own code scores the answers of baselines.

Some tasks define further baselines (`lines` in their YAML), for example lead-3 or texts that people
wrote. The task scores these together with each answer of the model."""

from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, cast

from kodata.card import Record
from kodata.errors import DataError
from kodata.metrics.classifiers import Classifier, Majority, views
from kodata.prepare.output import doc_of
from kotune.layout import TRAIN, VALIDATION
from kotune.runs.reading import rows_of
from kotune.score.harness import Loaded
from kotune.score.samples import SampleRow

# Maximum number of training rows that baselines learn from. The rows are evenly spaced in the data.
# More rows would take minutes and change the results little.
ROWS = 25_000
NEVER = -100.0  # log-probability of a choice that occurs in no training row
# Added to the log-probability of a baseline's answer. Of equally likely labels, the task then
# chooses the same one. Without it, `prediction` and `acc` could disagree.
CHOSEN = 1e-9
MAJORITY = "majority"
# Classifiers of which only the one that is better on validation is kept; the first one in a tie.
RIVALS = ("overlap", "crossed")
# Fields that are copied from a model's sample to a baseline's sample.
SAME = ("guid", "source", "doc_id", "doc_hash", "cluster", "question_hash", "target_hash", "gold")
Known = Majority | Classifier


class BaselineAnswers(NamedTuple):
    """`samples`: each baseline's answers, in the form of a model's samples. `rows`: the number of
    training rows that the majority baseline and the classifiers learned from. `absent`: the reason
    if these baselines do not exist: `not trained` (no training row is from the task's source), `too
    few` (training rows) or `one label` (in all training rows). None if these baselines exist, or if
    no classifier can answer the task."""

    samples: dict[str, list[SampleRow]]
    rows: int
    absent: str | None


class Learned(NamedTuple):
    """The baselines learned from a source's training rows. `rows`: the number of these rows.
    `known`: the baselines by name. `absent`: as in BaselineAnswers."""

    rows: int
    known: dict[str, Known]
    absent: str | None


class BaselineScorer:
    """The baselines of one run folder. For each source, baselines learn once, from at most `rows`
    training rows. All tasks of the source use the same baselines."""

    def __init__(self, root: Path, rows: int = ROWS) -> None:
        self._root, self._rows = root, rows
        self._learned = cache(self._learn)

    def of(self, task: Loaded, samples: list[SampleRow]) -> BaselineAnswers:
        """The baselines' answers to the items of a task. `samples`: the model's samples of these
        items."""
        docs = [task.task.eval_docs[sample["doc_id"]] for sample in samples]
        from_task = _scored_by_task(task, samples)
        if not docs or not views(docs[0]) or not _label_decides(task, docs[0]):
            return BaselineAnswers(from_task, 0, None)
        rows, learned, absent = self._learned(task.card.source)
        answer = _answerer(task)
        answers = {
            name: [*map(answer, samples, docs, baseline.likelihoods(docs))]
            for name, baseline in learned.items()
        }
        return BaselineAnswers({**answers, **from_task}, rows, absent)

    def _learn(self, source: str) -> Learned:
        """Learn the baselines of a source."""
        records = self._records(source, TRAIN)
        if not records:
            return Learned(0, {}, "not trained")
        try:
            classifiers = {name: Classifier(records, name) for name in views(records[0])}
        except DataError:
            has_one_label = len(records) > 1 and len({record["label"] for record in records}) == 1
            return Learned(len(records), {}, "one label" if has_one_label else "too few")
        kept: dict[str, Known] = {MAJORITY: Majority(records)}
        kept.update(self._without_worse(source, classifiers))
        return Learned(len(records), kept, None)

    def _without_worse(
        self, source: str, classifiers: dict[str, Classifier]
    ) -> dict[str, Classifier]:
        """The classifiers without the worse one of RIVALS, which predicts fewer labels of the
        validation rows."""
        rivals = [name for name in RIVALS if name in classifiers]
        if len(rivals) < 2:
            return classifiers
        docs = self._records(source, VALIDATION)
        labels = [doc["label"] for doc in docs]
        right = {name: _count_right(classifiers[name], docs, labels) for name in rivals}
        best = max(rivals, key=lambda name: right[name])
        return {name: of for name, of in classifiers.items() if name not in rivals or name == best}

    def _records(self, source: str, part: str) -> list[Record]:
        """The documents of the source's rows in a file of data/. If there are more than `rows`,
        only every second, third, ... document, so that at most `rows` remain."""
        records = [doc_of(row) for _, row in rows_of(self._root / part) if row["source"] == source]
        return records[:: -(-len(records) // self._rows) or 1]


def _count_right(classifier: Classifier, docs: list[Record], labels: list[str]) -> int:
    """The number of documents for which the classifier predicts the label in `labels`."""
    predicted = classifier.predict(docs) if docs else []
    return sum(map(str.__eq__, predicted, labels))


def _scored_by_task(task: Loaded, samples: list[SampleRow]) -> dict[str, list[SampleRow]]:
    """The answers of the baselines that the task itself scores, by name of the baseline. In the
    model's samples, the metrics of these baselines have a prefix: `lead3_rougeL_char` is the
    rougeL_char of the baseline lead3."""
    answers = {}
    for name, prefix in task.card.lines.items():
        own = [_with_prefix(sample, prefix) for sample in samples]
        # Without a judge, klue_nli_write_ko has no metrics for the human sentences.
        if any(sample["metrics"] for sample in own):
            answers[name] = own
    return answers


def _with_prefix(sample: SampleRow, prefix: str) -> SampleRow:
    """A baseline's sample, made from the model's sample. It has only the metrics whose names begin
    with `prefix`. The prefix is removed."""
    metrics = {
        name.removeprefix(prefix): value
        for name, value in sample["metrics"].items()
        if name.startswith(prefix)
    }
    return {**_same(sample), "metrics": metrics}


def _same(sample: SampleRow) -> SampleRow:
    """The fields SAME of a model's sample."""
    return cast(SampleRow, {key: value for key, value in sample.items() if key in SAME})


def _label_decides(task: Loaded, doc: Record) -> bool:
    """Whether each label has a right answer of its own, for the document `doc`. False, for example,
    if the model writes a sentence.

    All labels of the test data are tried, also those of items that --limit excludes. The items
    within the limit might all have the same label."""
    labels = set(task.task.eval_docs["label"])
    return 1 < len(labels) == len({task.right_answer({**doc, "label": label}) for label in labels})


def _answerer(task: Loaded) -> Any:
    """A function that makes a baseline's sample from a model's sample, its document, and the
    baseline's likelihoods of the labels."""

    def answer(sample: SampleRow, doc: Record, likelihoods: dict[str, float]) -> SampleRow:
        answers = {
            task.right_answer({**doc, "label": label}): likelihood
            for label, likelihood in likelihoods.items()
        }
        best = max(answers, key=lambda text: answers[text])
        answers[best] += CHOSEN
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

    return answer
