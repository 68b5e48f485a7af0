"""How a run reads the source of a task: a setting for the processes that prove and score."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self


class TaskData(NamedTuple):
    """How a run reads the source of a task. `path`: its folder (None: the hub); `test_share`: the
    share that is kept for scoring (None: its card's); `merge`: system turns become the beginning of
    the first user turn."""

    path: Path | None = None
    test_share: float | None = None
    merge: bool = False

    @classmethod
    def told(cls, values: Sequence[Any]) -> Self:
        """From the JSON list that a child process receives."""
        path, *others = values
        return cls(Path(path) if path else None, *others)
