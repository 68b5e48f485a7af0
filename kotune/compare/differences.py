"""Lists the differences between two runs other than their base models: settings, versions, data and
items."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from kotune.display.json_rows import JsonRow
from kotune.runs.finished import Finished
from kotune.runs.records import Answers

# Keys of run.json that should have equal values in both runs. Package versions and data are
# compared separately.
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
# Keys of an Axolotl config that describe the base model or its path on this machine. They differ
# between any two base models, so their differences are not listed.
OWN = (
    "base_model",
    "revision_of_model",
    "eot_tokens",
    "special_tokens",
    "chat_template_jinja",
    "tokenizer_config",
)


class Difference(NamedTuple):
    """A property that differs between two runs. `what`: its name. `a` and `b`: its values in the
    two runs."""

    what: str
    a: object
    b: object


def differences(a: Finished, b: Finished) -> list[Difference]:
    """The properties that differ between two runs. Settings that describe the base model (OWN) are
    left out."""
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
        for row in _items(task, a.samples(task, a.variant), b.samples(task, b.variant))
    ]


def _of_records(a: Finished, b: Finished) -> Iterator[Difference]:
    """The SAME keys of run.json and the package versions, whether they differ or not."""
    facts = [run.record.as_json() for run in (a, b)]
    for name in SAME:
        yield Difference(name, *(fact.get(name) for fact in facts))
    for package in sorted({*a.record.versions, *b.record.versions}):
        yield Difference(package, a.record.versions.get(package), b.record.versions.get(package))


def _of_configs(a: Finished, b: Finished) -> Iterator[Difference]:
    """The keys of the Axolotl configurations except OWN, whether they differ or not. If the base
    model is the same, its commit and the digest of the chat template follow. Settings of training
    are not compared with a run in which nothing was trained."""
    are_trained = [run.record.trained for run in (a, b)]
    yield Difference("trained by kotune", *are_trained)
    for key in sorted({*a.config, *b.config} - set(OWN)) if all(are_trained) else ():
        yield Difference(f"axolotl.{key}", a.config.get(key), b.config.get(key))
    if a.config.get("base_model") == b.config.get("base_model"):
        yield Difference("model_revision", a.record.model_revision, b.record.model_revision)
        yield Difference("chat template", _template(a), _template(b))


def _batches(task: str, a: Finished, b: Finished) -> tuple[list[int], list[int]]:
    """The batch sizes with which the tuned model of a, and that of b, generated their answers.

    Both lists are empty if both runs computed in float32, because batch sizes then do not change
    answers. Both are also empty if the base models differ. An answer then takes different memory,
    so the batch sizes always differ."""
    in_float32 = all(run.record.compute_dtype == "float32" for run in (a, b))
    if in_float32 or a.config.get("base_model") != b.config.get("base_model"):
        return [], []
    first, second = (run.scores[task].batches.get(run.variant, []) for run in (a, b))
    return first, second


def _items(task: str, a: Answers, b: Answers) -> Iterator[Difference]:
    """For each run, the number of a task's items that the other run does not have. Yields nothing
    if both runs have the same items.

    Items with equal document hashes count as different if their questions or right answers
    differ."""
    common = len(shared_items([a, b]))
    if len(a) > common or len(b) > common:
        what = f"{task} items that the other was not asked"
        yield Difference(what, len(a) - common, len(b) - common)


def _template(run: Finished) -> object:
    """The digest of the chat template that was used in training. None if it is not recorded."""
    return run.record.train.inputs.get("chat_template.jinja")


def _data(run: Finished) -> list[JsonRow]:
    """The data that the model was trained on, with one row for each data entry of the recipe. The
    digests of files are shortened to 12 characters."""
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


def shared_items(answers: Sequence[Answers]) -> list[str]:
    """The document hashes of the items that all runs answered, in the order of the first run.

    `answers`: each run's answers to one task, at least one run. An item counts only if its question
    and its right answer are the same in all runs."""
    first, *others = answers
    return [
        key
        for key, answer in first.items()
        if all(key in other and other[key].question == answer.question for other in others)
    ]
