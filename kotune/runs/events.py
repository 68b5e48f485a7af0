"""metrics.jsonl: what training did, one JSON object a line. The plugin (kotune.train.plugin) says what stands in them."""

import json
from pathlib import Path
from typing import Any

from kotune.runs.folder import write_text
from kotune.runs.reading import loads, raw_lines

Event = dict[str, Any]


def read_metrics(path: Path) -> list[Event]:
    """The events of metrics.jsonl; none where training never began."""
    if not path.exists():
        return []
    return [loads(line) for line in raw_lines(path) if line.endswith(b"\n")]  # the last line may still be on its way


def keep_metrics_until(metrics: Path, step: int) -> None:
    """Keep what was logged up to the checkpoint that training goes on from; the rest will be logged again."""
    kept = [event for event in read_metrics(metrics) if step and event["step"] <= step and event["event"] != "end"]
    write_text(metrics, "".join(json.dumps(event) + "\n" for event in kept))
