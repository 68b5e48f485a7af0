"""The metrics of the scored tasks. Each is a vector of sums and a function that computes the value
from them (resampling.Metric)."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from kodata.metrics.agreement import (
    BUCKETS,
    Answers,
    bigrams,
    complete,
    same,
    same_and_right,
    same_pairs,
)
from kodata.metrics.naturalness.signals import NAMES as NATURALNESS

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[np.float64]]
from kodata.metrics.resampling import Metric, value

# If a larger share of answers is empty or a bare label, the naturalness signals are not valid.
VOID = 0.1
CLASSES = 4  # labels and predictions are 0 to 3
NO_ANSWER = CLASSES  # the prediction for a written answer that is not a label
BINS = 10


def aggregation(name: str) -> Callable[[Sequence[Any]], float]:
    """lm_eval's aggregation function for a metric of METRICS.

    lm_eval passes only the items. So if a metric depends on clusters, as triple_acc depends on
    premises, its items begin with the cluster. For other metrics the clusters do not matter."""

    def aggregate(items: Sequence[Any]) -> float:
        return value(METRICS[name], items, [item[0] for item in items])

    aggregate.__name__ = name
    return aggregate


def _mean() -> Metric:
    """The mean of the items' values. Clusters do not matter."""
    return Metric(
        lambda items: (sum(items), len(items)), lambda sums: _ratio(sums[..., 0], sums[..., 1])
    )


def _ratio(part: "Array", whole: "Array") -> "Array":
    import numpy as np

    return np.divide(part, whole, out=np.full_like(part, np.nan), where=whole > 0)


def _macro_f1() -> Metric:
    """Items are (gold, predicted). The unweighted mean of the F1 of each class that occurs as gold
    or predicted. Equals scikit-learn's f1_score(average="macro") with `labels` that exclude
    NO_ANSWER."""

    def vector(items: Sequence[tuple[int, int]]) -> list[float]:
        counts = [0.0] * CLASSES * (CLASSES + 1)
        for gold, predicted in items:
            counts[gold * (CLASSES + 1) + predicted] += 1
        return counts

    def finish(sums: "Array") -> "Array":
        table = sums.reshape(*sums.shape[:-1], CLASSES, CLASSES + 1)
        labels = table[..., :CLASSES]
        # For each class, the number of items with this gold label plus the number of items with
        # this prediction: the denominator of F1.
        occurrences = table.sum(axis=-1) + labels.sum(axis=-2)
        hits = labels.diagonal(axis1=-2, axis2=-1)
        scores = _ratio(2 * hits, occurrences)
        return _ratio(_sum_finite(scores), (occurrences > 0).sum(axis=-1).astype(float))

    return Metric(vector, finish)


def _sum_finite(values: "Array") -> "Array":
    import numpy as np

    return np.asarray(np.nansum(values, axis=-1))


def _triple_acc() -> Metric:
    """Items are (premise, gold, predicted). A cluster is a premise. The share of premises for which
    all predictions are right. Only premises whose scored hypotheses have three labels count.

    A model that guesses from the hypotheses alone rarely gets all labels of a premise right."""

    def vector(items: Sequence[tuple[str, int, int]]) -> tuple[float, float]:
        counts = len({gold for _, gold, _ in items}) == 3
        is_right = all(gold == predicted for _, gold, predicted in items)
        return float(counts and is_right), float(counts)

    return Metric(vector, lambda sums: _ratio(sums[..., 0], sums[..., 1]))


def _ece() -> Metric:
    """Items are (confidence, right). Expected calibration error with BINS bins of equal width: the
    mean distance between a bin's accuracy and its mean confidence, weighted by its items. Guo et
    al. 2017, https://arxiv.org/abs/1706.04599."""

    def vector(items: Sequence[tuple[float, float]]) -> list[float]:
        gap, count = [0.0] * BINS, 0.0
        for confidence, right in items:
            gap[min(int(confidence * BINS), BINS - 1)] += right - confidence
            count += 1
        return [*gap, count]

    return Metric(
        vector, lambda sums: _ratio(abs(sums[..., :-1]).sum(axis=-1), sums[..., -1]), biased=True
    )


def _three_labels() -> Metric:
    """Items are as in triple_acc. The share of premises with three different predicted labels,
    among the premises with three different gold labels."""

    def vector(items: Sequence[tuple[str, int, int]]) -> tuple[float, float]:
        golds = {gold for _, gold, _ in items}
        predictions = {predicted for _, _, predicted in items}
        return float(len(golds) == len(predictions) == 3), float(len(golds) == 3)

    return Metric(vector, lambda sums: _ratio(sums[..., 0], sums[..., 1]))


def _share(holds: Callable[[Answers], float]) -> Metric:
    """Items are as in agreement.complete(). The mean of holds(answers) over the complete items."""

    def vector(items: Sequence[tuple[Any, ...]]) -> tuple[float, float]:
        by_item = complete(items)
        return sum(map(holds, by_item)), len(by_item)

    return Metric(vector, lambda sums: _ratio(sums[..., 0], sums[..., 1]))


def _fleiss_kappa() -> Metric:
    """Fleiss' kappa with the prompts as raters: the agreement of pairs of answers, corrected for
    the agreement by chance. NaN if all answers have the same label, since kappa is then undefined.
    Fleiss 1971, doi:10.1037/h0031619."""

    def vector(items: Sequence[tuple[Any, ...]]) -> list[float]:
        by_item, shares = complete(items), [0.0] * CLASSES
        for answers in by_item:
            for _, answer in answers:
                shares[answer] += 1 / len(answers)
        return [sum(map(same_pairs, by_item)), len(by_item), *shares]

    def finish(sums: "Array") -> "Array":
        agreed = _ratio(sums[..., 0], sums[..., 1])
        chance = _ratio((sums[..., 2:] ** 2).sum(axis=-1), sums[..., 1] ** 2)
        beyond = 1 - chance
        return _ratio(agreed - chance, beyond * (beyond > 1e-9))

    return Metric(vector, finish)


def _overlap(finish: Callable[["Array", "Array"], "Array"]) -> Metric:
    """Items are (group, size, text). A cluster is a group of `size` texts. The overlap of two texts
    is the cosine of their bigrams(). `finish` gets two means: over pairs within a group, and over
    pairs of different groups.

    Each text is a vector, so means over all pairs can be computed from sums. If a resample draws a
    group twice, pairs between the two copies are not counted, since they are not of different
    groups."""

    def vector(items: Sequence[tuple[Any, ...]]) -> Sequence[float]:
        import numpy as np

        texts = [text for _, _, text in items]
        if len(texts) != items[0][1]:
            return [0.0] * (4 + BUCKETS)
        counts = np.array([bigrams(text) for text in texts])
        total, mean, pairs = counts.sum(axis=0), counts.mean(axis=0), len(texts) * (len(texts) - 1)
        within = (total @ total - (counts**2).sum()) / pairs
        return [1, within, *mean, 1, mean @ mean]

    def means(sums: "Array") -> "Array":
        groups, own_pairs = sums[..., 0], sums[..., -2:]
        between = (sums[..., 2:-2] ** 2).sum(axis=-1) - own_pairs[..., 1]
        return finish(_ratio(sums[..., 1], groups), _ratio(between, groups**2 - own_pairs[..., 0]))

    return Metric(vector, means, squared=2)


def _rate() -> Metric:
    """Items are (guid, count, total, empty). The sum of counts divided by the sum of totals. NaN if
    more than VOID of the items are empty, since the rest no longer represents the model's
    answers."""

    def vector(items: Sequence[tuple[str, float, float, bool]]) -> list[float]:
        _, counts, totals, empties = zip(*items, strict=True)
        return [sum(counts), sum(totals), sum(empties), len(items)]

    return Metric(
        vector, lambda sums: _ratio(sums[..., 0], sums[..., 1] * (_void(sums[..., 2:]) == 0))
    )


def _void(sums: "Array") -> "Array":
    import numpy as np

    return np.asarray(sums[..., 0] > VOID * sums[..., 1], dtype=np.float64)


MEAN = _mean()


# Every key is written out, because kotune.stages removes the keys that a run's tasks do not use
# when it computes the digest of a run's code. So a change of an unused metric does not affect the
# run.
METRICS = {
    "macro_f1": _macro_f1(),
    "triple_acc": _triple_acc(),
    "ece": _ece(),
    "three_labels": _three_labels(),
    "agreement": _share(same),
    "wording_agreement": _share(same),
    "order_agreement": _share(same),
    "swap_consistent": _share(same),
    "consistent_and_right": _share(same_and_right),
    "swap_contradiction": _share(same_and_right),
    "pair_agreement": _share(same_pairs),
    "fleiss_kappa": _fleiss_kappa(),
    "same_answer": _share(same),
    "answer_overlap": _overlap(lambda within, between: within),
    "answer_overlap_between": _overlap(lambda within, between: between),
    "answer_overlap_gain": _overlap(lambda within, between: within - between),
    # Items are (guid, empty).
    "void": Metric(lambda items: (sum(empty for _, empty in items), len(items)), _void),
    **dict.fromkeys(NATURALNESS, _rate()),
}
