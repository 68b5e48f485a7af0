"""Lists what differs between two runs besides their models: settings, versions, data and items."""

from collections.abc import Iterator
from typing import NamedTuple

from kotune.compare.matching import shared_items
from kotune.display.json_rows import JsonRow
from kotune.runs.finished import Finished
from kotune.runs.records import Answers

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


def _items(task: str, a: Answers, b: Answers) -> Iterator[Difference]:
    """For each of two runs, the number of items of a task that the other run does not have. Two
    items are the same if their questions and their right answers are the same."""
    common = len(shared_items([a, b]))
    if len(a) > common or len(b) > common:
        what = f"{task} items that the other was not asked"
        yield Difference(what, len(a) - common, len(b) - common)


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
