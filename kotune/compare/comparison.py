"""Runs against each other on the same items: base against tuned within a run, and the tuned models
of two runs. Runs of one recipe with several seeds are one (kotune.compare.seeds).

The first run is what the others are compared with. What is not the same between two runs is told,
and a task whose items or questions differ is not compared at all. Everything is read from the run
folders."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from kodata.metrics.metrics import MEAN, METRICS
from kodata.metrics.naturalness.signals import SIGNALS
from kotune.compare import seeds
from kotune.compare.paired import Paired, compare, holm
from kotune.errors import KotuneError
from kotune.runs.finished import Finished, Sample
from kotune_tasks.card import cards

# Of run.json; versions and data are looked at too.
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
# What a config says of the model itself, or where this machine keeps it: two models differ there by
# nature.
OWN = (
    "base_model",
    "revision_of_model",
    "eot_tokens",
    "special_tokens",
    "chat_template_jinja",
    "tokenizer_config",
)


@dataclass(frozen=True)
class Side:
    """What answers a run's items: its `base` or `tuned` model, or one of its reference lines.
    `others`: the same of runs of the same recipe with other seeds."""

    run: Finished
    variant: str
    others: tuple[Finished, ...] = ()

    @property
    def runs(self) -> tuple[Finished, ...]:
        return (self.run, *self.others)

    @property
    def name(self) -> str:
        return f"{' + '.join(run.name for run in self.runs)} {self.variant}"

    def samples(self, task: str) -> list[dict[str, Sample]]:
        """Of each run."""
        return [run.samples(task, self.variant) for run in self.runs]


@dataclass(frozen=True)
class Comparison:
    """One metric of one task, b against a. `p_holm`: adjusted over the primary metrics of all
    comparisons made together; None for the other metrics. `values`: of each seed of a and of b."""

    task: str
    metric: str
    a: Side
    b: Side
    found: Paired
    p_holm: float | None = None
    values: tuple[seeds.Values, seeds.Values] = ((), ())

    @property
    def is_lower_better(self) -> bool:
        return self.metric in cards()[self.task].lower_is_better

    @property
    def scale(self) -> int:
        """100 for a share, whose differences are told in points, else 1. Only judged metrics are
        told so."""
        return cards()[self.task].scale

    def row(self) -> dict[str, Any]:
        """The comparison as --json prints it."""
        named = {"task": self.task, "metric": self.metric, "a": self.a.name, "b": self.b.name}
        return finite(
            {**named, **self.found._asdict(), "p_holm": self.p_holm, "seeds": self._seeds()}
        )

    def _seeds(self) -> dict[str, list[dict[str, Any]]]:
        sides = {"a": (self.a, self.values[0]), "b": (self.b, self.values[1])}
        return {
            name: [
                finite({"seed": run.record["seed"], "value": v})
                for run, v in zip(side.runs, values, strict=False)
            ]
            for name, (side, values) in sides.items()
        }


def comparisons(runs: Sequence[Finished]) -> list[Comparison]:
    """Base against tuned of each run, then every other run's tuned model against the first's; runs
    that differ by their seeds alone are one. KotuneError where two runs share no item."""
    bases, tuned = (
        [Side(group[0], kind, group[1:]) for group in seeds.groups(runs)]
        for kind in ("base", "tuned")
    )
    sides = [*zip(bases, tuned, strict=True), *((tuned[0], other) for other in tuned[1:])]
    return _adjusted([found for a, b in sides for found in _pair(a, b)])


def against(runs: Sequence[Finished]) -> list[Comparison]:
    """Each run's tuned model against its own reference lines, by the tasks' judged metrics; seeds
    of one recipe are one, as are their lines. Holm's adjustment is over these alone: they are
    another question than which model is better."""
    found: list[Comparison] = []
    for run, *others in seeds.groups(runs):
        for task, entry in run.scores.items():
            for line in entry.get("references", {}).get("lines", ()):
                if all(
                    line in other.scores[task].get("references", {}).get("lines", ())
                    for other in others
                ):
                    a, b = (Side(run, variant, tuple(others)) for variant in (line, "tuned"))
                    found += _of_task(task, a, b, [cards()[task].primary])
    return _adjusted(found)


def differences(a: Finished, b: Finished) -> list[dict[str, Any]]:
    """What is not the same between two runs, beside their models: {what, a, b} each."""
    found: list[tuple[str, Any, Any]] = [
        (name, a.record.get(name), b.record.get(name)) for name in SAME
    ]
    for package in sorted({*a.record["versions"], *b.record["versions"]}):
        found.append(
            (package, a.record["versions"].get(package), b.record["versions"].get(package))
        )
    for key in sorted({*a.config, *b.config} - set(OWN)):
        found.append((f"axolotl.{key}", a.config.get(key), b.config.get(key)))
    if a.config.get("base_model") == b.config.get("base_model"):  # else they differ there by nature
        found.append(("model_revision", a.record["model_revision"], b.record["model_revision"]))
        found.append(("chat template", _template(a), _template(b)))
    found.append(("training data", _data(a), _data(b)))
    shared = sorted(a.scores.keys() & b.scores.keys())
    found += [
        (f"{task} batches of answers", *sizes)
        for task in shared
        if all(sizes := _batches(task, a, b))
    ]
    found += [
        (f"{task} version", a.scores[task]["version"], b.scores[task]["version"]) for task in shared
    ]
    found += [
        (f"{task} scored", task in a.scores, task in b.scores)
        for task in sorted(a.scores.keys() ^ b.scores.keys())
    ]
    told = [{"what": what, "a": one, "b": other} for what, one, other in found if one != other]
    return told + [
        row
        for task in shared
        for row in _items(task, a.samples(task, "tuned"), b.samples(task, "tuned"))
    ]


def _batches(task: str, a: Finished, b: Finished) -> tuple[list[int], list[int]]:
    """The sizes of the batches in which both tuned models wrote their answers. Empty where they
    change no answer: in float32; and where another base model has others by nature, as more or
    fewer of its answers fit into the same memory."""
    in_float32 = all(run.record.get("compute_dtype") == "float32" for run in (a, b))
    if in_float32 or a.config.get("base_model") != b.config.get("base_model"):
        return [], []
    one, other = (run.scores[task].get("batches", {}).get("tuned", []) for run in (a, b))
    return one, other


def finite(row: dict[str, Any]) -> dict[str, Any]:
    """A row with None for NaN, which JSON does not have."""
    return {
        key: None if isinstance(value, float) and math.isnan(value) else value
        for key, value in row.items()
    }


def _pair(a: Side, b: Side) -> Iterator[Comparison]:
    """Every metric of every task that both were scored on, over the items that both have."""
    shared = [
        task for task in a.run.scores if all(task in run.scores for run in (*a.runs, *b.runs))
    ]
    compared = False
    for task in shared:
        for found in _of_task(task, a, b, _compared_metrics(task, a.run)):
            compared = True
            yield found
    # A run alone may have nothing to score.
    if not compared and (a.run.scores or a.run is not b.run):
        raise KotuneError(
            f"{a.run.folder} and {b.run.folder}: no item in common; compare runs that share a task"
        )


def _compared_metrics(task: str, run: Finished) -> list[str]:
    """The metrics of a task that two variants are compared by. Not metrics of a baseline, which are
    of the items and the same before and after; nor signals of naturalness, of which nobody has
    shown that more or less is better."""
    baselines = tuple(cards()[task].lines.values())
    return [
        name
        for name in run.scores[task]["base"]
        if name not in SIGNALS and not name.startswith(baselines)
    ]


def _of_task(task: str, a: Side, b: Side, metrics: Iterable[str]) -> Iterator[Comparison]:
    """These metrics of a task over the items that all runs of both have; none where there is no
    such item."""
    sides = [*a.samples(task), *b.samples(task)]
    first, *rest = ([(key, *_question(sample)) for key, sample in side.items()] for side in sides)
    both = set(first).intersection(*rest)
    common = [[side[asked[0]] for asked in first if asked in both] for side in sides]
    for metric in metrics:
        if found := _metric(metric, common, len(a.runs)):
            told, *values = found
            yield Comparison(task, metric, a, b, told, values=(values[0], values[1]))


def _items(task: str, a: dict[str, Sample], b: dict[str, Sample]) -> Iterator[dict[str, Any]]:
    """How many items of a task only one of two runs was asked, in these words."""
    common = sum(key in b and _same_question(a[key], b[key]) for key in a)
    if (only_a := len(a) - common) + (only_b := len(b) - common):
        yield {"what": f"{task} items that the other was not asked", "a": only_a, "b": only_b}


def _same_question(a: Sample, b: Sample) -> bool:
    return _question(a) == _question(b)


def _question(sample: Sample) -> tuple[str, str]:
    return sample["question_hash"], sample["target_hash"]


def _metric(
    name: str, samples: list[list[Sample]], of_a: int
) -> tuple[Paired, seeds.Values, seeds.Values] | None:
    """One metric over the same items of several runs, the first `of_a` of them a's, with each
    seed's value of a and of b. None where no item has it in all."""
    every = [[sample["metrics"].get(name) for sample in side] for side in samples]
    asked = [at for at, items in enumerate(zip(*every, strict=True)) if None not in items]
    if not asked:
        return None
    runs = [[items[at] for at in asked] for items in every]
    metric, clusters = METRICS.get(name, MEAN), [samples[0][at]["cluster"] for at in asked]
    if len(runs) > 2:
        return seeds.compare(metric, runs[:of_a], runs[of_a:], clusters)
    told = compare(metric, runs[0], runs[1], clusters)
    return told, (told.value_a,), (told.value_b,)


def _adjusted(found: list[Comparison]) -> list[Comparison]:
    """Holm's adjustment over the primary metric of each task in each comparison."""
    primary = [
        number for number, one in enumerate(found) if cards()[one.task].primary == one.metric
    ]
    for number, p_value in zip(
        primary, holm([found[number].found.p_value for number in primary]), strict=True
    ):
        found[number] = replace(found[number], p_holm=p_value)
    return found


def _template(run: Finished) -> Any:
    """The digest of the chat template that was trained with."""
    return run.record["stages"]["train"]["inputs"].get("chat_template.jinja")


def _data(run: Finished) -> list[dict[str, Any]]:
    """What went into training: sources, forms, weights, files by digest, and rows kept."""
    keys = ("source", "form", "samples", "weight", "kept")
    entries = run.manifest["entries"]
    return [
        {
            **{key: entry[key] for key in keys},
            "files": [file["sha256"][:12] for file in entry["files"]],
        }
        for entry in entries
    ]
