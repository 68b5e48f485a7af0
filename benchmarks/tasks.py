"""Every task whose data ships with the project, scored by the quickstart models without a network:
seconds, and whether a score is the same again: in a second run exactly, with another batch size
within the tolerances that tasks/README.md states."""

import os
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.table import Figure, show
from kodata import SOURCES
from kotune.models import presets
from kotune.runs.task_data import TaskData
from kotune.score.harness import Loaded, load_task
from kotune.score.model import harness_model, load_base
from kotune.score.scoring import Evaluated, evaluated
from kotune_tasks.card import TaskCard, cards

os.environ["HF_HUB_OFFLINE"] = "1"  # read when the hub's library is imported, which is later

SAMPLES = Path(__file__).parent.parent / "kodata" / "samples"
MODELS = ("quickstart-llama", "quickstart-deepseek")
LIMIT = 40
AGAIN = 8  # of the items whose answers are written: one at a time they take long
BATCH_SIZE, OTHER = 32, 1
SECONDS = 240  # of all tasks with both models, on 2 cores, without the second look
NATS = 1e-4  # how far a choice's log-likelihood may move with the batch size, in float32 on a CPU
METRIC = 1e-4  # how far a metric may


class Measured(NamedTuple):
    """One task with one model: `alike` are two runs of the same; `other` has the other batch
    size."""

    task: Loaded
    items: int
    seconds: float  # of LIMIT items, loading the data included
    alike: tuple[Evaluated, Evaluated]
    other: Evaluated | None  # None where answers are drawn: the draws depend on the batch


def is_shipped(card: TaskCard) -> bool:
    """Whether a task can be scored without a download: from a small set, or from what lies with its
    source."""
    return (SAMPLES / card.source).is_dir() or SOURCES[card.source].CARD.hub_id is None


def bare(name: str) -> tuple[Any, Any]:
    """A quickstart model, and its tokenizer with our template."""
    from transformers import AutoTokenizer

    preset = presets.find(name, None)
    assert preset.template
    tokenizer = AutoTokenizer.from_pretrained(preset.base)
    tokenizer.chat_template = preset.template.read_text(encoding="utf-8")
    base: dict[str, str | None] = {
        "base_precision": "float32",
        "compute_dtype": "float32",
        "model_revision": None,
    }
    return load_base(preset.base, base), tokenizer


def load_model(name: str) -> Any:
    """A run's model around a bare quickstart model with our template."""
    return harness_model(*bare(name))


def measure(card: TaskCard, model: Any) -> Measured:
    """A task timed, then scored twice alike and once with the other batch size."""
    folder = SAMPLES / card.source
    begun = time.monotonic()
    task = load_task(card.name, TaskData(folder if folder.is_dir() else None))
    samples = score(task, model, LIMIT, BATCH_SIZE).samples
    seconds = time.monotonic() - begun
    limit = AGAIN if task.generates else LIMIT
    alike = score(task, model, limit, BATCH_SIZE), score(task, model, limit, BATCH_SIZE)
    drawn = task.generates and task.task.config.generation_kwargs.get("do_sample")
    other = None if drawn else score(task, model, limit, OTHER)
    return Measured(task, len(samples), seconds, alike, other)


def score(task: Loaded, model: Any, limit: int, batch_size: int) -> Evaluated:
    """The task with so many examples in a batch."""
    model.batch_size_per_gpu = batch_size
    return evaluated(task, model, limit)


def nats_apart(one: Evaluated, other: Evaluated) -> float:
    """The largest difference of a choice's log-likelihood; 0 where there are no choices."""
    pairs = zip(
        *([sample.get("logprobs", []) for sample in each.samples] for each in (one, other)),
        strict=True,
    )
    return max((abs(a - b) for pair in pairs for a, b in zip(*pair, strict=True)), default=0.0)


def metrics_apart(one: Evaluated, other: Evaluated) -> float:
    """The largest difference of a metric; infinite where only one of the two has it."""
    if one.values.keys() != other.values.keys():
        return float("inf")
    return max(_apart(value.value, other.values[name].value) for name, value in one.values.items())


def _apart(one: float | None, other: float | None) -> float:
    """How far two values of a metric are from each other; None is one that could not be told."""
    if one is None or other is None:
        return 0.0 if one is other else float("inf")
    return abs(one - other)


def answers_changed(one: Evaluated, other: Evaluated) -> int:
    """How many items have another answer."""
    pairs = zip(one.samples, other.samples, strict=True)
    return sum(a["prediction"] != b["prediction"] for a, b in pairs)


def figures(name: str, found: list[Measured]) -> list[Figure]:
    """Of one model: seconds a task, tasks that differ in a second run, and what moves with the
    batch size."""
    differ = [one.task.name for one in found if one.alike[0] != one.alike[1]]
    pairs = [(one.alike[0], one.other) for one in found if one.other]
    nats, metric = (max(apart(*pair) for pair in pairs) for apart in (nats_apart, metrics_apart))
    return [
        *(Figure(f"{name}: {one.task.name}, {one.items} items", one.seconds, "s") for one in found),
        Figure(
            " ".join([f"{name}: differ in a second run:", *differ]), len(differ), "tasks", most=0
        ),
        Figure(
            f"{name}: log-likelihood, {OTHER} a batch",
            1e6 * nats,
            "millionths of a nat",
            most=1e6 * NATS,
        ),
        Figure(f"{name}: metric, {OTHER} a batch", 1e6 * metric, "millionths", most=1e6 * METRIC),
        Figure(
            f"{name}: answers, {OTHER} a batch",
            sum(answers_changed(*pair) for pair in pairs),
            "changed",
        ),
    ]


if __name__ == "__main__":
    print(
        "not shipped:",
        *(name for name, card in cards().items() if not is_shipped(card)),
        file=sys.stderr,
    )
    begun = time.monotonic()
    loaded = {name: load_model(name) for name in MODELS}
    loading = time.monotonic() - begun
    found = {
        name: [measure(card, model) for card in cards().values() if is_shipped(card)]
        for name, model in loaded.items()
    }
    seconds = loading + sum(one.seconds for measured in found.values() for one in measured)
    show(
        f"Tasks on shipped data, {LIMIT} items each, batches of {BATCH_SIZE} and {OTHER}",
        [
            Figure("libraries and both models", loading, "s"),
            *(figure for name, measured in found.items() for figure in figures(name, measured)),
            Figure("all tasks with both models", seconds, "s", most=SECONDS),
        ],
    )
