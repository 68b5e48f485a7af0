"""How a run reads the source of a task: told to the processes that prove and score."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self


class TaskData(NamedTuple):
    """How a run reads the source of a task: where it lies (None: the hub), the share of it that is
    kept for scoring (None: its card's), and whether system turns are asked as the beginning of the
    first user's turn."""

    path: Path | None = None
    test_share: float | None = None
    merge: bool = False

    @classmethod
    def told(cls, values: Sequence[Any]) -> Self:
        """As it came to a child, in JSON."""
        path, *others = values
        return cls(Path(path) if path else None, *others)
