"""Classifiers of labelled items that are no language models: lines to hold a model against, and a
judge of written hypotheses.

Logistic regressions, one a label (scikit-learn's liblinear: the same data gives the same model),
over TF-IDF of character 1- to 4-grams. Of an NLI item's hypothesis alone, what they get right needs
no inference. With the premise they also see what the two texts share, numbers, negations, and the
grams of the hypothesis' words that the premise does not have."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from kodata.card import Record
from kodata.errors import DataError

GRAMS = (1, 4)  # characters
NEGATIONS = ("않", "못", "없", "안 ", "아니", "말아", "지 마")


class View(NamedTuple):
    """What a classifier sees of a record: texts, whose grams count, and whether premise and
    hypothesis are compared, too. `fields`: those that a record must have."""

    fields: tuple[str, ...]
    texts: tuple[Callable[[Record], str], ...]
    compared: bool = False


class Classifier:
    """Fitted to labelled records; tells labels of records without looking at theirs."""

    def __init__(self, records: Iterable[Record], view: str) -> None:
        """`view`: one of VIEWS. Some ten seconds for KLUE-NLI's 24,998 records. DataError: too few
        to share a word, or all of one label, which leaves nothing to tell apart."""
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression
        from sklearn.multiclass import OneVsRestClassifier

        known = list(records)
        labels = [record["label"] for record in known]
        if len(labels) > len(set(labels)) == 1:
            raise DataError(
                f"all of {len(known)} training rows have the label {labels[0]}; give others, too"
            )
        self._view = VIEWS[view]
        self._grams = [
            TfidfVectorizer(analyzer="char", ngram_range=GRAMS, min_df=2) for _ in self._view.texts
        ]
        # The dual problem has the same solution as the primal one and takes a tenth of the time.
        self._model = OneVsRestClassifier(
            LogisticRegression(solver="liblinear", dual=True, random_state=0)
        )
        try:
            counted = [
                grams.fit_transform(map(text, known))
                for grams, text in zip(self._grams, self._view.texts, strict=True)
            ]
            self._model.fit(self._features(counted, known), labels)
        except ValueError as error:  # of sklearn: no n-gram left, or one label alone
            raise DataError(
                f"{len(known)} training rows are too few for a classifier ({error}); give all of"
                " them"
            ) from None

    def predict(self, records: Sequence[Record]) -> list[str]:
        """The likeliest label of each record."""
        return [str(label) for label in self._model.predict(self._seen(records))]

    def likelihoods(self, records: Sequence[Record]) -> list[dict[str, float]]:
        """For each record the logarithm of every label's probability."""
        shares = self._model.predict_proba(self._seen(records)).clip(1e-12)
        return [dict(zip(self._model.classes_, map(math.log, row), strict=True)) for row in shares]

    def _seen(self, records: Sequence[Record]) -> Any:
        """A sparse matrix, a row a record."""
        texts = zip(self._grams, self._view.texts, strict=True)
        return self._features(
            [grams.transform(map(text, records)) for grams, text in texts], records
        )

    def _features(self, counted: list[Any], records: Sequence[Record]) -> Any:
        from scipy.sparse import csr_matrix, hstack

        if not self._view.compared:
            return hstack(counted).tocsr()
        compared = [comparison(record["premise"], record["hypothesis"]) for record in records]
        return hstack([*counted, csr_matrix(compared)]).tocsr()


class Majority:
    """Says of every record how often each label occurs in the training records."""

    def __init__(self, records: Iterable[Record]) -> None:
        counts = Counter(record["label"] for record in records)
        self._known = {
            label: math.log(count / counts.total()) for label, count in sorted(counts.items())
        }

    def likelihoods(self, records: Sequence[Record]) -> list[dict[str, float]]:
        """For each record the logarithm of every label's share."""
        return [self._known] * len(records)


def views(record: Record) -> list[str]:
    """The classifiers that can be made of records like this one; none where it has no label."""
    return [name for name, view in VIEWS.items() if {*view.fields, "label"} <= record.keys()]


def comparison(premise: str, hypothesis: str) -> list[float]:
    """What the two share: the share of the hypothesis' character 1- to 4-grams and words,
    negations, numbers, lengths."""
    shared = [_shared(grams(premise, size), grams(hypothesis, size)) for size in range(1, 5)]
    negated = [float(any(sign in text for sign in NEGATIONS)) for text in (premise, hypothesis)]
    numbers = [set(re.findall(r"\d+", text)) for text in (premise, hypothesis)]
    return [
        *shared,
        _shared(set(premise.split()), set(hypothesis.split())),
        *negated,
        float(negated[0] != negated[1]),
        negated[1] * shared[1],
        float(bool(numbers[1] - numbers[0])),
        float(bool(numbers[1] & numbers[0])),
        min(2.0, len(hypothesis) / max(1, len(premise))),
    ]


def grams(text: str, size: int) -> set[str]:
    """The character n-grams of a text, spaces among them."""
    return {text[at : at + size] for at in range(len(text) - size + 1)}


def _shared(of_premise: set[str], of_hypothesis: set[str]) -> float:
    return len(of_premise & of_hypothesis) / max(1, len(of_hypothesis))


def _hypothesis(record: Record) -> str:
    return str(record["hypothesis"])


def _new_words(record: Record) -> str:
    """The hypothesis' words whose first two characters do not follow each other in the premise."""
    known = grams(record["premise"], 2)
    return " ".join(word for word in record["hypothesis"].split() if word[:2] not in known)


def _document(record: Record) -> str:
    return str(record["document"])


VIEWS = {
    "hypothesis_only": View(("hypothesis",), (_hypothesis,)),
    "overlap": View(("premise", "hypothesis"), (_hypothesis, _new_words), compared=True),
    "ngrams": View(("document",), (_document,)),
}
