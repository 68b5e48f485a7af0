"""What a run cost: seconds, speed, memory and parameters, from its own records."""

from collections.abc import Sequence
from typing import Any

from kotune.compare import Comparison, Finished
from kotune.training import read_metrics

Event = dict[str, Any]


def efficiency(run: Finished, found: Sequence[Comparison]) -> dict[str, Any]:
    """The facts as --json prints them. `points_per_minute`: what each task's primary metric gained by tuning, in points,
    by minutes of the training stage. Speeds are over the logging intervals, which leave out start-up and saving."""
    seconds = {name: stage["seconds"] for name, stage in run.record["stages"].items()}
    logs = read_metrics(run.folder / "metrics.jsonl")
    spent = clock(logs)[-1] if logs else 0.0
    tokens, epochs = (max((event.get(key, 0) for event in logs), default=0) for key in ("tokens", "epoch"))
    return {
        "run": run.name,
        "seconds": seconds,
        "steps": max((event["step"] for event in logs), default=0),
        "tokens": tokens,
        "tokens_per_second": round(tokens / spent, 1) if spent else None,
        "samples_per_second": round(epochs * run.manifest["rows"]["train"] / spent, 2) if spent else None,
        "peak_memory_gib": max((event.get("peak_memory_gib", 0.0) for event in logs), default=None),
        "trainable_parameters": run.record["trainable_parameters"],
        "points_per_minute": {one.task: _gained(one, seconds["train"]) for one in found if _is_tuning_of(one, run)},
    }


def clock(logs: list[Event]) -> list[float]:
    """Seconds of training behind each event: a logging interval's tokens by its speed, evaluations included."""
    spent, counted, passed = 0.0, 0, []
    for event in logs:
        if event.get("tokens_per_second"):
            spent += max(event["tokens"] - counted, 0) / event["tokens_per_second"]
            counted = event["tokens"]
        passed.append(spent)
    return passed


def _is_tuning_of(one: Comparison, run: Finished) -> bool:
    return one.p_holm is not None and one.a.run is run and one.b.run is run and one.scale == 100


def _gained(one: Comparison, seconds: float) -> float:
    sign = -1 if one.is_lower_better else 1
    return round(sign * one.found.difference * 100 / (seconds / 60), 2) if seconds else 0.0
