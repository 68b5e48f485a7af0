"""Metrics of the scored tasks as functions of sums, so that value, standard error and interval are one formula.

The items of a cluster (the hypotheses of a premise, the questions of a passage) give a vector; `finish` turns the sum of
the clusters' vectors into the value. A resample of whole clusters is then a weighted sum of rows, thousands of them one
matrix product, and items that move together are never taken as independent.
"""

from collections.abc import Callable, Hashable, Sequence
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple

from kodata.agreement import BUCKETS, Answers, bigrams, same, same_and_right, same_pairs, whole
from kodata.naturalness.signals import NAMES as NATURALNESS

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[np.float64]]

RESAMPLES = 1000
SEED = 42
UNITS = 2_000  # more clusters than this are pooled, at random, into so many: time and memory then stay the same
VOID = 0.1  # of the answers, empty or bare labels, beyond which signals of naturalness say nothing
CLASSES = 4  # labels and predictions of a task are 0 to 3
NO_ANSWER = CLASSES  # a prediction that is no label: a written answer may be none
BINS = 10
SINGLE = 2**24  # whole numbers below are exact in single precision
AT_ONCE = 100  # resamples
MISSING = 0.05  # of the resamples, undefined, beyond which the others are no picture of the world


class Metric(NamedTuple):
    """`vector`: what the items of one cluster come to, of length k. `finish`: sums (..., k) to values (...), NaN where
    there is nothing to judge. `squared`: of the k, the last so many tell what a cluster has in common with itself: drawn
    n times it is crossed with itself n * n times. `biased`: a sum of distances, which noise makes larger and never
    smaller, so that its resamples lie above it (kotune.paired)."""

    vector: Callable[[Sequence[Any]], Sequence[float]]
    finish: Callable[["Array"], "Array"]
    squared: int = 0
    biased: bool = False


def value(metric: Metric, items: Sequence[Any], clusters: Sequence[Hashable]) -> float:
    """The metric over all items; clusters: for each item which it belongs to."""
    return float(metric.finish(vectors(metric, items, clusters).sum(axis=0)))


def stderr(metric: Metric, items: Sequence[Any], clusters: Sequence[Hashable]) -> float:
    """The standard deviation over RESAMPLES bootstrap resamples of whole clusters; NaN with fewer than two, where the
    value itself is, and where more than MISSING of the resamples are.

    Efron and Tibshirani 1993, chapter 6, with clusters as the units; the same seed gives the same figure.
    """
    import numpy as np

    table = vectors(metric, items, clusters)
    if len(table) < 2 or not np.isfinite(metric.finish(table.sum(axis=0))):
        return float("nan")
    resampled = metric.finish(resample(table, RESAMPLES, metric.squared))
    return float(np.nanstd(resampled, ddof=1)) if is_known(resampled) else float("nan")


def is_known(resampled: "Array") -> bool:
    """Whether so few resamples are undefined that the others may speak for all: an interval over the defined alone would be
    one for a world in which the metric is never undefined."""
    import numpy as np

    return bool(np.isnan(resampled).mean() <= MISSING)


def aggregation(name: str) -> Callable[[Sequence[Any]], float]:
    """lm_eval's aggregation for a metric of METRICS. It is given the items alone, so where a cluster counts, as a premise
    does in triple_acc, items begin with it; to the others it is all one how their sum is put together."""

    def aggregate(items: Sequence[Any]) -> float:
        return value(METRICS[name], items, [item[0] for item in items])

    aggregate.__name__ = name
    return aggregate


def vectors(metric: Metric, items: Sequence[Any], clusters: Sequence[Hashable]) -> "Array":
    """A row of length k for each cluster, in the order in which clusters first occur."""
    import numpy as np

    grouped: dict[Hashable, list[Any]] = {}
    for item, cluster in zip(items, clusters, strict=True):
        grouped.setdefault(cluster, []).append(item)
    return np.array([metric.vector(members) for members in grouped.values()], dtype=np.float64)


def resample(table: "Array", resamples: int, squared: int = 0) -> "Array":
    """Sums (resamples, k) of as many rows as the table has, drawn with replacement; in the last `squared` columns a row that
    is drawn n times counts n * n times. The same draws for tables of the same length, so that what is resampled side by
    side stays paired."""
    units = pooled(table)
    sums = weighted(partial(_draws, len(units), resamples), units)
    if squared:
        sums[:, -squared:] = _draws(len(units), resamples, False) ** 2 @ units[:, -squared:]
    return sums


def weighted(weights: "Callable[[bool], Array]", units: "Array") -> "Array":
    """Sums (resamples, k) of rows by weights, whole numbers that come to as many as there are rows at most; `weights` gives
    them in single precision or not. Sums of small whole numbers are the same in both, and cost half; columns of zeros cost
    nothing."""
    import numpy as np

    used = units.any(axis=0)
    some = units[:, used]
    is_single = bool((some == np.rint(some)).all() and abs(some).max(initial=0) * len(some) < SINGLE)
    sums = np.zeros((len(weights(is_single)), units.shape[1]))
    sums[:, used] = weights(is_single) @ (some.astype(np.float32) if is_single else some)
    return sums


def pooled(table: "Array") -> "Array":
    """The rows summed into at most UNITS; which row goes where follows from its place alone."""
    import numpy as np

    if len(table) <= UNITS:
        return table
    where = np.random.default_rng(SEED).permutation(len(table)) % UNITS
    sums = np.zeros((UNITS, table.shape[1]))
    np.add.at(sums, where, table)
    return sums


@lru_cache(maxsize=2)  # the metrics of a task share it, in both precisions
def _draws(length: int, resamples: int, is_single: bool) -> "Array":
    """How often each of so many rows is drawn in each resample: (resamples, length)."""
    import numpy as np

    return np.asarray(_counts(length, resamples), dtype=np.float32 if is_single else np.float64)


@lru_cache(maxsize=12)  # tasks and metrics of other lengths take turns; kept in bytes, for they are drawn slowly
def _counts(length: int, resamples: int) -> Any:
    import numpy as np

    rng, counts = np.random.default_rng(SEED), np.empty((resamples, length), dtype=np.uint8)
    for start in range(0, resamples, AT_ONCE):
        some = counts[start : start + AT_ONCE]
        drawn = rng.integers(length, size=some.shape) + length * np.arange(len(some))[:, None]
        some[:] = np.bincount(drawn.ravel(), minlength=some.size).reshape(some.shape)
    return counts


def _mean() -> Metric:
    """The mean of the items' values, whatever their clusters."""
    return Metric(lambda items: (sum(items), len(items)), lambda sums: _ratio(sums[..., 0], sums[..., 1]))


def _ratio(part: "Array", whole: "Array") -> "Array":
    import numpy as np

    return np.divide(part, whole, out=np.full_like(part, np.nan), where=whole > 0)


def _macro_f1() -> Metric:
    """Items are (gold, predicted). The unweighted mean of the F1 of each class that occurs as gold or predicted:
    scikit-learn's f1_score(average="macro"), with NO_ANSWER not among its labels."""

    def vector(items: Sequence[tuple[int, int]]) -> list[float]:
        counts = [0.0] * CLASSES * (CLASSES + 1)
        for gold, predicted in items:
            counts[gold * (CLASSES + 1) + predicted] += 1
        return counts

    def finish(sums: "Array") -> "Array":
        table = sums.reshape(*sums.shape[:-1], CLASSES, CLASSES + 1)
        told = table[..., :CLASSES]
        occurs = table.sum(axis=-1) + told.sum(axis=-2)  # as gold and as predicted: F1's denominator
        hits = told.diagonal(axis1=-2, axis2=-1)
        scores = _ratio(2 * hits, occurs)
        return _ratio(_sum_finite(scores), (occurs > 0).sum(axis=-1).astype(float))

    return Metric(vector, finish)


def _sum_finite(values: "Array") -> "Array":
    import numpy as np

    return np.asarray(np.nansum(values, axis=-1))


def _triple_acc() -> Metric:
    """Items are (premise, gold, predicted), a cluster is a premise. The share of premises all of whose hypotheses are
    judged rightly, which guessing from hypotheses alone rarely does; only premises whose scored hypotheses have three
    labels count."""

    def vector(items: Sequence[tuple[str, int, int]]) -> tuple[float, float]:
        whole = len({gold for _, gold, _ in items}) == 3
        return float(whole and all(gold == predicted for _, gold, predicted in items)), float(whole)

    return Metric(vector, lambda sums: _ratio(sums[..., 0], sums[..., 1]))


def _ece() -> Metric:
    """Items are (confidence, right). Expected calibration error over BINS bins of equal width: the mean distance, weighted
    by items, of a bin's accuracy from its mean confidence. Guo et al. 2017, https://arxiv.org/abs/1706.04599."""

    def vector(items: Sequence[tuple[float, float]]) -> list[float]:
        gap, count = [0.0] * BINS, 0.0
        for confidence, right in items:
            gap[min(int(confidence * BINS), BINS - 1)] += right - confidence
            count += 1
        return [*gap, count]

    return Metric(vector, lambda sums: _ratio(abs(sums[..., :-1]).sum(axis=-1), sums[..., -1]), biased=True)


def _three_labels() -> Metric:
    """Items as in triple_acc. The share of premises whose hypotheses, which have three labels, were given three."""

    def vector(items: Sequence[tuple[str, int, int]]) -> tuple[float, float]:
        golds, predictions = ({item[at] for item in items} for at in (1, 2))
        return float(len(golds) == len(predictions) == 3), float(len(golds) == 3)

    return Metric(vector, lambda sums: _ratio(sums[..., 0], sums[..., 1]))


def _share(holds: Callable[[Answers], float]) -> Metric:
    """Items as agreement.whole() takes them. The mean over those asked in all ways of what `holds` says of the answers."""

    def vector(items: Sequence[tuple[Any, ...]]) -> tuple[float, float]:
        asked = whole(items)
        return sum(map(holds, asked)), len(asked)

    return Metric(vector, lambda sums: _ratio(sums[..., 0], sums[..., 1]))


def _fleiss_kappa() -> Metric:
    """Agreement of pairs beyond what the shares of the labels alone would give; the prompts are the raters. NaN where
    only one label is ever said: nothing can be beyond that. Fleiss 1971, doi:10.1037/h0031619."""

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
    """Items are (group, ways, text), a cluster is a group of `ways` texts. The overlap of two texts is the cosine of
    their counts of character bigrams; `finish` gets its mean over pairs in a group and over pairs of two groups.

    Means over all pairs are functions of sums because each text is a vector of BUCKETS. A group that a resample draws
    twice is not crossed with itself: that is no pair of two groups."""

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
    """Items are (guid, count, out of, empty): the sum of the counts over the sum of what they are out of. NaN where more
    than VOID of the items are empty: what the few real answers are like is no longer what the model's answers are like."""

    def vector(items: Sequence[tuple[str, float, float, bool]]) -> list[float]:
        _, counts, totals, empties = zip(*items, strict=True)
        return [sum(counts), sum(totals), sum(empties), len(items)]

    return Metric(vector, lambda sums: _ratio(sums[..., 0], sums[..., 1] * (_void(sums[..., 2:]) == 0)))


def _void(sums: "Array") -> "Array":
    import numpy as np

    return np.asarray(sums[..., 0] > VOID * sums[..., 1], dtype=np.float64)


MEAN = _mean()
# Written out: a run depends on the metrics of its own tasks alone (kotune.job cuts this dict to them).
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
    "void": Metric(lambda items: (sum(empty for _, empty in items), len(items)), _void),  # items are (guid, empty)
    **dict.fromkeys(NATURALNESS, _rate()),
}
