"""metrics.jsonl: what training did, one JSON object a line. The plugin (kotune.train.plugin) says
what stands in them."""

import errno
import json
import os
from itertools import count
from pathlib import Path
from typing import Any

from kotune.errors import StageError
from kotune.runs import records
from kotune.runs.folder import write_text
from kotune.runs.reading import loads, raw_lines

Event = dict[str, Any]


def read_metrics(path: Path) -> list[Event]:
    """The events of metrics.jsonl; none where training never began. StageError where a line is not
    whole."""
    if not path.exists():
        return []
    try:
        # The last line may still be on its way.
        return [loads(line) for line in raw_lines(path) if line.endswith(b"\n")]
    except ValueError as error:
        told = "run the same command again, which keeps the lines that are whole"
        raise StageError(f"{path}: not whole ({error}); {told}") from None


def keep_metrics_until(metrics: Path, step: int) -> str:
    """Keep what was logged up to the checkpoint that training goes on from; the rest will be logged
    again. Where lines are not whole, the file as it was is put beside it, and this is what to tell;
    else empty."""
    found, is_whole = _whole_lines(metrics)
    told = ""
    if not is_whole:
        beside, used = (
            _put_aside(metrics),
            f", and the whole ones up to step {step} are used" if step else "",
        )
        told = f"{metrics.name}: not all of its lines are whole; it is kept as {beside.name}{used}"
    kept = [event for event in found if step and event["step"] <= step and event["event"] != "end"]
    write_text(metrics, "".join(json.dumps(event) + "\n" for event in kept))
    return told


def _whole_lines(path: Path) -> tuple[list[Event], bool]:
    """The events that have their shape, and whether all have. What a kill left of the last line
    counts for nothing."""
    found: list[Event] = []
    damaged = 0
    try:
        for line in raw_lines(path):
            if line.endswith(b"\n"):
                event = _event(line)
                found += [event] if event else []
                damaged += not event
    except FileNotFoundError:
        pass
    except ValueError:  # from here on there is more than is read
        damaged += 1
    except OSError as error:
        if error.errno != errno.EFBIG:
            raise
        damaged += 1
    return found, not damaged


def _event(line: bytes) -> Event | None:
    try:
        event = loads(line)
    except ValueError:
        return None
    return dict(event) if records.fits(event, records.Event) else None


def _put_aside(path: Path) -> Path:
    """A file under another name beside its own, which nothing has yet."""
    names = (path.with_name(f"{path.name}.damaged{number or ''}") for number in count())
    beside = next(name for name in names if not os.path.lexists(name))
    return path.rename(beside)
