"""Run folders as a finished run leaves them, small and written here, for what reads them
afterwards."""

import json
import math
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

from kodata.metrics.metrics import MEAN, METRICS
from kodata.metrics.resampling import stderr, value
from kotune.runs.folder import sha256, write_json, write_text
from kotune.runs.records import MetricValue, TaskScores, Values

Row = dict[str, Any]
RELATIONS = ("함의", "중립", "모순")


@dataclass(frozen=True)
class Made:
    """What a made run says of itself. Three items a premise of `nli_sample_ko`; `rates`: how often
    base and tuned are right. `first`: the number of its first premise; `asked`: the words of the
    question."""

    model: str = "quickstart-llama"
    adapter: str = "lora"
    rates: tuple[float, float] = (0.35, 0.75)
    premises: int = 50  # enough for a verdict
    first: int = 0
    asked: str = "어느 것입니까?"
    seed: int = 7
    record: Mapping[str, Any] = field(default_factory=dict)
    task: str = "nli_sample_ko"
    also: tuple[str, ...] = ()  # more tasks, whose items and answers are the same
    lines: tuple[str, ...] = ()  # its reference lines, which all say the first relation
    whole: bool = False  # whether the three items of a premise are also asked as one, for agreement
    # Whether its items have two sources and three numbers of votes, for breakdowns.
    kinds: bool = False
    sure: bool = False  # whether items say how sure the model was, for calibration


LLAMA = Made()


def finished(folder: Path, made: Made = LLAMA) -> Path:
    """Write the whole folder; its path."""
    tasks = (made.task, *made.also)
    write_text(
        folder / "recipe.yml",
        f"# resolved\nmodel: {made.model}\nadapter: {made.adapter}\ntasks: [{', '.join(tasks)}]\n",
    )
    config = {
        "base_model": made.model,
        "learning_rate": 0.001,
        "adapter": made.adapter,
        "bf16": False,
        "max_steps": None,
    }
    write_json(folder / "axolotl.yml", config)  # JSON is YAML
    write_json(folder / "data" / "manifest.json", MANIFEST)
    write_json(folder / "parity.json", PARITY)
    write_text(folder / "metrics.jsonl", "".join(json.dumps(event) + "\n" for event in events()))
    write_json(folder / "scores.json", {task: _scored(folder, task, made) for task in tasks})
    write_json(folder / "run.json", {**RECORD, **made.record})
    return folder


def _scored(folder: Path, task: str, made: Made) -> Row:
    """Write the answers to a task; its entry in scores.json."""
    entry: Row = {
        "version": 1.0,
        "criterion": "reasoning",
        "chance": {"acc": 0.3333},
        "n": 3 * made.premises,
        "sha256": {},
        "references": {"rows": 400, "absent": None, "lines": {}},
    }

    def put(kind: str, rows: list[Row]) -> None:
        path = folder / "samples" / kind / f"{task}.jsonl"
        write_text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
        entry["sha256"][kind] = sha256(path)

    put("items", items(made))
    for kind, rows in (("base", samples(made, 0)), ("tuned", samples(made, 1))):
        put(kind, rows)
        entry[kind] = scores(rows)
    for line in made.lines:
        rows = [_sample(number, made, said=0) for number in numbers(made)]
        put(line, rows)
        entry["references"]["lines"][line] = scores(rows)
    return entry


def items(made: Made) -> list[Row]:
    """What is asked."""
    asked = [
        (number, f"전제: {number // 3}번 <b>문</b>이\u2028열렸다. {made.asked}")
        for number in numbers(made)
    ]
    rows = [
        {"doc_hash": f"doc {number}", "choices": list(RELATIONS), "question": text}
        for number, text in asked
    ]
    return (
        [{**row, "agreement": f"{3 + at % 3}"} for at, row in enumerate(rows)]
        if made.kinds
        else rows
    )


def numbers(made: Made) -> range:
    """The numbers of its items."""
    return range(3 * made.first, 3 * (made.first + made.premises))


def samples(made: Made, side: int) -> list[Row]:
    """What base (0) or tuned (1) made of it."""
    rng = random.Random(f"{made.model} {made.seed} {side}")
    return [
        _sample(number, made, _said(number % 3, made.rates[side], rng)) for number in numbers(made)
    ]


def _said(gold: int, rate: float, rng: random.Random) -> int:
    return gold if rng.random() < rate else (gold + rng.randrange(1, 3)) % 3


def _sample(number: int, made: Made, said: int) -> Row:
    gold = number % 3
    premise = f"{number // 3}번 문이 열렸다."
    source = "cat" if made.kinds and number % 6 < 3 else "door"
    more: Row = {"consistent_and_right": [premise, premise, 3, gold, said]} if made.whole else {}
    if made.sure:
        more["ece"] = [0.5 + 0.04 * (number % 12), float(said == gold)]
    return {
        "guid": f"made-{number}",
        "source": source,
        "cluster": str(number // 3),
        "doc_id": number,
        "doc_hash": f"doc {number}",
        "question_hash": blake2b(f"{number}{made.asked}".encode(), digest_size=8).hexdigest(),
        "target_hash": str(gold),
        "prompt_hash": f"{made.model} {number}",
        "prediction": said,
        "gold": gold,
        "logprobs": [float(choice == said) - 1 for choice in range(3)],
        "metrics": {
            "acc": float(said == gold),
            "macro_f1": [gold, said],
            "triple_acc": [premise, gold, said],
            "brier": 0.1 if said == gold else 1.2,
            **more,
        },
    }


def scores(rows: list[Row]) -> Row:
    """Values, standard errors and numbers of items as scoring writes them."""
    clusters = [row["cluster"] for row in rows]
    found = {
        name: (METRICS.get(name, MEAN), [row["metrics"][name] for row in rows])
        for name in rows[0]["metrics"]
    }
    return {
        name: {
            "value": _finite(value(metric, of, clusters)),
            "stderr": _finite(stderr(metric, of, clusters)),
            "n": len(of),
        }
        for name, (metric, of) in found.items()
    }


def task_scores(base: Values, tuned: Values, **more: Any) -> TaskScores:
    """An entry of scores.json with these values."""
    digests = {"base": "", "tuned": "", "items": ""}
    return TaskScores(version=1.0, chance={}, sha256=digests, n=9, base=base, tuned=tuned, **more)


def metric(value: float | None, n: int = 9) -> MetricValue:
    return MetricValue(value=value, stderr=None, n=n)


def _finite(found: float) -> float | None:
    return found if math.isfinite(found) else None


def events() -> list[Row]:
    """A training's metrics.jsonl."""
    logs = [
        {
            "event": "log",
            "step": step,
            "loss": 4 / step,
            "learning_rate": 0.001,
            "epoch": step / 20,
            "tokens": 1000 * step,
            "tokens_per_second": 500.0,
            "padding": 1.5 if step < 25 else 2.0,
            "peak_memory_gib": 0.5,
        }
        for step in range(5, 45, 5)
    ]
    start = {"event": "start", "step": 0, "max_steps": 40, "trainable_parameters": 163_840}
    evaluated = {
        "event": "log",
        "step": 40,
        "eval_loss": 0.25,
        "epoch": 2.0,
        "tokens": 40_000,
        "peak_memory_gib": 0.5,
    }
    return [start, *logs, evaluated, {"event": "end", "step": 40, "max_steps": 40}]


RECORD: Row = {
    "command": "./cli.py run recipes/made.yml",
    "overrides": [],
    "limit": None,
    "seed": 42,
    "device": "cpu",
    "versions": {"axolotl": "0.19.0", "torch": None},
    "code_revision": "abc",
    "python": "3.11.7",
    "machine": "Linux x86_64",
    "base_precision": "float32",
    "compute_dtype": "float32",
    "trainable_parameters": 163_840,
    "model_revision": None,
    "stages": {
        stage: {"inputs": {}, "seconds": 60.0, "finished": 1}
        for stage in ("prepare", "render", "train", "score")
    },
}
MANIFEST: Row = {
    "seed": 42,
    "rows": {"train": 400, "validation": 40},
    "entries": [
        {
            "source": "nli_sample",
            "form": "label",
            "path": None,
            "samples": None,
            "weight": 1.0,
            "from": {"kind": "shipped"},
            "files": [{"file": "train.json", "bytes": 9, "sha256": "0" * 64}],
            "licence": "CC0-1.0",
            "obliges": "",
            "kept": {"train": 400, "validation": 40},
            "dropped": {"duplicate": 3},
            "labels": {"train": {"neutral": 400}, "validation": {"neutral": 40}},
        }
    ],
    "leaks": {
        "policy": "keep",
        "between_tests": [{"source": "nsmc", "task": "klue_nli_ko", "texts": 2}],
        "found": [
            {"source": "klue_nli", "task": "nsmc_ko", "kind": "exact", "rows": 9, "texts": 3}
        ],
    },
}
PARITY: Row = {
    "labels": {"rows": 128, "status": "answer and end of turn only"},
    "lengths": {"rows": 440, "longest": 64, "sequence_len": 1024, "too_long": 0},
    "content": {"tokens": 5290, "characters": 10_000},
    "tasks": {
        "nli_sample_ko": {"status": "equal", "items": 128},
        "nsmc_ko": {"status": "not trained"},
    },
}
