"""Defines TaskData, which says how a run reads the source of a task. The child processes for the
parity check and for scoring receive a TaskData as JSON."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self


class TaskData(NamedTuple):
    """How a run reads the source of a task.

    - `path`: the folder of the data, or a hub commit as a Path. None means the hub commit on the
      source's card, or the data shipped with kotune.
    - `test_share`: the share of groups (0 to 1) that is kept for scoring. None means the share on
      the source's card.
    - `merge`: whether a system turn is merged into the beginning of the first user turn
    """

    path: Path | None = None
    test_share: float | None = None
    merge: bool = False

    @classmethod
    def from_json(cls, values: Sequence[Any]) -> Self:
        """The TaskData in a JSON list, which has the fields in their order."""
        path, *others = values
        return cls(Path(path) if path else None, *others)
