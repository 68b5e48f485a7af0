"""What can be said of a hypothesis that a model wrote: its relation to the premise, as a classifier
tells it, and how new it is beside the training hypotheses.

A judge is made from a source's train split, once a process, when the first sentence is judged. It
errs: how often it agrees with the label of what people wrote is the line that a model's figure
stands beside, and no model is right beyond it."""

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

GRAM = 4  # characters
_PATHS: dict[
    str, str | Path | None
] = {}  # where the train split of a source lies: lm_eval's process_results is not told


class Judge:
    """Fitted to training records with premise, hypothesis and label."""

    def __init__(self, records: Iterable[Record]) -> None:
        """Some ten seconds for KLUE-NLI's 24,998 records. DataError where they are too few."""
        known = list(records)
        self._classifier = Classifier(known, "overlap")
        self._hypotheses = {folded(record["hypothesis"]) for record in known}
        self._grams = {gram for hypothesis in self._hypotheses for gram in grams(hypothesis, GRAM)}

    def relation(self, premise: str, hypothesis: str) -> str:
        """The likeliest label."""
        return self._classifier.predict([{"premise": premise, "hypothesis": hypothesis}])[0]

    def novelty(self, hypothesis: str) -> float | None:
        """The share of its folded character 4-grams that no training hypothesis has; None where it
        is too short for one."""
        own = grams(folded(hypothesis), GRAM)
        return len(own - self._grams) / len(own) if own else None

    def is_copy(self, hypothesis: str) -> bool:
        """Whether it is a training hypothesis, but for spacing, signs, width and case."""
        return folded(hypothesis) in self._hypotheses


def prepare(source: str, path: str | Path | None) -> None:
    """Says where the judge of a source is to find its train split. A folder without one is no
    error: there is no judge then."""
    _PATHS[source] = path
    try:
        find_source(source).files("train", path)
    except DataError as error:
        if path is None or hub.is_commit(path):
            raise
        del _PATHS[source]
        logging.getLogger(__name__).warning("relations and novelty are not judged: %s", error)


def judge(source: str | None) -> Judge | None:
    """The judge of a source that prepare() found; None for any other."""
    return _judge(source, _PATHS[source]) if source in _PATHS else None


@cache
def _judge(source: str, path: str | Path | None) -> Judge:
    return Judge(records_of(find_source(source).read("train", path)))
