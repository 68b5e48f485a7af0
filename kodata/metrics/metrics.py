"""The metrics of the scored tasks, each as a vector of sums and what its value is of them
(resampling.Metric)."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from kodata.metrics.agreement import (
    BUCKETS,
    Answers,
    bigrams,
    same,
    same_and_right,
    same_pairs,
    whole,
)
from kodata.metrics.naturalness.signals import NAMES as NATURALNESS

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[np.float64]]
from kodata.metrics.resampling import Metric, value

VOID = 0.1  # of the answers, empty or bare labels, beyond which signals of naturalness say nothing


CLASSES = 4  # labels and predictions of a task are 0 to 3


NO_ANSWER = CLASSES  # a prediction that is no label: a written answer may be none


BINS = 10


def aggregation(name: str) -> Callable[[Sequence[Any]], float]:
    """lm_eval's aggregation for a metric of METRICS. It is given the items alone, so where a
    cluster counts, as a premise does in triple_acc, items begin with it; to the others it is all
    one how their sum is put together."""

    def aggregate(items: Sequence[Any]) -> float:
        return value(METRICS[name], items, [item[0] for item in items])

    aggregate.__name__ = name
    return aggregate


def _mean() -> Metric:
    """The mean of the items' values, whatever their clusters."""
    return Metric(
        lambda items: (sum(items), len(items)), lambda sums: _ratio(sums[..., 0], sums[..., 1])
    )


def _ratio(part: "Array", whole: "Array") -> "Array":
    import numpy as np

    return np.divide(part, whole, out=np.full_like(part, np.nan), where=whole > 0)


def _macro_f1() -> Metric:
    """Items are (gold, predicted). The unweighted mean of the F1 of each class that occurs as gold
    or predicted: scikit-learn's f1_score(average="macro"), with NO_ANSWER not among its labels."""

    def vector(items: Sequence[tuple[int, int]]) -> list[float]:
        counts = [0.0] * CLASSES * (CLASSES + 1)
        for gold, predicted in items:
            counts[gold * (CLASSES + 1) + predicted] += 1
        return counts

    def finish(sums: "Array") -> "Array":
        table = sums.reshape(*sums.shape[:-1], CLASSES, CLASSES + 1)
        told = table[..., :CLASSES]
        # As gold and as predicted: F1's denominator.
        occurs = table.sum(axis=-1) + told.sum(axis=-2)
        hits = told.diagonal(axis1=-2, axis2=-1)
        scores = _ratio(2 * hits, occurs)
        return _ratio(_sum_finite(scores), (occurs > 0).sum(axis=-1).astype(float))

    return Metric(vector, finish)


def _sum_finite(values: "Array") -> "Array":
    import numpy as np

    return np.asarray(np.nansum(values, axis=-1))


def _triple_acc() -> Metric:
    """Items are (premise, gold, predicted), a cluster is a premise. The share of premises all of
    whose hypotheses are judged rightly, which guessing from hypotheses alone rarely does; only
    premises whose scored hypotheses have three labels count."""

    def vector(items: Sequence[tuple[str, int, int]]) -> tuple[float, float]:
        whole = len({gold for _, gold, _ in items}) == 3
        return float(whole and all(gold == predicted for _, gold, predicted in items)), float(whole)

    return Metric(vector, lambda sums: _ratio(sums[..., 0], sums[..., 1]))


def _ece() -> Metric:
    """Items are (confidence, right). Expected calibration error over BINS bins of equal width: the
    mean distance, weighted by items, of a bin's accuracy from its mean confidence. Guo et al. 2017,
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
    """Items as in triple_acc. The share of premises whose hypotheses, which have three labels, were
    given three."""

    def vector(items: Sequence[tuple[str, int, int]]) -> tuple[float, float]:
        golds, predictions = ({item[at] for item in items} for at in (1, 2))
        return float(len(golds) == len(predictions) == 3), float(len(golds) == 3)

    return Metric(vector, lambda sums: _ratio(sums[..., 0], sums[..., 1]))


def _share(holds: Callable[[Answers], float]) -> Metric:
    """Items as agreement.whole() takes them. The mean over those asked in all ways of what `holds`
    says of the answers."""

    def vector(items: Sequence[tuple[Any, ...]]) -> tuple[float, float]:
        asked = whole(items)
        return sum(map(holds, asked)), len(asked)

    return Metric(vector, lambda sums: _ratio(sums[..., 0], sums[..., 1]))


def _fleiss_kappa() -> Metric:
    """Agreement of pairs beyond what the shares of the labels alone would give; the prompts are the
    raters. NaN where only one label is ever said: nothing can be beyond that. Fleiss 1971,
    doi:10.1037/h0031619."""

    def vector(items: Sequence[tuple[Any, ...]]) -> list[float]:
        asked, shares = whole(items), [0.0] * CLASSES
        for answers in asked:
            for _, said in answers:
                shares[said] += 1 / len(answers)
        return [sum(map(same_pairs, asked)), len(asked), *shares]

    def finish(sums: "Array") -> "Array":
        agreed = _ratio(sums[..., 0], sums[..., 1])
        chance = _ratio((sums[..., 2:] ** 2).sum(axis=-1), sums[..., 1] ** 2)
        beyond = 1 - chance
        return _ratio(agreed - chance, beyond * (beyond > 1e-9))

    return Metric(vector, finish)


def _overlap(finish: Callable[["Array", "Array"], "Array"]) -> Metric:
    """Items are (group, ways, text), a cluster is a group of `ways` texts. The overlap of two texts
    is the cosine of their counts of character bigrams; `finish` gets its mean over pairs in a group
    and over pairs of two groups.

    Means over all pairs are functions of sums because each text is a vector of BUCKETS. A group
    that a resample draws twice is not crossed with itself: that is no pair of two groups."""

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
        groups, itself = sums[..., 0], sums[..., -2:]
        crossed = (sums[..., 2:-2] ** 2).sum(axis=-1) - itself[..., 1]
        return finish(_ratio(sums[..., 1], groups), _ratio(crossed, groups**2 - itself[..., 0]))

    return Metric(vector, means, squared=2)


def _rate() -> Metric:
    """Items are (guid, count, out of, empty): the sum of the counts over the sum of what they are
    out of. NaN where more than VOID of the items are empty: what the few real answers are like is
    no longer what the model's answers are like."""

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


# Written out: a run depends on the metrics of its own tasks alone (kotune.stages cuts this dict to
# them).
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
    "void": Metric(
        lambda items: (sum(empty for _, empty in items), len(items)), _void
    ),  # items are (guid, empty)
    **dict.fromkeys(NATURALNESS, _rate()),
}
