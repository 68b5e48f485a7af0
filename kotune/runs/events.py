"""Reads metrics.jsonl, the log of a training. It has one JSON object per line (records.Event).
kotune.train.plugin writes it."""

import errno
import os
from itertools import count
from pathlib import Path
from typing import NamedTuple

from kotune.errors import StageError
from kotune.runs.folder import write_text
from kotune.runs.reading import loads, raw_lines
from kotune.runs.records import Event, parsed


class EventLine(NamedTuple):
    """A line of metrics.jsonl, as text and as an event."""

    text: str
    event: Event


def read_metrics(path: Path) -> list[Event]:
    """The events of a metrics.jsonl. Empty if the file is missing, because training never started.
    Raises StageError for a damaged line, and for a file that exceeds a limit."""
    if not path.exists():
        return []
    try:
        # The last line may be incomplete, because a running training is writing it.
        events = [_event(line) for line in raw_lines(path) if line.endswith(b"\n")]
    except ValueError as error:  # the file exceeds a limit
        raise _damaged(path, str(error)) from None
    undamaged = [event for event in events if event is not None]
    if len(undamaged) < len(events):
        raise _damaged(path, "a line is not an event")
    return undamaged


def _damaged(path: Path, reason: str) -> StageError:
    """The error for a damaged metrics.jsonl, to be raised by the caller."""
    remedy = "run the same command again; it keeps the undamaged lines"
    return StageError(f"{path}: damaged ({reason}); {remedy}")


def keep_metrics_until(metrics: Path, step: int) -> str:
    """Remove the events after `step` from a metrics.jsonl before training continues.

    `step`: the step of the checkpoint from which training continues. Later events and the event of
    the training's end are removed, because they will be logged again. If `step` is 0, all events
    are removed. If lines are damaged, the old file is kept under another name.

    Returns a message about damaged lines, or an empty string."""
    lines, is_undamaged = _undamaged_lines(metrics)
    message = ""
    if not is_undamaged:
        backup = _put_aside(metrics)
        used = f"; its undamaged lines up to step {step} are used" if step else ""
        message = f"{metrics.name}: some lines are damaged; the file is kept as {backup.name}{used}"
    kept = [
        line.text
        for line in lines
        if step and line.event.step <= step and line.event.event != "end"
    ]
    write_text(metrics, "".join(kept))
    return message


def _undamaged_lines(path: Path) -> tuple[list[EventLine], bool]:
    """The lines of a metrics.jsonl that are events, and whether all its lines are events. An
    incomplete last line is ignored, because a killed process may leave one. A missing file has no
    lines."""
    events: list[EventLine] = []
    damaged = 0
    try:
        for line in raw_lines(path):
            if line.endswith(b"\n"):
                if event := _event(line):
                    events.append(EventLine(line.decode(), event))
                else:
                    damaged += 1
    except FileNotFoundError:
        pass
    except ValueError:  # the rest of the file exceeds a limit
        damaged += 1
    except OSError as error:
        if error.errno != errno.EFBIG:
            raise
        damaged += 1
    return events, not damaged


def _event(line: bytes) -> Event | None:
    """The event in a line. None if the line is damaged."""
    try:
        return parsed(loads(line.decode()), Event)
    except ValueError:  # not JSON, or not UTF-8
        return None


def _put_aside(path: Path) -> Path:
    """Rename a file to an unused name in the same folder. Returns its new path."""
    names = (path.with_name(f"{path.name}.damaged{number or ''}") for number in count())
    backup = next(name for name in names if not os.path.lexists(name))
    return path.rename(backup)
