"""Classifiers of NLI items that are no language models: lines to hold a model against, and a judge of written hypotheses.

Logistic regressions, one a label (scikit-learn's liblinear: the same data gives the same model), over TF-IDF of character
1- to 4-grams of the hypothesis. Without the premise, what they get right needs no inference. With it they also see what
the two texts share, numbers, negations, and the grams of the hypothesis' words that the premise does not have.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from kodata.card import Record
from kodata.errors import DataError

GRAMS = (1, 4)  # characters
NEGATIONS = ("않", "못", "없", "안 ", "아니", "말아", "지 마")


class Classifier:
    """Fitted to records with premise, hypothesis and label; tells labels of records without looking at theirs."""

    def __init__(self, records: Iterable[Record], with_premise: bool) -> None:
        """Ten to twenty seconds for KLUE-NLI's 24,998 records. DataError where they are too few to share a word."""
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression
        from sklearn.multiclass import OneVsRestClassifier

        known = list(records)
        self._texts = (_hypothesis, _new_words) if with_premise else (_hypothesis,)
        self._grams = [TfidfVectorizer(analyzer="char", ngram_range=GRAMS, min_df=2) for _ in self._texts]
        self._model = OneVsRestClassifier(LogisticRegression(solver="liblinear"))
        try:
            for grams, text in zip(self._grams, self._texts, strict=True):
                grams.fit(map(text, known))
            self._model.fit(self._features(known), [record["label"] for record in known])
        except ValueError as error:
            raise DataError(
                f"{len(known)} training rows are too few for a classifier ({error}); give all of them"
            ) from None

    def predict(self, records: Sequence[Record]) -> list[str]:
        """The likeliest label of each record."""
        return [str(label) for label in self._model.predict(self._features(records))]

    def _features(self, records: Sequence[Record]) -> Any:
        """A sparse matrix, a row a record."""
        from scipy.sparse import csr_matrix, hstack

        parts = [grams.transform(map(text, records)) for grams, text in zip(self._grams, self._texts, strict=True)]
        if len(parts) > 1:
            compared = [comparison(record["premise"], record["hypothesis"]) for record in records]
            parts.append(csr_matrix(compared))
        return hstack(parts).tocsr()


def comparison(premise: str, hypothesis: str) -> list[float]:
    """What the two share: the share of the hypothesis' character 1- to 4-grams and words, negations, numbers, lengths."""
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
