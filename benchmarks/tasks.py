"""Scores every task whose data ships with the project with the quickstart models, without a
network.

Measured are the seconds and the reproducibility of scores: a second run must give exactly the same,
another batch size the same within the tolerances of tasks/README.md."""

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

os.environ["HF_HUB_OFFLINE"] = "1"  # before the hub's library is imported

SAMPLES = Path(__file__).parent.parent / "kodata" / "samples"
MODELS = ("quickstart-llama", "quickstart-deepseek")
LIMIT = 40
AGAIN = 8  # items of generation tasks, which are slow one at a time
BATCH_SIZE, OTHER = 32, 1
SECONDS = 240  # of all tasks with both models, on 2 cores, without the repeated runs
NATS = 1e-4  # largest change of a log-likelihood by the batch size, in float32 on a CPU
METRIC = 1e-4  # largest change of a metric


class Measured(NamedTuple):
    """One task with one model. `alike`: two runs with the same settings; `other`: a run with the
    other batch size."""

    task: Loaded
    items: int
    seconds: float  # of LIMIT items, loading the data included
    alike: tuple[Evaluated, Evaluated]
    other: Evaluated | None  # None where answers are drawn: the draws depend on the batch


def is_shipped(card: TaskCard) -> bool:
    """Whether a task can be scored without a download, from a shipped sample or from files of its
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
    """A quickstart model with our template, in the class that runs use."""
    return harness_model(*bare(name))


def measure(card: TaskCard, model: Any) -> Measured:
    """Time a task, then score it twice with the same settings and once with the other batch
    size."""
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
    """Score the task with this batch size."""
    model.batch_size_per_gpu = batch_size
    return evaluated(task, model, limit)


def nats_apart(one: Evaluated, other: Evaluated) -> float:
    """The largest difference of a log-likelihood; 0 without choices."""
    pairs = zip(
        *([sample.get("logprobs", []) for sample in each.samples] for each in (one, other)),
        strict=True,
    )
    return max((abs(a - b) for pair in pairs for a, b in zip(*pair, strict=True)), default=0.0)


def metrics_apart(one: Evaluated, other: Evaluated) -> float:
    """The largest difference of a metric; infinite if only one of the two has it."""
    if one.values.keys() != other.values.keys():
        return float("inf")
    return max(_apart(value.value, other.values[name].value) for name, value in one.values.items())


def _apart(one: float | None, other: float | None) -> float:
    """The difference of two values of a metric; None is an undefined value."""
    if one is None or other is None:
        return 0.0 if one is other else float("inf")
    return abs(one - other)


def answers_changed(one: Evaluated, other: Evaluated) -> int:
    """The number of items with another answer."""
    pairs = zip(one.samples, other.samples, strict=True)
    return sum(a["prediction"] != b["prediction"] for a, b in pairs)


def figures(name: str, rows: list[Measured]) -> list[Figure]:
    """The figures of one model: seconds per task, tasks that differ in a second run, and changes by
    the batch size."""
    differ = [row.task.name for row in rows if row.alike[0] != row.alike[1]]
    pairs = [(row.alike[0], row.other) for row in rows if row.other]
    nats, metric = (max(apart(*pair) for pair in pairs) for apart in (nats_apart, metrics_apart))
    return [
        *(Figure(f"{name}: {row.task.name}, {row.items} items", row.seconds, "s") for row in rows),
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
    rows = {
        name: [measure(card, model) for card in cards().values() if is_shipped(card)]
        for name, model in loaded.items()
    }
    seconds = loading + sum(row.seconds for measured in rows.values() for row in measured)
    show(
        f"Tasks on shipped data, {LIMIT} items each, batches of {BATCH_SIZE} and {OTHER}",
        [
            Figure("libraries and both models", loading, "s"),
            *(figure for name, measured in rows.items() for figure in figures(name, measured)),
            Figure("all tasks with both models", seconds, "s", most=SECONDS),
        ],
    )
