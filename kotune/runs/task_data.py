"""Describes how a run reads the source of a task. The child processes for the proof and for scoring
receive this description as JSON."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self


class TaskData(NamedTuple):
    """How a run reads the source of a task.

    - `path`: the folder of the source; None for the hub
    - `test_share`: the share of rows that is kept for scoring; None for the share in the source's
      card
    - `merge`: whether system turns are merged into the beginning of the first user turn
    """

    path: Path | None = None
    test_share: float | None = None
    merge: bool = False

    @classmethod
    def from_json(cls, values: Sequence[Any]) -> Self:
        """Make a TaskData from the JSON list that a child process receives."""
        path, *others = values
        return cls(Path(path) if path else None, *others)
