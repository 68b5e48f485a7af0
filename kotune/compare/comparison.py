"""Compares runs on the same items. Within a run, the base model is compared with the tuned model.
Between two runs, the tuned models are compared.

Runs of one recipe with several seeds count as one model (kotune.compare.seeds). Every other run is
compared with the first run. Differences in how two runs were made are listed. Items whose questions
or right answers differ are not compared. Everything is read from the run folders."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from kodata.metrics.metrics import MEAN, METRICS
from kodata.metrics.naturalness.signals import SIGNALS
from kotune.compare import seeds
from kotune.compare.matching import shared_items
from kotune.compare.paired import Paired, compare, holm
from kotune.errors import KotuneError
from kotune.runs.finished import Finished
from kotune.runs.records import Answer, Answers
from kotune_tasks.card import cards

# Facts of run.json that should be equal in both runs. Versions and data are compared separately.
SAME = (
    "seed",
    "limit",
    "device",
    "base_precision",
    "compute_dtype",
    "halvings",
    "launcher",
    "code_revision",
    "python",
    "machine",
)
# Keys of an Axolotl config that always differ between two models. They describe the model itself or
# where this machine stores the model.
OWN = (
    "base_model",
    "revision_of_model",
    "eot_tokens",
    "special_tokens",
    "chat_template_jinja",
    "tokenizer_config",
)


JsonRow = dict[str, object]  # one row of the output of --json


@dataclass(frozen=True)
class Side:
    """One side of a comparison: the `base` or `tuned` model of a run, or one of its baselines.

    `others`: the runs of the same recipe with other seeds."""

    run: Finished
    variant: str
    others: tuple[Finished, ...] = ()

    @property
    def runs(self) -> tuple[Finished, ...]:
        return (self.run, *self.others)

    @property
    def name(self) -> str:
        return f"{' + '.join(run.name for run in self.runs)} {self.variant}"

    def samples(self, task: str) -> list[Answers]:
        """The answers to a task, for each run."""
        return [run.samples(task, self.variant) for run in self.runs]


@dataclass(frozen=True)
class Comparison:
    """A comparison of b with a by one metric of one task.

    - `p_holm`: the p-value after Holm's adjustment over the primary metrics of all comparisons made
      together; None for other metrics
    - `values`: the value of each seed of a, and of each seed of b
    """

    task: str
    metric: str
    a: Side
    b: Side
    paired: Paired
    p_holm: float | None = None
    values: tuple[seeds.Values, seeds.Values] = ((), ())

    @property
    def is_primary(self) -> bool:
        """Whether the metric is the primary metric of its task. Only primary metrics have an
        adjusted p-value."""
        return self.p_holm is not None

    @property
    def is_tuning(self) -> bool:
        """Whether the base and the tuned model of one run are compared."""
        return self.a.run is self.b.run

    @property
    def is_lower_better(self) -> bool:
        return self.metric in cards()[self.task].lower_is_better

    @property
    def is_share(self) -> bool:
        """Whether the task's primary metric is a share. Differences of shares are shown in
        percentage points."""
        return cards()[self.task].is_share

    def row(self) -> JsonRow:
        """The comparison as --json prints it."""
        named = {"task": self.task, "metric": self.metric, "a": self.a.name, "b": self.b.name}
        return finite(
            {**named, **self.paired._asdict(), "p_holm": self.p_holm, "seeds": self._seeds()}
        )

    def _seeds(self) -> dict[str, list[JsonRow]]:
        return {"a": _values_of_seeds(self.a, self.values[0])} | {
            "b": _values_of_seeds(self.b, self.values[1])
        }


def _values_of_seeds(side: Side, values: seeds.Values) -> list[JsonRow]:
    return [
        finite({"seed": run.record.seed, "value": value})
        for run, value in zip(side.runs, values, strict=False)
    ]


def comparisons(runs: Sequence[Finished]) -> list[Comparison]:
    """Compare base with tuned within each run, then each later run's tuned model with the first
    run's.

    Runs that differ only in their seeds count as one. Raises KotuneError if two runs have no item
    in common."""
    bases, tuned = (
        [Side(group[0], kind, group[1:]) for group in seeds.groups(runs)]
        for kind in ("base", "tuned")
    )
    sides = [*zip(bases, tuned, strict=True), *((tuned[0], other) for other in tuned[1:])]
    return _adjusted([comparison for a, b in sides for comparison in _pair(a, b)])


def against(runs: Sequence[Finished]) -> list[Comparison]:
    """Compare each run's tuned model with its own baselines, by the primary metric of each task.

    Runs of one recipe with several seeds count as one model. Holm's adjustment covers only the
    comparisons with baselines, because the question which model is better is a separate one."""
    made: list[Comparison] = []
    for run, *others in seeds.groups(runs):
        for task, entry in run.scores.items():
            for name in entry.references.lines:
                if all(name in other.scores[task].references.lines for other in others):
                    a, b = (Side(run, variant, tuple(others)) for variant in (name, "tuned"))
                    made += _of_task(task, a, b, [cards()[task].primary])
    return _adjusted(made)


class Difference(NamedTuple):
    """A property that differs between two runs: its name, and its value in each run."""

    what: str
    a: object
    b: object


def differences(a: Finished, b: Finished) -> list[Difference]:
    """The properties that differ between two runs, except the settings that describe the base model
    itself (OWN)."""
    shared = sorted(a.scores.keys() & b.scores.keys())
    rows = [*_of_records(a, b), *_of_configs(a, b), Difference("training data", _data(a), _data(b))]
    rows += [
        Difference(f"{task} batches of answers", *sizes)
        for task in shared
        if all(sizes := _batches(task, a, b))
    ]
    rows += [
        Difference(f"{task} version", a.scores[task].version, b.scores[task].version)
        for task in shared
    ]
    rows += [
        Difference(f"{task} scored", task in a.scores, task in b.scores)
        for task in sorted(a.scores.keys() ^ b.scores.keys())
    ]
    return [row for row in rows if row.a != row.b] + [
        row
        for task in shared
        for row in _items(task, a.samples(task, "tuned"), b.samples(task, "tuned"))
    ]


def _of_records(a: Finished, b: Finished) -> Iterator[Difference]:
    """The facts of run.json and the package versions of two runs. Facts that are equal in both runs
    are included."""
    facts = [run.record.as_json() for run in (a, b)]
    for name in SAME:
        yield Difference(name, *(fact.get(name) for fact in facts))
    for package in sorted({*a.record.versions, *b.record.versions}):
        yield Difference(package, a.record.versions.get(package), b.record.versions.get(package))


def _of_configs(a: Finished, b: Finished) -> Iterator[Difference]:
    """The keys of two runs' Axolotl configurations. Keys with equal values are included. If the
    base model is the same, its commit and the chat template of each run are added."""
    for key in sorted({*a.config, *b.config} - set(OWN)):
        yield Difference(f"axolotl.{key}", a.config.get(key), b.config.get(key))
    if a.config.get("base_model") == b.config.get("base_model"):
        yield Difference("model_revision", a.record.model_revision, b.record.model_revision)
        yield Difference("chat template", _template(a), _template(b))


def _batches(task: str, a: Finished, b: Finished) -> tuple[list[int], list[int]]:
    """The batch sizes with which each tuned model generated its answers.

    Both lists are empty if both runs computed in float32, because batch sizes then do not change
    answers. They are also empty if the base models differ, because batch sizes then always differ:
    the memory that an answer takes depends on the model."""
    in_float32 = all(run.record.compute_dtype == "float32" for run in (a, b))
    if in_float32 or a.config.get("base_model") != b.config.get("base_model"):
        return [], []
    return a.scores[task].batches.get("tuned", []), b.scores[task].batches.get("tuned", [])


def finite(row: JsonRow) -> JsonRow:
    """The row with None instead of NaN, which JSON does not have."""
    return {
        key: None if isinstance(value, float) and math.isnan(value) else value
        for key, value in row.items()
    }


def _pair(a: Side, b: Side) -> Iterator[Comparison]:
    """Compare two sides by every metric of every task that both were scored on, over their common
    items. Raises KotuneError if two runs have no item in common."""
    shared = [
        task for task in a.run.scores if all(task in run.scores for run in (*a.runs, *b.runs))
    ]
    compared = False
    for task in shared:
        for comparison in _of_task(task, a, b, _compared_metrics(task, a.run)):
            compared = True
            yield comparison
    # If no task of a run was scored, its base and tuned model share no item. That is not an error.
    if not compared and (a.run.scores or a.run is not b.run):
        raise KotuneError(
            f"{a.run.folder} and {b.run.folder}: no item in common; compare runs that share a task"
        )


def _compared_metrics(task: str, run: Finished) -> list[str]:
    """The metrics of a task by which two variants are compared.

    Metrics of the task's own baselines are excluded, because they are the same before and after
    tuning. Signals of naturalness are excluded, because it is unproven whether higher or lower is
    better."""
    prefixes = tuple(cards()[task].lines.values())
    return [
        name
        for name in run.scores[task].base
        if name not in SIGNALS and not name.startswith(prefixes)
    ]


def _of_task(task: str, a: Side, b: Side, metrics: Iterable[str]) -> Iterator[Comparison]:
    """Compare two sides by these metrics of a task, over the items that all runs of both sides
    share. Yields nothing if they share no item."""
    sides = [*a.samples(task), *b.samples(task)]
    items = shared_items(sides)
    common = [[side[key] for key in items] for side in sides]
    for metric in metrics:
        if result := _metric(metric, common, len(a.runs)):
            yield Comparison(task, metric, a, b, result.paired, values=(result.a, result.b))


def _items(task: str, a: Answers, b: Answers) -> Iterator[Difference]:
    """For each of two runs, the number of items of a task that the other run does not have. Two
    items are the same if their questions and their right answers are the same."""
    common = len(shared_items([a, b]))
    if len(a) > common or len(b) > common:
        what = f"{task} items that the other was not asked"
        yield Difference(what, len(a) - common, len(b) - common)


def _metric(name: str, samples: list[list[Answer]], of_a: int) -> seeds.OfSeeds | None:
    """Compare one metric over the same items of several runs. The first `of_a` runs belong to a,
    the others to b. None if no item has the metric in all runs."""
    ingredients = [[sample.metrics.get(name) for sample in side] for side in samples]
    complete = [i for i, items in enumerate(zip(*ingredients, strict=True)) if None not in items]
    if not complete:
        return None
    runs = [[items[i] for i in complete] for items in ingredients]
    metric, clusters = METRICS.get(name, MEAN), [samples[0][i].cluster for i in complete]
    if len(runs) > 2:
        return seeds.compare(metric, runs[:of_a], runs[of_a:], clusters)
    paired = compare(metric, runs[0], runs[1], clusters)
    return seeds.OfSeeds(paired, (paired.value_a,), (paired.value_b,))


def _adjusted(made: list[Comparison]) -> list[Comparison]:
    """The comparisons with Holm's adjusted p-values. The adjustment covers the primary metric of
    each task in each comparison."""
    primary = [
        number
        for number, comparison in enumerate(made)
        if cards()[comparison.task].primary == comparison.metric
    ]
    for number, p_value in zip(
        primary, holm([made[number].paired.p_value for number in primary]), strict=True
    ):
        made[number] = replace(made[number], p_holm=p_value)
    return made


def _template(run: Finished) -> object:
    """The digest of the chat template that was used in training."""
    return run.record.train.inputs.get("chat_template.jinja")


def _data(run: Finished) -> list[JsonRow]:
    """The data that the model was trained on: sources, forms, weights, rows kept, and digests of
    files."""
    return [
        {
            "source": entry.source,
            "form": entry.form,
            "samples": entry.samples,
            "weight": entry.weight,
            "kept": entry.kept.as_json(),
            "files": [file.sha256[:12] for file in entry.files],
        }
        for entry in run.manifest.entries
    ]
