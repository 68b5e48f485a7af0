"""Judges a hypothesis that a language model wrote. A classifier predicts its relation to the
premise. Its novelty is measured by comparison with the training hypotheses.

A judge is fitted to the train split of a source when it is first used in a process. It makes
mistakes. So compare a language model's accuracy with the accuracy that the judge finds for
hypotheses that people wrote. No model can be expected to exceed the latter by much."""

import logging
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from kodata import source as find_source
from kodata.card import Record
from kodata.control_text import records_of
from kodata.errors import DataError
from kodata.metrics.classifiers import Classifier, grams
from kodata.reading import hub
from kodata.text import folded

GRAM = 4  # the length of the character n-grams whose novelty is measured
# The path of each source's data, set by prepare(). lm_eval does not pass it to process_results().
_PATHS: dict[str, str | Path | None] = {}


class Judge:
    """A classifier of relations and a set of known hypotheses, both from training records."""

    def __init__(self, records: Iterable[Record]) -> None:
        """Fits the judge to records with premise, hypothesis and label. This takes about ten
        seconds for KLUE-NLI's 24,998 records. Raises DataError if there are too few records, or if
        all have the same label."""
        train = list(records)
        self._classifier = Classifier(train, "overlap")
        self._hypotheses = {folded(record["hypothesis"]) for record in train}
        self._grams = {gram for hypothesis in self._hypotheses for gram in grams(hypothesis, GRAM)}

    def relation(self, premise: str, hypothesis: str) -> str:
        """The label that the classifier predicts for the pair."""
        return self._classifier.predict([{"premise": premise, "hypothesis": hypothesis}])[0]

    def novelty(self, hypothesis: str) -> float | None:
        """The share of the hypothesis' character 4-grams that occur in no training hypothesis.
        Texts are compared after folded(). None if the hypothesis is too short to have a 4-gram."""
        own = grams(folded(hypothesis), GRAM)
        return len(own - self._grams) / len(own) if own else None

    def is_copy(self, hypothesis: str) -> bool:
        """Whether the hypothesis equals a training hypothesis after folded(), which ignores
        spacing, punctuation, width and case."""
        return folded(hypothesis) in self._hypotheses


def prepare(source: str, path: str | Path | None) -> None:
    """Sets the path of the data that the judge of a source is fitted to. `path` is a folder or a
    hub commit; None means the card's commit, or data that are shipped with kotune.

    If `path` is a folder without a train split, a warning is logged and the source has no judge.
    Raises DataError if another train split is not found."""
    _PATHS[source] = path
    try:
        find_source(source).files("train", path)
    except DataError as error:
        if path is None or hub.is_commit(path):
            raise
        del _PATHS[source]
        logging.getLogger(__name__).warning("relations and novelty are not judged: %s", error)


def judge(source: str | None) -> Judge | None:
    """The judge of a source. None if prepare() was not called for this source, or found no train
    split. Raises DataError if the train split has a bad row or too few records."""
    return _judge(source, _PATHS[source]) if source in _PATHS else None


@cache
def _judge(source: str, path: str | Path | None) -> Judge:
    return Judge(records_of(find_source(source).read("train", path)))
