"""Compares runs on the same items. Within a run, the tuned model is compared with the base model.
Between two runs, the tuned models are compared.

Runs of one recipe with several seeds count as one model (kotune.compare.seeds). Each later model is
compared with the first model. Items whose questions or right answers differ are left out.
Everything is read from the run folders.

Each answer of a samples file has an ingredient for each metric: the value from which the metric is
calculated (kodata.metrics.resampling)."""

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from kodata.metrics.metrics import MEAN, METRICS
from kodata.metrics.naturalness.signals import SIGNALS
from kodata.metrics.resampling import Metric
from kotune.compare import seeds
from kotune.compare.differences import shared_items
from kotune.compare.paired import Paired, compare, holm
from kotune.compare.shares import is_share
from kotune.display.json_rows import JsonRow, finite
from kotune.errors import KotuneError
from kotune.runs.finished import Finished
from kotune.runs.records import UNDEFINED, Answer, Answers
from kotune_tasks.card import cards


@dataclass(frozen=True)
class Side:
    """One side of a comparison: the base model, the tuned model or a baseline of a run.

    - `run`: the run of the first seed
    - `variant`: `base`, `tuned` or the name of a baseline
    - `others`: the compared runs of the same recipe with other seeds
    - `known`: runs of the same recipe with further seeds that are not compared. They show how much
      a score varies with the seed.
    """

    run: Finished
    variant: str
    others: tuple[Finished, ...] = ()
    known: tuple[Finished, ...] = ()

    @property
    def runs(self) -> tuple[Finished, ...]:
        return (self.run, *self.others)

    @property
    def is_tuned(self) -> bool:
        """Whether training made what is compared, so that another seed would change it."""
        return self.variant == "tuned"

    @property
    def name(self) -> str:
        return f"{' + '.join(run.name for run in self.runs)} {self.variant}"

    def samples(self, task: str) -> list[Answers]:
        """The answers of each compared run to a task."""
        return [run.samples(task, self.variant) for run in self.runs]

    def known_values(self, task: str, metric: str, variant: str = "tuned") -> seeds.Values:
        """A variant's value in the scores of each run, compared or not. Empty if `known` is empty,
        or if the value of any run is missing. `variant`: `base` or `tuned`.

        A model without an adapter has the same value for every seed."""
        if not self.run.is_tuned:
            value = self.run.scores[task].base.get(metric, UNDEFINED).value
            return () if value is None else (value,) * seeds.ENOUGH
        if not self.known:
            return ()
        scores = [
            run.scores[task].variant(variant) if task in run.scores else {} for run in self.all_runs
        ]
        values = [of_run.get(metric, UNDEFINED).value for of_run in scores]
        return tuple(value for value in values if value is not None) if None not in values else ()

    @property
    def all_runs(self) -> tuple[Finished, ...]:
        return (*self.runs, *self.known)


@dataclass(frozen=True)
class Comparison:
    """A comparison of b with a by one metric of one task.

    - `p_holm`: the p-value after Holm's adjustment. The adjustment covers the primary metrics of
      all comparisons that were made together. None for other metrics.
    - `values`: the values of a's seeds, and the values of b's seeds
    - `includes_seeds`: whether the interval and the p-value include the variation of seeds. If not,
      they hold only for these adapters.
    """

    task: str
    metric: str
    a: Side
    b: Side
    paired: Paired
    p_holm: float | None = None
    values: tuple[seeds.Values, seeds.Values] = ((), ())
    includes_seeds: bool = False

    @property
    def is_primary(self) -> bool:
        """Whether the metric is the primary metric of its task. Only primary metrics have an
        adjusted p-value."""
        return self.p_holm is not None

    @property
    def is_tuning(self) -> bool:
        """Whether a and b belong to the same run. They are then its base model and its tuned model,
        or one of its baselines and its tuned model."""
        return self.a.run is self.b.run

    @property
    def is_lower_better(self) -> bool:
        return self.metric in cards()[self.task].lower_is_better

    @property
    def is_share(self) -> bool:
        """Whether the metric is a share, from 0 to 1. Differences of shares are shown in percentage
        points."""
        return is_share(self.task, self.metric)

    def row(self) -> JsonRow:
        """The comparison as --json prints it."""
        named = {"task": self.task, "metric": self.metric, "a": self.a.name, "b": self.b.name}
        seeds_of = {"seeds": self._seeds(), "includes_seeds": self.includes_seeds}
        return finite({**named, **self.paired._asdict(), "p_holm": self.p_holm, **seeds_of})

    def _seeds(self) -> dict[str, list[JsonRow]]:
        return {"a": _values_of_seeds(self.a, self.values[0])} | {
            "b": _values_of_seeds(self.b, self.values[1])
        }


def _values_of_seeds(side: Side, values: seeds.Values) -> list[JsonRow]:
    return [
        finite({"seed": run.record.seed, "value": value})
        for run, value in zip(side.runs, values, strict=False)
    ]


AnyComparison = TypeVar("AnyComparison", bound=Comparison)


def comparisons(runs: Sequence[Finished], known: Sequence[Finished] = ()) -> list[Comparison]:
    """Compare the tuned with the base model of each run. Then compare each later run's tuned model
    with the tuned model of the first run. A run without an adapter has only its base model, which
    is compared with the other runs' tuned models.

    Runs that differ only in their seeds count as one run. `known`: runs that are not compared
    themselves. Those that differ from a compared run only in their seeds show the variation of
    seeds, when two tuned models are compared. Raises KotuneError if two runs have no item in
    common."""
    last = sides(runs, known)
    tuning = [(replace(side, variant="base"), side) for side in last if side.is_tuned]
    pairs = [*tuning, *((last[0], other) for other in last[1:])]
    return adjusted([comparison for a, b in pairs for comparison in _pair(a, b)])


def sides(runs: Sequence[Finished], known: Sequence[Finished]) -> list[Side]:
    """A side for each group of runs that differ only in their seeds: the tuned model, or the base
    model of runs without an adapter. `known`: as in comparisons()."""
    return [
        Side(group[0], group[0].variant, group[1:], seeds.others(group, known))
        for group in seeds.groups(runs)
    ]


def against(runs: Sequence[Finished]) -> list[Comparison]:
    """Compare each run's tuned model with its own baselines, by the primary metric of each task.

    Runs of one recipe with several seeds count as one model. A baseline that one of these runs
    lacks is skipped. Holm's adjustment covers only the comparisons with baselines. Comparisons of
    models answer a separate question and are adjusted separately."""
    made: list[Comparison] = []
    for run, *others in seeds.groups([run for run in runs if run.is_tuned]):
        for task, entry in run.scores.items():
            for name in entry.references.lines:
                if all(name in other.scores[task].references.lines for other in others):
                    a, b = (Side(run, variant, tuple(others)) for variant in (name, "tuned"))
                    made += _of_task(task, a, b, [cards()[task].primary])
    return adjusted(made)


def _pair(a: Side, b: Side) -> Iterator[Comparison]:
    """Compare two sides over their common items, by every metric of every task that all their runs
    were scored on.

    Raises KotuneError if nothing can be compared. The one exception is a run without any scored
    task: its base and tuned models yield no comparison and no error."""
    compared = False
    for task in shared_tasks(a, b):
        for comparison in _of_task(task, a, b, compared_metrics(task, a.run)):
            compared = True
            yield comparison
    # A run without any scored task has nothing to compare within itself, which is not an error.
    if not compared and (a.run.scores or a.run is not b.run):
        raise KotuneError(
            f"{a.run.folder} and {b.run.folder}: no item in common; compare runs that share a task"
        )


def shared_tasks(a: Side, b: Side) -> list[str]:
    """The tasks that all runs of both sides were scored on."""
    return [task for task in a.run.scores if all(task in run.scores for run in (*a.runs, *b.runs))]


def compared_metrics(task: str, run: Finished) -> list[str]:
    """The names of the metrics by which two sides are compared on a task.

    Metrics of the task's own baselines are excluded, because tuning does not change them. Signals
    of naturalness are excluded, because it is unproven whether higher or lower is better."""
    prefixes = tuple(cards()[task].lines.values())
    return [
        name
        for name in run.scores[task].base
        if name not in SIGNALS and not name.startswith(prefixes)
    ]


def _of_task(task: str, a: Side, b: Side, metrics: Iterable[str]) -> Iterator[Comparison]:
    """Compare two sides by these metrics of a task, over the items that all their runs share.
    Yields nothing if they share no item."""
    sides = [*a.samples(task), *b.samples(task)]
    items = shared_items(sides)
    common = [[side[key] for key in items] for side in sides]
    for metric in metrics:
        # The claim about base and tuned models is about the compared runs only, so other seeds are
        # not used.
        known = [() if a.run is b.run else side.known_values(task, metric) for side in (a, b)]
        if result := _metric(metric, common, len(a.runs), (known[0], known[1])):
            values, includes_seeds = (result.a, result.b), result.includes_seeds
            yield Comparison(task, metric, a, b, result.paired, None, values, includes_seeds)


def _metric(
    name: str,
    samples: list[list[Answer]],
    of_a: int,
    known: tuple[seeds.Values, seeds.Values],
) -> seeds.OfSeeds | None:
    """Compare two sides by the metric `name`. None if no item has an ingredient in all runs.

    `samples`: the answers of each run, to the same items in the same order. The first `of_a` runs
    belong to a, and the others to b. `known`: as in seeds.compare()."""
    ingredients = [[sample.metrics.get(name) for sample in side] for side in samples]
    complete = [i for i, items in enumerate(zip(*ingredients, strict=True)) if None not in items]
    if not complete:
        return None
    runs = [[items[i] for i in complete] for items in ingredients]
    clusters = [samples[0][i].cluster for i in complete]
    return compare_runs(METRICS.get(name, MEAN), runs, of_a, clusters, known)


def compare_runs(
    metric: Metric,
    runs: Sequence[Sequence[Any]],
    of_a: int,
    clusters: Sequence[Hashable],
    known: tuple[seeds.Values, seeds.Values],
) -> seeds.OfSeeds:
    """Compare runs by the ingredients of one metric. The first `of_a` runs belong to a, the others
    to b. `known`: as in seeds.compare().

    One run is compared with one run by the tests of kotune.compare.paired, unless enough known
    seeds of both sides show the variation of seeds."""
    if len(runs) > 2 or min(map(len, known)) >= seeds.ENOUGH:
        return seeds.compare(metric, runs[:of_a], runs[of_a:], clusters, known)
    paired = compare(metric, runs[0], runs[1], clusters)
    return seeds.OfSeeds(paired, (paired.value_a,), (paired.value_b,))


def adjusted(made: Sequence[AnyComparison]) -> list[AnyComparison]:
    """The comparisons with Holm's adjusted p-values. All comparisons by primary metrics are
    adjusted together. Earlier adjustments are replaced."""
    primary = [
        number
        for number, comparison in enumerate(made)
        if cards()[comparison.task].primary == comparison.metric
    ]
    p_values = holm([made[number].paired.p_value for number in primary])
    result = list(made)
    for number, p_value in zip(primary, p_values, strict=True):
        result[number] = replace(made[number], p_holm=p_value)
    return result
