"""The metrics of the tasks, each as a resampling.Metric: a function that maps the items of a
cluster to a vector, and a function that maps the sum of all vectors to the value.

An item is what a task returns for one doc and one metric. `gold` is the index of the right label,
`predicted` the index of the predicted one."""

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
from kodata.metrics.resampling import Metric, value

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[np.float64]]

# The maximum share of answers that may be empty or only a label. If there are more, the other
# answers do not represent the model, and the naturalness signals are undefined.
VOID = 0.1
CLASSES = 4  # the maximum number of labels; a label is an index from 0 to 3
NO_ANSWER = CLASSES  # the prediction for a written answer that is not a label
BINS = 10  # the number of bins of the calibration error


def aggregation(name: str) -> Callable[[Sequence[Any]], float]:
    """Returns the function with which lm_eval aggregates the metric `name` of METRICS. It takes the
    items of all docs and returns the value.

    lm_eval does not pass the clusters. So if a metric depends on them, as triple_acc depends on
    premises, each item begins with its cluster. For other metrics the first element of an item is
    taken as the cluster, which does not change their value."""

    def aggregate(items: Sequence[Any]) -> float:
        return value(METRICS[name], items, [item[0] for item in items])

    aggregate.__name__ = name
    return aggregate


def _mean() -> Metric:
    """Items are numbers. The value is their mean."""
    return Metric(
        lambda items: (sum(items), len(items)), lambda sums: _ratio(sums[..., 0], sums[..., 1])
    )


def _ratio(part: "Array", whole: "Array") -> "Array":
    """part / whole, element by element. NaN where `whole` is not positive."""
    import numpy as np

    return np.divide(part, whole, out=np.full_like(part, np.nan), where=whole > 0)


def _macro_f1() -> Metric:
    """Items are (gold, predicted). The value is the mean F1 of the labels that occur as gold or as
    predicted. NO_ANSWER is not a label, but counts as a wrong prediction. The value equals
    scikit-learn's f1_score(average="macro", labels=...) for these labels."""

    def vector(items: Sequence[tuple[int, int]]) -> list[float]:
        counts = [0.0] * CLASSES * (CLASSES + 1)
        for gold, predicted in items:
            counts[gold * (CLASSES + 1) + predicted] += 1
        return counts

    def finish(sums: "Array") -> "Array":
        table = sums.reshape(*sums.shape[:-1], CLASSES, CLASSES + 1)
        labels = table[..., :CLASSES]
        # The denominator of F1: for each label, how often it is gold plus how often it is
        # predicted.
        occurrences = table.sum(axis=-1) + labels.sum(axis=-2)
        hits = labels.diagonal(axis1=-2, axis2=-1)
        scores = _ratio(2 * hits, occurrences)
        return _ratio(_sum_finite(scores), (occurrences > 0).sum(axis=-1).astype(float))

    return Metric(vector, finish)


def _sum_finite(values: "Array") -> "Array":
    """The sums over the last axis, without NaN."""
    import numpy as np

    return np.asarray(np.nansum(values, axis=-1))


def _triple_acc() -> Metric:
    """Items are (premise, gold, predicted), and a cluster is a premise. The value is the share of
    premises for which all predictions are right. Only premises with hypotheses of all three labels
    are counted.

    A model that ignores the premises rarely gets all labels of a premise right."""

    def vector(items: Sequence[tuple[str, int, int]]) -> tuple[float, float]:
        counts = len({gold for _, gold, _ in items}) == 3
        is_right = all(gold == predicted for _, gold, predicted in items)
        return float(counts and is_right), float(counts)

    return Metric(vector, lambda sums: _ratio(sums[..., 0], sums[..., 1]))


def _ece() -> Metric:
    """Items are (confidence, right): the probability of the predicted label, and 1 if this label is
    right, else 0. The value is the expected calibration error (ECE). Items are put into BINS bins
    of equal width by their confidence. ECE is the mean distance between a bin's accuracy and its
    mean confidence, weighted by the bin's number of items. Guo et al. 2017,
    https://arxiv.org/abs/1706.04599."""

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
    """Items and clusters are as in _triple_acc(). Among the premises with three different gold
    labels, the value is the share with three different predicted labels."""

    def vector(items: Sequence[tuple[str, int, int]]) -> tuple[float, float]:
        golds = {gold for _, gold, _ in items}
        predictions = {predicted for _, _, predicted in items}
        return float(len(golds) == len(predictions) == 3), float(len(golds) == 3)

    return Metric(vector, lambda sums: _ratio(sums[..., 0], sums[..., 1]))


def _share(holds: Callable[[Answers], float]) -> Metric:
    """Items are as in agreement.complete(). The value is the mean of holds(answers) over the
    complete items. `holds` takes the answers of one item."""

    def vector(items: Sequence[tuple[Any, ...]]) -> tuple[float, float]:
        by_item = complete(items)
        return sum(map(holds, by_item)), len(by_item)

    return Metric(vector, lambda sums: _ratio(sums[..., 0], sums[..., 1]))


def _fleiss_kappa() -> Metric:
    """Items are as in agreement.complete(). The value is Fleiss' kappa with the prompts as raters:
    the share of agreeing pairs of answers, corrected for agreement by chance. Kappa is undefined
    (NaN) if all answers are the same label. Fleiss 1971, doi:10.1037/h0031619."""

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
    """Items are (group, size, text), and a cluster is a group. `size` is the number of texts of the
    group. A group with fewer items, as after --limit, is not counted.

    The overlap of two texts is the cosine of their bigrams(). The value is finish(within, between):
    `within` is the mean overlap of two texts of the same group, `between` that of two texts of
    different groups.

    Means over all pairs can be computed from sums, because each text is a vector. If a resample
    draws a group twice, its two copies are not counted as different groups."""

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
    """Items are (guid, count, total, empty). The value is the sum of counts divided by the sum of
    totals. NaN if the share of empty items is over VOID."""

    def vector(items: Sequence[tuple[str, float, float, bool]]) -> list[float]:
        _, counts, totals, empties = zip(*items, strict=True)
        return [sum(counts), sum(totals), sum(empties), len(items)]

    return Metric(
        vector, lambda sums: _ratio(sums[..., 0], sums[..., 1] * (_void(sums[..., 2:]) == 0))
    )


def _void(sums: "Array") -> "Array":
    """1 where the share of empty items is over VOID, else 0. `sums` has the number of empty items
    and the number of items."""
    import numpy as np

    return np.asarray(sums[..., 0] > VOID * sums[..., 1], dtype=np.float64)


MEAN = _mean()


# The keys are literals, because kotune.stages reads them from this source text. It removes metrics
# that a run's tasks do not use before it computes the digest of the run's code. So a change of an
# unused metric does not affect the run.
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
