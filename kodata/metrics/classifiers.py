"""Classifiers that predict the label of an item. They are simple statistical models, not language
models. They serve as baselines, and as a judge of the hypotheses that a language model writes.

A classifier has one logistic regression for each label. Its solver, liblinear, gives the same
result for the same data. The view (a key of VIEWS) selects its features:

- `hypothesis_only`: TF-IDF of the hypothesis' character 1- to 4-grams. It shows which NLI items
  need no inference.
- `overlap`: the same as `hypothesis_only`, comparisons of premise and hypothesis (shared n-grams
  and words, numbers, negations), and the n-grams of words that only the hypothesis has.
- `crossed`: every pair of a word of the premise and a word of the hypothesis, hashed. It is good if
  the data use few different words, and bad on free text.
- `ngrams`: the same as `hypothesis_only`, but for the text of a document."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from kodata.card import Record
from kodata.errors import DataError

GRAMS = (1, 4)  # characters
HASHED = 2**20  # number of features for hashed word pairs; KLUE-NLI has a million different pairs
NEGATIONS = ("않", "못", "없", "안 ", "아니", "말아", "지 마")


class View(NamedTuple):
    """The features that a classifier uses. `fields`: the fields that a record must have. `texts`:
    functions that return the texts of a record whose n-grams are features. `compared`: whether the
    values of comparison() are features. `crossed`: whether word_pairs() are features."""

    fields: tuple[str, ...]
    texts: tuple[Callable[[Record], str], ...] = ()
    compared: bool = False
    crossed: bool = False


class Classifier:
    """A classifier that is fitted to labelled records. A prediction does not use the label of the
    record."""

    def __init__(self, records: Iterable[Record], view: str) -> None:
        """`view`: a key of VIEWS. Takes about ten seconds for KLUE-NLI's 24,998 records. Raises
        DataError if all records have one label, or too few records share n-grams."""
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression
        from sklearn.multiclass import OneVsRestClassifier

        train = list(records)
        labels = [record["label"] for record in train]
        if len(labels) > len(set(labels)) == 1:
            raise DataError(
                f"all {len(train)} training rows have the label {labels[0]}; add rows with other"
                " labels"
            )
        self._view = VIEWS[view]
        self._grams = [
            TfidfVectorizer(analyzer="char", ngram_range=GRAMS, min_df=2) for _ in self._view.texts
        ]
        # The dual problem has the same solution as the primal one and takes a tenth of the time.
        # Word pairs of KLUE-NLI do not converge to scikit-learn's tolerance of 1e-4. 0.1 is
        # liblinear's own default.
        tolerance = 0.1 if self._view.crossed else 1e-4
        self._model = OneVsRestClassifier(
            LogisticRegression(solver="liblinear", dual=True, random_state=0, tol=tolerance)
        )
        try:
            counted = [
                grams.fit_transform(map(text, train))
                for grams, text in zip(self._grams, self._view.texts, strict=True)
            ]
            self._model.fit(self._features(counted, train), labels)
        except ValueError as error:  # scikit-learn: no n-grams, or only one label
            raise DataError(
                f"{len(train)} training rows are too few for a classifier ({error}); use all"
                " training rows"
            ) from None

    def predict(self, records: Sequence[Record]) -> list[str]:
        """The likeliest label of each record."""
        return [str(label) for label in self._model.predict(self._matrix(records))]

    def likelihoods(self, records: Sequence[Record]) -> list[dict[str, float]]:
        """For each record, the logarithm of every label's probability."""
        shares = self._model.predict_proba(self._matrix(records)).clip(1e-12)
        return [dict(zip(self._model.classes_, map(math.log, row), strict=True)) for row in shares]

    def _matrix(self, records: Sequence[Record]) -> Any:
        """The features as a sparse matrix with one row per record."""
        texts = zip(self._grams, self._view.texts, strict=True)
        return self._features(
            [grams.transform(map(text, records)) for grams, text in texts], records
        )

    def _features(self, counted: list[Any], records: Sequence[Record]) -> Any:
        from scipy.sparse import csr_matrix, hstack
        from sklearn.feature_extraction import FeatureHasher

        both = "premise" in self._view.fields
        pairs = [(record["premise"], record["hypothesis"]) for record in records if both]
        blocks = [*counted]
        if self._view.compared:
            blocks.append(csr_matrix([comparison(*pair) for pair in pairs]))
        if self._view.crossed:
            hasher = FeatureHasher(HASHED, input_type="string", alternate_sign=False)
            blocks.append(hasher.transform(word_pairs(*pair) for pair in pairs))
        return hstack(blocks).tocsr()


class Majority:
    """A classifier that predicts the same for every record: the share of each label in the training
    records."""

    def __init__(self, records: Iterable[Record]) -> None:
        counts = Counter(record["label"] for record in records)
        self._shares = {
            label: math.log(count / counts.total()) for label, count in sorted(counts.items())
        }

    def likelihoods(self, records: Sequence[Record]) -> list[dict[str, float]]:
        """For each record, the logarithm of every label's share."""
        return [self._shares] * len(records)


def views(record: Record) -> list[str]:
    """The keys of VIEWS whose fields this record has; none if the record has no label."""
    return [name for name, view in VIEWS.items() if {*view.fields, "label"} <= record.keys()]


def comparison(premise: str, hypothesis: str) -> list[float]:
    """Features of a pair of texts, in this order:

    - for n from 1 to 4, the share of the hypothesis' character n-grams that are in the premise
    - the share of the hypothesis' words that are in the premise
    - whether the premise, the hypothesis, and only one of both have a negation; and the second
      feature again if the hypothesis has one
    - whether the hypothesis has a number that is not in the premise, and one that is
    - the length of the hypothesis divided by that of the premise, at most 2
    """
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


def word_pairs(premise: str, hypothesis: str) -> list[str]:
    """Every pair of a word of the premise and a word of the hypothesis, without duplicates."""
    of_hypothesis = sorted(set(hypothesis.split()))
    return [f"{a} {b}" for a in sorted(set(premise.split())) for b in of_hypothesis]


def grams(text: str, size: int) -> set[str]:
    """The n-grams of a text, of `size` characters each. Spaces count as characters."""
    return {text[start : start + size] for start in range(len(text) - size + 1)}


def _shared(of_premise: set[str], of_hypothesis: set[str]) -> float:
    """The share of the hypothesis' elements that are in the premise; 0 if it has none."""
    return len(of_premise & of_hypothesis) / max(1, len(of_hypothesis))


def _hypothesis(record: Record) -> str:
    return str(record["hypothesis"])


def _new_words(record: Record) -> str:
    """The words of the hypothesis whose first two characters occur nowhere in the premise. Words of
    a single character are always among them."""
    bigrams = grams(record["premise"], 2)
    return " ".join(word for word in record["hypothesis"].split() if word[:2] not in bigrams)


def _document(record: Record) -> str:
    return str(record["document"])


VIEWS = {
    "hypothesis_only": View(("hypothesis",), (_hypothesis,)),
    "overlap": View(("premise", "hypothesis"), (_hypothesis, _new_words), compared=True),
    "crossed": View(("premise", "hypothesis"), crossed=True),
    "ngrams": View(("document",), (_document,)),
}
